#include "backends/cuda/emulator/block.h"

#include <bit>
#include <cstring>
#include <exception>
#include <span>

#include "backends/cuda/emulator/tsan.h"
#include "core/error.h"

namespace rlvr::cuda::emulator {

const dim3* thread_index = nullptr;
dim3 block_index, block_size, grid_size;

namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr int kLanes = 32;

struct KernelFault {
  std::string message;
};

bool SamePlace(const Site& a, const Site& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string Triple(const dim3& index) { return Concat("(", index.x, ",", index.y, ",", index.z, ")"); }

std::string Hex(unsigned mask) {
  std::ostringstream out;
  out << "0x" << std::hex << mask;
  return out.str();
}

}  // namespace

void Warp::Reset(int number_in_block) {
  number = number_in_block;
  live = ready = at_barrier = 0;
  meetings = 0;
}

Thread::Thread() : fiber(kStackBytes) {}

Block& RunningBlock() {
  static Block block;
  return block;
}

void Fail(const std::string& message) { throw KernelFault{message}; }

std::string Place(const Site& site) {
  const char* slash = std::strrchr(site.file_name(), '/');
  return Concat(slash ? slash + 1 : site.file_name(), ":", site.line(), ":", site.column());
}

// --- one block ---

void Block::Prepare(const dim3& index, const dim3& size, size_t shared_bytes) {
  const int count = static_cast<int>(size.x * size.y * size.z);
  while (static_cast<int>(pool_.size()) < count) pool_.push_back(std::make_unique<Thread>());
  warps_.resize(static_cast<size_t>((count + kLanes - 1) / kLanes));
  for (size_t w = 0; w < warps_.size(); ++w) warps_[w].Reset(static_cast<int>(w));
  // Another fiber plays a thread in each block, so that the race detector sees races between blocks too.
  const int turn = static_cast<int>((index.x + 7 * index.y + 13 * index.z) % static_cast<unsigned>(count));
  threads_.resize(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    Thread& thread = *pool_[static_cast<size_t>((i + turn) % count)];
    threads_[static_cast<size_t>(i)] = &thread;
    const unsigned linear = static_cast<unsigned>(i);
    thread.index = dim3(linear % size.x, linear / size.x % size.y, linear / (size.x * size.y));
    thread.linear = i;
    thread.lane = i % kLanes;
    thread.warp = &warps_[static_cast<size_t>(i / kLanes)];
    thread.warp->live |= 1u << thread.lane;
    thread.operation = "the start";
    thread.site = Site();
    thread.copies.Reset();
    thread.fiber.Start(&Block::Entry);
  }
  for (Warp& warp : warps_) warp.ready = warp.live;
  shared_.BeginBlock(shared_bytes);
  settings_ = CurrentSettings();
  random_ = (settings_.seed + counters.blocks) * 0x9e3779b97f4a7c15ull | 1;
  block_index = index;
  block_size = size;
  live_ = count;
  arrived_ = true_count_ = 0;
  warp_ = settings_.order == ThreadOrder::kDescending ? warps_.size() - 1 : 0;
  error_.clear();
}

void Block::Run(const dim3& index, const dim3& size, size_t shared_bytes, const std::function<void()>& body) {
  Prepare(index, size, shared_bytes);
  body_ = &body;
  home_.AdoptThread();
  tsan::Release(&started_);
  while (live_ > 0 && error_.empty()) {
    Thread* next = Next();
    if (next == nullptr) {
      error_ = Concat("block ", Triple(index), ": ", Deadlock());
      break;
    }
    current_ = next;
    thread_index = &next->index;
    home_.SwitchTo(next->fiber);
  }
  tsan::Acquire(&ended_);
  ++counters.blocks;
  counters.threads += threads_.size();
  if (error_.empty()) {
    try {
      shared_.CheckRedZones();
    } catch (const KernelFault& fault) {
      error_ = Concat("block ", Triple(index), ": ", fault.message);
    }
  }
  shared_.EndBlock();
  if (!error_.empty()) {
    pool_.clear();  // some are abandoned in mid-kernel
    throw error_;
  }
}

void Block::Entry() {
  Fiber::Entered();
  RunningBlock().RunThread();
}

void Block::RunThread() {
  tsan::Acquire(&started_);
  std::string failure;
  try {
    (*body_)();
    CheckEnd();
  } catch (const KernelFault& fault) {
    failure = fault.message;
  } catch (const std::exception& exception) {
    failure = Concat("threw: ", exception.what());
  }
  if (!failure.empty()) {
    error_ = Concat("block ", Triple(block_index), " thread ", Triple(current_->index), ": ", failure);
    std::string().swap(failure);
  }
  tsan::Release(&ended_);
  EndThread();
}

// What a thread must not leave behind.
void Block::CheckEnd() {
  const Thread& thread = *current_;
  if (const AsyncCopies::Copy* copy = thread.copies.Unfinished()) {
    Fail(Concat("ends with a cp.async of ", Place(copy->site), " that nobody waited for"));
  }
  for (const Rendezvous& meeting : std::span(thread.warp->rendezvous.data(), thread.warp->meetings)) {
    if (meeting.arrived != 0 && (meeting.mask >> thread.lane & 1)) {
      Fail(Concat("ends while lanes ", Hex(meeting.arrived), " of its warp wait for it in ", meeting.operation, " at ",
                  Place(meeting.site)));
    }
  }
  if (arrived_ > 0 && settings_.exit_before_barrier_is_an_error) {
    Fail(Concat("ends while ", arrived_, " threads wait in ", barrier_operation_, " at ", Place(barrier_site_)));
  }
}

// The fiber is left for good, so nothing here may own memory.
void Block::EndThread() {
  Thread& thread = *current_;
  const unsigned bit = 1u << thread.lane;
  thread.warp->live &= ~bit;
  thread.warp->ready &= ~bit;
  --live_;
  if (arrived_ > 0 && arrived_ == live_) ReleaseBarrier();
  Thread* next = error_.empty() ? Next() : nullptr;
  if (next == nullptr) thread.fiber.LeaveFor(home_);
  current_ = next;
  thread_index = &next->index;
  thread.fiber.LeaveFor(next->fiber);
}

// --- the scheduler ---

uint64_t Block::Random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_ >> 11;
}

