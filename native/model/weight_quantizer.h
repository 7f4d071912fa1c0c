// Weights made smaller while they are loaded: one matrix at a time, so that a large checkpoint is never in memory
// twice.
#pragma once

#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "model/quantization.h"
#include "ops/ops.h"
#include "quant/quantize.h"

namespace rlvr {

class WeightQuantizer {
 public:
  // path: the checkpoint, for messages.
  WeightQuantizer(Quantization quantization, ThreadPool& pool, std::string path)
      : quantization_(quantization), pool_(pool), path_(std::move(path)) {}

  // The type that a matrix becomes; its own with kNone. `name` is the tensor's, for messages. A matrix of blocks is
  // RLVR_BAD_ARGUMENT; rows that are no whole blocks of the new type are RLVR_UNSUPPORTED_OP.
  DType TypeOf(const WeightSource& source, const std::string& name) const;
  // The matrix in that type, valid until the next call. An element that is not finite is RLVR_BAD_CHECKPOINT.
  WeightSource Quantize(const WeightSource& source, const std::string& name);
  // The most memory that it held, beside the mapped file.
  size_t peak_bytes() const { return peak_bytes_; }

 private:
  Quantization quantization_;
  ThreadPool& pool_;
  std::string path_;
  std::vector<std::byte> quantized_;
  QuantizeScratch scratch_;
  size_t peak_bytes_ = 0;
};

}  // namespace rlvr
