// Runs one thread block: each thread is a fiber, and the running fiber hands on at barriers and warp collectives.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/emulator/async_copies.h"
#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/fiber.h"
#include "backends/cuda/emulator/kernel.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/emulator/shared_memory.h"

namespace rlvr::cuda::emulator {

struct Warp;

struct Thread {
  Thread();
  Fiber fiber;
  dim3 index;
  int linear = 0;  // index.x first
  int lane = 0;
  Warp* warp = nullptr;
  const char* operation = "the start";  // where it waits
  Site site;
  AsyncCopies copies;
};

// A collective of one warp that some lanes have reached.
struct Rendezvous {
  unsigned mask = 0;
  unsigned arrived = 0;
  const char* operation = nullptr;
  Site site;
  std::array<void*, 32> arguments;
};

struct Warp {
  int number = 0;
  unsigned live = 0;                     // lanes that have not ended
  unsigned ready = 0;                    // lanes that can run, with the one that runs
  unsigned at_barrier = 0;               // lanes that wait for the block
  std::array<Rendezvous, 8> rendezvous;  // one for each mask in use; more masks are a kernel gone wrong
  size_t meetings = 0;

  void Reset(int number_in_block);
};

class Block {
 public:
  // Runs `body` once for each thread of block `index`. Throws a std::string that says what went wrong and where.
  void Run(const dim3& index, const dim3& size, size_t shared_bytes, const std::function<void()>& body);
  void EndLaunch() { shared_.EndLaunch(); }

  // --- what the running thread asks for ---
  int Barrier(const char* operation, bool predicate, const Site& site);
  void Collective(const char* operation, unsigned mask, void* argument, WarpOperation perform, const Site& site);
  Thread& current() { return *current_; }
  SharedMemory& shared() { return shared_; }
  bool Coin();  // of the seed

  Counters counters;  // of the launch

 private:
  static void Entry();
  void Prepare(const dim3& index, const dim3& size, size_t shared_bytes);
  void RunThread();
  void CheckEnd();
  void EndThread();
  void ReleaseBarrier();
  void Yield();
  Thread* Next();
  int PickLane(unsigned ready);
  Rendezvous& Meet(const char* operation, unsigned mask, const Site& site);
  void Enter(Thread& thread);
  std::string Deadlock() const;
  uint64_t Random();

  std::vector<std::unique_ptr<Thread>> pool_;  // kept from launch to launch
  std::vector<Thread*> threads_;               // of this block, by linear index
  std::vector<Warp> warps_;
  Fiber home_;  // the thread that called Run
  Thread* current_ = nullptr;
  size_t warp_ = 0;  // that runs
  int live_ = 0;
  int arrived_ = 0;  // at the barrier
  const char* barrier_operation_ = nullptr;
  Site barrier_site_;
  int true_count_ = 0, released_true_count_ = 0;
  SharedMemory shared_;
  const std::function<void()>* body_ = nullptr;
  Settings settings_;
  uint64_t random_ = 0;
  std::string error_;
  char started_ = 0, ended_ = 0;  // their addresses order threads for the race detector
};

// The one block that runs; kernels reach it through kernel.h.
Block& RunningBlock();

}  // namespace rlvr::cuda::emulator
