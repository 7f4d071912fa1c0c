// The products of a LoRA layer on a stream: what CudaBackend's Lora and LoraBackward do. Contracts: ops.h.
#pragma once

#include "backends/cuda/linear_scratch.h"
#include "backends/cuda/runtime.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// lora.a_t and lora.b_t are not read: tensor cores take either layout at the same speed.
void LoraForward(cudaStream_t stream, const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y,
                 const LinearScratch& scratch);
void LoraGradients(cudaStream_t stream, const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                   const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx,
                   const LinearScratch& scratch);

}  // namespace rlvr::cuda
