// Operand tiles of matrix products: from global to shared memory, and from there to the fragments of m16n8k16.
// A tile lies as its matrix does: rows of k when the matrix runs along k, else rows of the other index; the transposing
// ldmatrix turns the latter. Chunks of 16 bytes are XORed by their row, so that the eight rows which one 8x8 matrix
// reads, and the eight chunks which a quarter of a warp writes, lie in different banks without padding.
#pragma once

#include "backends/cuda/device.h"

namespace rlvr::cuda {

constexpr int kChunk = 8;  // BF16 in 16 bytes

// A matrix in global memory, of which tiles are copied. `extent` is its size along m or n.
struct OperandSource {
  const Bf16* data = nullptr;
  int64_t ld = 0;
  int extent = 0;
  bool aligned = true;  // 16-byte rows, sizes and pointer: whole chunks can be copied
};

// kExtent elements of m or n by kDepth elements of k.
template <int kExtent, int kDepth, bool kAlongK>
struct OperandTile {
  static constexpr int kElements = kExtent * kDepth;
  static constexpr int kRows = kAlongK ? kExtent : kDepth;
  static constexpr int kRowChunks = (kAlongK ? kDepth : kExtent) / kChunk;
  static constexpr int kSpread = kRowChunks < 8 ? kRowChunks : 8;  // chunks of a row within 128 bytes, all the banks
  static constexpr int kRowsPerLine = 8 / kSpread;
  static_assert((kRowChunks & (kRowChunks - 1)) == 0, "rows are a power of two of chunks");

  static DEVICE int Offset(int row, int chunk) {
    return (row * kRowChunks + (chunk ^ (row / kRowsPerLine & (kSpread - 1)))) * kChunk;
  }

  // Starts the copy of the tile at (first, k_first) of an aligned source; what lies beyond extent or k_end is zero.
  template <int kThreads>
  static DEVICE void CopyAsync(Bf16* tile, const OperandSource& source, int first, int k_first, int k_end) {
    static_assert(kRows * kRowChunks % kThreads == 0, "every thread copies as many chunks");
#pragma unroll
    for (int pass = 0; pass < kRows * kRowChunks / kThreads; ++pass) {
      const int index = pass * kThreads + static_cast<int>(threadIdx.x);
      const int row = index / kRowChunks, chunk = index % kRowChunks;
      const int outer = first + (kAlongK ? row : chunk * kChunk), k = k_first + (kAlongK ? chunk * kChunk : row);
      const bool valid = outer < source.extent && k < k_end;
      const Bf16* from = source.data + (kAlongK ? outer * source.ld + k : k * source.ld + outer);
      CpAsync16(tile + Offset(row, chunk), valid ? from : source.data, valid);
    }
  }

  // The same by elements and at once, for sources of any alignment.
  template <int kThreads>
  static DEVICE void Copy(Bf16* tile, const OperandSource& source, int first, int k_first, int k_end) {
    for (int index = threadIdx.x; index < kRows * kRowChunks; index += kThreads) {
      const int row = index / kRowChunks, chunk = index % kRowChunks;
      Bf16* to = tile + Offset(row, chunk);
#pragma unroll
      for (int i = 0; i < kChunk; ++i) {
        const int along = chunk * kChunk + i;
        const int outer = first + (kAlongK ? row : along), k = k_first + (kAlongK ? along : row);
        const int64_t at = kAlongK ? outer * source.ld + k : k * source.ld + outer;
        to[i] = outer < source.extent && k < k_end ? LoadGlobal(source.data + at) : Bf16{0};
      }
    }
  }

  // The 16x16 fragment of A at (m, k).
  static DEVICE void LoadA(uint32_t (&a)[4], const Bf16* tile, int m, int k) {
    const int lane = threadIdx.x % kWarpSize;
    if constexpr (kAlongK) {
      LdMatrixX4(a, tile + Offset(m + lane % 16, k / kChunk + lane / 16));
    } else {
      LdMatrixX4Trans(a, tile + Offset(k + lane % 8 + lane / 16 * 8, m / kChunk + lane / 8 % 2));
    }
  }

  // Two 16x8 fragments of B, at (k, n) and (k, n + 8).
  static DEVICE void LoadB(uint32_t (&b0)[2], uint32_t (&b1)[2], const Bf16* tile, int k, int n) {
    const int lane = threadIdx.x % kWarpSize;
    uint32_t both[4];
    if constexpr (kAlongK) {
      LdMatrixX4(both, tile + Offset(n + lane % 8 + lane / 16 * 8, k / kChunk + lane / 8 % 2));
    } else {
      LdMatrixX4Trans(both, tile + Offset(k + lane % 16, n / kChunk + lane / 16));
    }
    b0[0] = both[0];
    b0[1] = both[1];
    b1[0] = both[2];
    b1[1] = both[3];
  }
};

}  // namespace rlvr::cuda
