// What the CUDA library (librlvr_cuda.so, or librlvr_cuda_emulated.so) exports: one C function that returns this table.
// The engine loads it at run time, so that an ordinary build and install need no CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rlvr {

class Ops;

// A hash of the headers that engine and library share (test/native/cuda_library.cc computes it): a library that was
// built for another contract is refused, not called.
constexpr uint64_t kCudaContract = 16681592116648670017u;

struct CudaCard {
  char name[128];
  int major, minor;  // compute capability
  uint64_t total_bytes, free_bytes;
};

struct CudaLibraryTable {
  uint64_t contract;  // kCudaContract of its build
  const char* build;  // "nvcc 13.0, sm_89" or "emulated"
  // The cards, at most `limit`; their number, or -1 and a message that says what is missing and what to do.
  int (*cards)(CudaCard* cards, int limit, char* message, size_t message_bytes);
  // Which cuBLASLt large products use, or why none was found.
  void (*cublas)(char* text, size_t text_bytes);
  // A backend on that card; null and a message on failure. fp8_kv: keys and values of rollouts as FP8 E4M3.
  Ops* (*create)(int card, bool fp8_kv, char* message, size_t message_bytes);
};

using CudaLibraryEntry = const CudaLibraryTable* (*)();
constexpr const char* kCudaLibraryEntry = "rlvr_cuda_library";

}  // namespace rlvr
