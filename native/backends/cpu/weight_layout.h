// How the cpu backend stores a matrix [out, in], for the code that packs it and the kernels that read it.
// Panels of 32 output rows, the last one padded with zeros; within a panel the input dimension is outermost:
//   F32, F16, BF16   [in][32] elements (F64 is rounded to F32)
//   quantised        blocks of 32 inputs: scales [groups][32], mins [groups][32] if any, bit planes, then nibbles
//                    [8 quads of inputs][16 outputs][4 bytes] (low nibble: output j, high: output j + 16)
//                    or, for Q8_0, int8 [32 inputs][32]
//   bit planes       [planes][32 outputs] words of one bit an input; PlaneBit says which
// So a register of sixteen words holds four inputs of sixteen outputs, and one mask takes an input out of it.
// NF4 has the nibbles too, which are numbers of kNf4Values, and the F32 absmax of the block of 64 as the scale of both
// its halves: 5 bits a weight instead of 4.1, and no second look-up in the kernels.
// Of the other types a weight is scale * (nibble + 16 * plane 0 + 32 * plane 1 - centre) + min, which has the bits of
// the file format's own definition because the product is exact.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace rlvr::cpu {

constexpr int64_t kPanel = 32;
constexpr int64_t kBlock = 32;

struct Format {
  bool quantised = false;
  size_t element = 4;  // bytes of a plain element, or of a scale
  bool has_min = false;
  int groups = 1;  // scales in a block: 2 for Q6_K, one each 16 inputs
  int planes = 0;
  bool int8 = false;
  int centre = 0;
  bool table = false;  // nibbles are places in kNf4Values
};

constexpr Format FormatOf(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
    case DType::kF16: return {false, 2};
    case DType::kQ8_0: return {true, 2, false, 1, 0, true, 0};
    case DType::kQ4_0: return {true, 2, false, 1, 0, false, 8};
    case DType::kQ4_1: return {true, 2, true, 1, 0, false, 0};
    case DType::kQ5_0: return {true, 2, false, 1, 1, false, 16};
    case DType::kQ5_1: return {true, 2, true, 1, 1, false, 0};
    case DType::kQ4_K: return {true, 4, true, 1, 0, false, 0};
    case DType::kQ5_K: return {true, 4, true, 1, 1, false, 0};
    case DType::kQ6_K: return {true, 4, false, 2, 2, false, 32};
    case DType::kNF4: return {true, 4, false, 1, 0, false, 0, true};
    default: return {false, 4};
  }
}

constexpr size_t MinsOffset(const Format& f) { return f.element * kPanel * static_cast<size_t>(f.groups); }
constexpr size_t PlanesOffset(const Format& f) { return MinsOffset(f) * (f.has_min ? 2 : 1); }
constexpr size_t ValuesOffset(const Format& f) { return PlanesOffset(f) + static_cast<size_t>(f.planes) * 4 * kBlock; }
constexpr size_t BlockBytes(const Format& f) { return ValuesOffset(f) + (f.int8 ? 32u : 16u) * kBlock; }
constexpr size_t PanelBytes(const Format& f, int64_t in) {
  return f.quantised ? BlockBytes(f) * static_cast<size_t>(in / kBlock) : f.element * kPanel * static_cast<size_t>(in);
}
// Offset of the nibble of input k of a block for outputs j and j + 16, from the values.
constexpr size_t NibbleOffset(int64_t k, int64_t j) { return static_cast<size_t>(k / 4 * 64 + j * 4 + k % 4); }
// The bit of input k in a plane's word: after a rotation by k / 4 it stands above the nibble in the byte of k % 4; the
// second plane's is one bit higher.
constexpr int PlaneBit(int64_t k, int plane) { return static_cast<int>(4 + plane + 8 * (k % 4) + k / 4) % 32; }
constexpr int64_t Panels(int64_t out) { return (out + kPanel - 1) / kPanel; }

}  // namespace rlvr::cpu
