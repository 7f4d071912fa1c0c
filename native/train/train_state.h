// Everything that a continued run needs, bit for bit: parameters, gradients that are pending, AdamW moments, the step.
#pragma once

#include <string>

#include "model/model.h"

namespace rlvr {

// One safetensors file: value/NAME, gradient/NAME, m/NAME, v/NAME in the activation type; the step in its metadata.
void WriteTrainState(const std::string& file, const Model& model, int64_t step);

// Returns the step. RLVR_BAD_STATE when names, shapes or types are not those of this model; nothing is changed then.
int64_t ReadTrainState(const std::string& file, const Model& model);

}  // namespace rlvr
