// The device layer under nvcc: PTX of sm_80 and newer (FP8 conversions: sm_89). See device.h.
#pragma once

#include <cuda_fp16.h>

#include "backends/cuda/device_types.h"

namespace rlvr::cuda {

// --- conversions ---

// Rounds to nearest, ties to even; every NaN becomes 0x7fff.
DEVICE Bf16 ToBf16(float value) {
  Bf16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}

DEVICE uint32_t PackBf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

DEVICE float HalfToFloat(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

DEVICE float Fp8ToFloat(uint8_t code) {
  uint32_t halves;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(static_cast<uint16_t>(code)));
  return HalfToFloat(static_cast<uint16_t>(halves));
}

// Rounds to nearest, ties to even; beyond 448 saturates; every NaN becomes 0x7f.
DEVICE uint8_t ToFp8(float value) {
  uint16_t pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(0.0f), "f"(value));
  return static_cast<uint8_t>(pair);
}

// --- shared memory ---

DEVICE uint32_t SharedAddress(const void* shared) { return static_cast<uint32_t>(__cvta_generic_to_shared(shared)); }

// Takes the parts of the dynamic shared memory; every thread of the block takes the same sequence.
class SharedCarver {
 public:
  DEVICE SharedCarver() {
    extern __shared__ __align__(128) unsigned char rlvr_dynamic_shared[];
    next_ = rlvr_dynamic_shared;
  }
  template <typename T>
  DEVICE T* Take(int count) {
    T* part = reinterpret_cast<T*>(next_);
    next_ += RoundedShared(sizeof(T) * static_cast<size_t>(count));
    return part;
  }

 private:
  unsigned char* next_;
};

// --- tensor cores ---

// d += a b, the 16x8x16 product of a warp: a row-major BF16, b column-major BF16, d F32. With g = lane / 4, t = lane %
// 4: a: rows {g, g+8, g, g+8} at columns {2t, 2t, 2t+8, 2t+8} and the next; b: rows {2t, 2t+8} and the next of column
// g; d: row g (0, 1) and g+8 (2, 3) at columns 2t, 2t+1.
DEVICE void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Reads 8x8 matrices of 16-bit elements from shared memory. Lanes 8m..8m+7 give the row addresses of matrix m (lanes
// 16..31 are ignored by X2); register m receives elements 2 (lane % 4) and the next of row lane / 4, of the transposed
// matrix with Trans.
DEVICE void LdMatrixX4(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(SharedAddress(shared_row))
               : "memory");
}

DEVICE void LdMatrixX2(uint32_t (&r)[2], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(SharedAddress(shared_row))
               : "memory");
}

DEVICE void LdMatrixX4Trans(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(SharedAddress(shared_row))
               : "memory");
}

DEVICE void LdMatrixX2Trans(uint32_t (&r)[2], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(SharedAddress(shared_row))
               : "memory");
}

// --- global memory ---

// Copies 16 bytes to shared memory behind the thread's back; zeros when !valid (`global` is then not read, but must
// still be a legal address). Both addresses are multiples of 16.
DEVICE void CpAsync16(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(SharedAddress(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}

// Closes a group of copies; CpAsyncWait<n> waits until at most the n newest groups are under way.
DEVICE void CpAsyncCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int kPending>
DEVICE void CpAsyncWait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// One access of 1, 2, 4, 8 or 16 bytes, aligned to its size.
template <typename T>
DEVICE T LoadGlobal(const T* p) {
  static_assert(sizeof(T) <= 16 && (sizeof(T) & (sizeof(T) - 1)) == 0, "a global access has 1, 2, 4, 8 or 16 bytes");
  return *p;
}

template <typename T>
DEVICE void StoreGlobal(T* p, T value) {
  static_assert(sizeof(T) <= 16 && (sizeof(T) & (sizeof(T) - 1)) == 0, "a global access has 1, 2, 4, 8 or 16 bytes");
  *p = value;
}

// --- launch ---

// Shared memory a kernel may use without asking.
constexpr size_t kSharedWithoutAsking = 48 << 10;

// Starts the kernel on the stream; `name` is for messages. A grid with a zero dimension launches nothing.
template <typename... P, typename... A>
void Launch(const char* name, void (*kernel)(P...), const LaunchShape& shape, cudaStream_t stream, A... args) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  if (shape.shared_bytes > kSharedWithoutAsking) {
    RLVR_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(shape.shared_bytes)));
  }
  kernel<<<shape.grid, shape.block, shape.shared_bytes, stream>>>(static_cast<P>(args)...);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) CheckCallFailed(error, name, __FILE__, __LINE__);
}

}  // namespace rlvr::cuda
