// NF4 with double quantisation: the values of bitsandbytes' 4-bit NF4 with compress_statistics, as QLoRA uses them
// (Dettmers, Pagnoni, Holtzman, Zettlemoyer: QLoRA, 2023). A block is 64 elements along the row and shares the largest
// magnitude among them, its absmax; these are quantised to 8 bits in their turn, 256 blocks at a time:
//   value  = kNf4Values[code] * absmax                                    each operation rounded to F32
//   absmax = AbsmaxMap()[absmax code] * nested[block / 256] + offset
// A matrix [out, in] is planar, its blocks counted through the rows in order:
//   codes, out * in / 2 bytes: the earlier of two elements in the high nibble | an absmax code a block | F32 nested |
//   F32 offset. The F32 parts may lie at odd addresses.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quant/quantize.h"

namespace rlvr {

constexpr int64_t kNf4Block = 64;
constexpr int64_t kNf4NestedBlocks = 256;  // blocks that share a nested absmax

// Where the parts begin, in bytes. `in` is a multiple of 64.
struct Nf4Layout {
  int64_t blocks = 0, nested_blocks = 0;
  size_t absmax = 0, nested = 0, offset = 0, bytes = 0;
  Nf4Layout(int64_t out, int64_t in);
};

// The quantiles of a normal distribution, scaled to [-1, 1], with an exact zero.
constexpr std::array<float, 16> kNf4Values = {-1.0f,
                                              -0.6961928009986877f,
                                              -0.5250730514526367f,
                                              -0.39491748809814453f,
                                              -0.28444138169288635f,
                                              -0.18477343022823334f,
                                              -0.09105003625154495f,
                                              0.0f,
                                              0.07958029955625534f,
                                              0.16093020141124725f,
                                              0.24611230194568634f,
                                              0.33791524171829224f,
                                              0.44070982933044434f,
                                              0.5626170039176941f,
                                              0.7229568362236023f,
                                              1.0f};

// What an absmax code stands for, ascending: bitsandbytes' signed dynamic map of 8 bits. Seven decades below 1, each
// with twice as many values as the one below it, evenly spread; their negatives; 0 and 1.
const std::array<float, 256>& AbsmaxMap();

// A planar matrix, to be read.
class Nf4Matrix {
 public:
  Nf4Matrix(const void* bytes, int64_t out, int64_t in);
  // The codes of a row, two in a byte: [in / 2].
  const uint8_t* Codes(int64_t row) const { return bytes_ + row * in_ / 2; }
  // Of block `block` of a row.
  float Absmax(int64_t row, int64_t block) const;
  // values: [in].
  void Row(int64_t row, float* values) const;

 private:
  int64_t in_;
  Nf4Layout layout_;
  const uint8_t* bytes_;
  float offset_;
};

// Fills bytes (Nf4Layout(out, in).bytes of them). Every element must be finite. An element gets the nearest code and an
// absmax the nearest absmax code, the lower one halfway, as bitsandbytes' GPU and plain kernels do; its CPU kernel
// reads absmax codes from a coarse table and in one of 600 takes the neighbour.
void QuantizeNf4(const RowReader& read, int64_t out, int64_t in, ThreadPool& pool, QuantizeScratch& scratch,
                 std::byte* bytes);

}  // namespace rlvr