bool Block::Coin() { return Random() & 1; }

int Block::PickLane(unsigned ready) {
  if (settings_.order == ThreadOrder::kAscending) return std::countr_zero(ready);
  if (settings_.order == ThreadOrder::kDescending) return kLanes - 1 - std::countl_zero(ready);
  for (uint64_t skip = Random() % static_cast<unsigned>(std::popcount(ready)); skip > 0; --skip) ready &= ready - 1;
  return std::countr_zero(ready);
}

// The thread that runs next: of the warp that runs while it has one that can, else of the next warp in order. Null when
// all that live wait.
Thread* Block::Next() {
  const size_t count = warps_.size();
  const size_t step = settings_.order == ThreadOrder::kDescending ? count - 1 : 1;
  size_t w = settings_.order == ThreadOrder::kRandom ? Random() % count : warp_;
  for (size_t tried = 0; tried < count; ++tried, w = (w + step) % count) {
    if (warps_[w].ready == 0) continue;
    warp_ = w;
    return threads_[w * kLanes + static_cast<size_t>(PickLane(warps_[w].ready))];
  }
  return nullptr;
}

// Hands on; returns when it is this thread's turn again.
void Block::Yield() {
  tsan::Release(&ended_);  // in case an error elsewhere leaves this thread here for good
  Thread& self = *current_;
  Thread* next = Next();
  if (next == &self) return;
  if (next == nullptr) {
    self.fiber.SwitchTo(home_);
    return;
  }
  current_ = next;
  thread_index = &next->index;
  self.fiber.SwitchTo(next->fiber);
}

std::string Block::Deadlock() const {
  constexpr int kShown = 4;
  std::string text = "deadlock, every thread that has not ended waits:";
  int shown = 0;
  for (const Thread* thread : threads_) {
    if (!(thread->warp->live >> thread->lane & 1) || shown++ >= kShown) continue;
    text += Concat(shown > 1 ? "," : "", " thread ", Triple(thread->index), " in ", thread->operation, " at ",
                   Place(thread->site));
  }
  return shown > kShown ? Concat(text, " and ", shown - kShown, " more") : text;
}

// --- barriers and collectives ---

int Block::Barrier(const char* operation, bool predicate, const Site& site) {
  Thread& thread = *current_;
  const int ended = static_cast<int>(threads_.size()) - live_;
  if (ended > 0 && settings_.exit_before_barrier_is_an_error) {
    Fail(Concat(operation, " at ", Place(site), " after ", ended, " threads of the block have ended"));
  }
  if (arrived_ > 0 && !SamePlace(barrier_site_, site)) {
    Fail(Concat("divergent barrier: ", operation, " at ", Place(site), " while ", arrived_, " threads wait in ",
                barrier_operation_, " at ", Place(barrier_site_)));
  }
  thread.operation = barrier_operation_ = operation;
  thread.site = barrier_site_ = site;
  ++arrived_;
  true_count_ += predicate;
  tsan::Release(&arrived_);
  const unsigned bit = 1u << thread.lane;
  thread.warp->ready &= ~bit;
  thread.warp->at_barrier |= bit;
  if (arrived_ == live_) {
    shared_.CheckRedZones();
    ReleaseBarrier();
  }
  Yield();
  tsan::Acquire(&arrived_);
  return released_true_count_;
}

