// How packed weights lie in device memory: as planes, so that a thread reads 16 bytes of codes at an aligned address.
// Pure host code: plans need the sizes on machines without CUDA.
//
// A row is cut into units of 32 weights along the input. Codes of four bits: byte j of a unit holds weight 2j in its
// high nibble and weight 2j + 1 in its low one. Little-endian, and per unit unless said:
//
//   stored                codes    high                        scales                     supers
//   BF16 F16 F32 F64      BF16     -                           -                          -
//   Q8_0                  int8     -                           F16 d                      -
//   Q4_0 Q5_0             4 bits   Q5: bit i of 32 bits        F16 d                      -
//   Q4_1 Q5_1             4 bits   Q5: bit i of 32 bits        F16 d, F16 m               -
//   Q4_K Q5_K             4 bits   Q5: bit i of 32 bits        u8 scale, u8 min           F16 d, F16 dmin a 256
//   Q6_K                  4 bits   bits 2i, 2i + 1 of 64 bits  i8 scale of each 16        F16 d a 256
//   NF4                   4 bits   -                           u8 absmax code a 64        I32 source row, one a row
//
// Two parts of NF4 are not by rows: an F32 nested scale for every 256 absmax codes, counted through the whole matrix in
// the order of its source, and what its codes mean (Nf4Tables).
#pragma once

#include "core/dtype.h"

namespace rlvr::cuda {

// A plane's first byte in the packed weight, and the bytes of a row.
struct WeightPlane {
  size_t offset = 0;
  size_t row_bytes = 0;
};

struct WeightLayout {
  WeightPlane codes, high, scales, supers;
  size_t nested_offset = 0;  // NF4
  size_t tables_offset = 0;  // NF4
  size_t bytes = 0;
};

// What the codes of an NF4 matrix mean: weight = codebook[code] * (absmax[absmax code] * nested scale + offset).
struct Nf4Tables {
  float codebook[16];
  float absmax[256];
  float offset;
  float padding[3];
};

// The type whose layout a stored type takes: BF16 for all plain ones, else itself.
DType DeviceType(DType stored);

// Throws RLVR_UNSUPPORTED_OP for a type that is no weight type and for rows that are no whole number of blocks.
WeightLayout LayoutOf(DType stored, int64_t out, int64_t in);

// Bytes of a packed matrix [out, in] of this stored type.
size_t PackedBytes(DType dtype, int64_t out, int64_t in);

}  // namespace rlvr::cuda
