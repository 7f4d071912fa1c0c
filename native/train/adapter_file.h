// PEFT adapter folders, in and out: adapter_config.json and adapter_model.safetensors.
#pragma once

#include <string>

#include "model/model.h"

namespace rlvr {

// Rank, alpha, targets of a PEFT folder. RLVR_BAD_CHECKPOINT when it is no LoRA that this engine can run (DoRA,
// per-layer ranks, trained biases, other PEFT types).
LoraOptions ReadAdapterOptions(const std::string& folder);

// Throws RLVR_BAD_CHECKPOINT unless the folder has exactly the declared matrices: names and shapes.
void CheckAdapterWeights(const std::string& folder, const ParameterStore& declared);

// Copies the folder's matrices into the model's LoRA parameters; names and shapes must match exactly.
void ReadAdapterWeights(const std::string& folder, const Model& model);

// Writes both files, each complete or not at all; the weights in F32. base_model: what PEFT loads it on top of.
void WriteAdapter(const std::string& folder, const Model& model, const std::string& base_model);

}  // namespace rlvr