void Block::ReleaseBarrier() {
  ++counters.barriers;
  arrived_ = 0;
  released_true_count_ = true_count_;
  true_count_ = 0;
  for (Warp& warp : warps_) {
    warp.ready |= warp.at_barrier;
    warp.at_barrier = 0;
  }
}

// The meeting of these lanes, checked to be one they can all come to.
Rendezvous& Block::Meet(const char* operation, unsigned mask, const Site& site) {
  const Thread& thread = *current_;
  Warp& warp = *thread.warp;
  if (!(mask >> thread.lane & 1)) {
    Fail(Concat(operation, " at ", Place(site), ": lane ", thread.lane, " is not in its own mask ", Hex(mask)));
  }
  if ((mask & ~warp.live) != 0) {
    Fail(Concat(operation, " at ", Place(site), ": mask ", Hex(mask), " names lanes that have ended; live are ",
                Hex(warp.live)));
  }
  for (Rendezvous& meeting : std::span(warp.rendezvous.data(), warp.meetings)) {
    if (meeting.mask != mask) continue;
    if (meeting.arrived != 0 && !SamePlace(meeting.site, site)) {
      Fail(Concat("warp ", warp.number, " diverged: lane ", thread.lane, " is in ", operation, " at ", Place(site),
                  ", lanes ", Hex(meeting.arrived), " are in ", meeting.operation, " at ", Place(meeting.site)));
    }
    return meeting;
  }
  if (warp.meetings == warp.rendezvous.size()) {
    Fail(Concat(operation, " at ", Place(site), ": more than ", warp.meetings, " different masks in one warp"));
  }
  Rendezvous& meeting = warp.rendezvous[warp.meetings++];
  meeting.mask = mask;
  meeting.arrived = 0;
  return meeting;
}

void Block::Collective(const char* operation, unsigned mask, void* argument, WarpOperation perform, const Site& site) {
  Rendezvous& meeting = Meet(operation, mask, site);
  Thread& thread = *current_;
  thread.operation = meeting.operation = operation;
  thread.site = meeting.site = site;
  meeting.arguments[static_cast<size_t>(thread.lane)] = argument;
  meeting.arrived |= 1u << thread.lane;
  tsan::Release(&meeting);
  if (meeting.arrived == mask) {
    tsan::Acquire(&meeting);
    perform(meeting.arguments.data(), mask);
    tsan::Release(&meeting);
    ++counters.collectives;
    meeting.arrived = 0;
    thread.warp->ready |= mask;
  } else {
    thread.warp->ready &= ~(1u << thread.lane);
  }
  Yield();
  tsan::Acquire(&meeting);
}

// --- kernel.h ---

int CurrentLane() { return RunningBlock().current().lane; }

int Barrier(const char* operation, bool predicate, const Site& site) {
  return RunningBlock().Barrier(operation, predicate, site);
}

void WarpCollective(const char* operation, unsigned mask, void* argument, WarpOperation perform, const Site& site) {
  RunningBlock().Collective(operation, mask, argument, perform, site);
}

void* TakeShared(int index, size_t bytes, size_t alignment) {
  return RunningBlock().shared().Take(static_cast<size_t>(index), bytes, alignment);
}

void AsyncCopy16(void* shared, const void* global, bool valid, const Site& site) {
  constexpr size_t kBytes = 16;
  const tsan::KernelCall call(__builtin_return_address(0));
  Block& block = RunningBlock();
  if (reinterpret_cast<uintptr_t>(shared) % kBytes != 0 || reinterpret_cast<uintptr_t>(global) % kBytes != 0) {
    Fail(Concat("cp.async at ", Place(site), ": ", shared, " <- ", global, " is not aligned to 16 bytes"));
  }
  block.shared().CheckInside(shared, kBytes, "cp.async", site);
  if (valid) CheckAsyncSource(global, site);
  const AsyncCopy when = CurrentSettings().async_copy;
  const bool at_once = when == AsyncCopy::kEarly || (when == AsyncCopy::kRandom && block.Coin());
  block.current().copies.Add(shared, valid ? global : nullptr, site, at_once);
}

void AsyncCommit() { RunningBlock().current().copies.Commit(); }

void AsyncWait(int pending) {
  const tsan::KernelCall call(__builtin_return_address(0));
  RunningBlock().current().copies.Wait(static_cast<size_t>(pending));
}

}  // namespace rlvr::cuda::emulator
