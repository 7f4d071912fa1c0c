// What the twins of the device layer use while a kernel runs. All of it belongs to the one block that runs at a time.
#pragma once

#include <cstddef>
#include <source_location>
#include <string>

#include "backends/cuda/emulator/types.h"

namespace rlvr::cuda::emulator {

using Site = std::source_location;

// The built-in variables of the thread that runs.
extern const dim3* thread_index;
extern dim3 block_index, block_size, grid_size;

// Ends the kernel with this error; the launch reports it with the kernel's name, the block and the thread.
[[noreturn]] void Fail(const std::string& message);
// "file.cu:12", or with the column when the line holds several calls.
std::string Place(const Site& site);

int CurrentLane();

// Waits for all threads of the block; how many of them gave a true predicate.
int Barrier(const char* operation, bool predicate, const Site& site);

// One operation of the lanes in `mask`: each gives its argument, the last to arrive performs it for all.
using WarpOperation = void (*)(void* const* arguments, unsigned mask);
void WarpCollective(const char* operation, unsigned mask, void* argument, WarpOperation perform, const Site& site);

// The part of shared memory that every thread takes as its `index`-th.
void* TakeShared(int index, size_t bytes, size_t alignment);

// A global access of the running kernel: fails unless it is aligned to its size and inside one allocation; counted.
void CheckLoad(const void* address, size_t bytes, const Site& site);
void CheckStore(const void* address, size_t bytes, const Site& site);
void CheckAsyncSource(const void* address, const Site& site);

void AsyncCopy16(void* shared, const void* global, bool valid, const Site& site);
void AsyncCommit();
void AsyncWait(int pending);

}  // namespace rlvr::cuda::emulator
