// The thread pool: every index once, exceptions come back, thousands of loops, any count.
#include "core/thread_pool.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "test.h"

namespace rlvr::test {
namespace {

TEST("a parallel loop visits each index once, in one contiguous part a thread") {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t count : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
      std::vector<std::atomic<int>> calls(static_cast<size_t>(threads));
      pool.ParallelFor(count, [&](int64_t begin, int64_t end, int thread) {
        EXPECT(begin < end && thread >= 0 && thread < threads);
        ++calls[static_cast<size_t>(thread)];
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
      });
      for (const auto& v : visits) EXPECT_EQ(v.load(), 1);
      for (const auto& c : calls) EXPECT_LE(c.load(), 1);
    }
  }
}

TEST("parts depend on the count and the threads alone") {
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<int> owner(10, -1);
    pool.ParallelFor(10, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) owner[static_cast<size_t>(i)] = thread;
    });
    EXPECT_EQ(owner, (std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}));
  }
}

TEST("an exception of a part is thrown in the caller after all parts ended, and the pool goes on working") {
  ThreadPool pool(4);
  for (int failing = 0; failing < 4; ++failing) {
    std::atomic<int> ended{0};
    std::string message;
    try {
      pool.ParallelFor(4, [&](int64_t begin, int64_t, int) {
        ++ended;
        if (begin == failing) throw std::runtime_error("part " + std::to_string(begin));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    EXPECT_EQ(message, "part " + std::to_string(failing));
    EXPECT_EQ(ended.load(), 4);
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(100, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) sum += i;
    });
    EXPECT_EQ(sum.load(), 4950);
  }
}

TEST("when every part throws, one exception arrives") {
  ThreadPool pool(4);
  int caught = 0;
  try {
    pool.ParallelFor(4, [](int64_t, int64_t, int) { throw std::runtime_error("each"); });
  } catch (const std::runtime_error&) {
    ++caught;
  }
  EXPECT_EQ(caught, 1);
  pool.ParallelFor(4, [](int64_t, int64_t, int) {});  // and it is not thrown again
}

TEST("five thousand short loops give the right sums") {
  ThreadPool pool(2);
  int64_t wrong = 0;
  for (int64_t n = 0; n < 5000; ++n) {
    int64_t part[2] = {0, 0};
    pool.ParallelFor(n % 5, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) part[thread] += i + n;
    });
    const int64_t count = n % 5;
    if (part[0] + part[1] != count * (count - 1) / 2 + count * n) ++wrong;
  }
  EXPECT_EQ(wrong, 0);
}

TEST("a loop inside a loop of the same pool is refused, in every part, and one of another pool is not") {
  for (int threads : {1, 2}) {
    ThreadPool outer(threads), other(2);
    std::atomic<int> refused{0}, inner{0};
    outer.ParallelFor(threads, [&](int64_t, int64_t, int thread) {
      try {
        outer.ParallelFor(2, [&](int64_t, int64_t, int) { inner += 100; });
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kInternal) ++refused;
      }
      if (thread == 0) other.ParallelFor(2, [&](int64_t, int64_t, int) { ++inner; });
    });
    EXPECT_EQ(refused.load(), threads);
    EXPECT_EQ(inner.load(), 2);
    outer.ParallelFor(2, [&](int64_t begin, int64_t end, int) { inner += static_cast<int>(end - begin); });
    EXPECT_EQ(inner.load(), 4);
  }
}

TEST("an idle pool sleeps: it takes no processor time") {
  ThreadPool pool(4);
  pool.ParallelFor(4, [](int64_t, int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the spinning has ended
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.05);
  std::atomic<int> sum{0};  // and wakes again
  pool.ParallelFor(8, [&](int64_t begin, int64_t end, int) { sum += static_cast<int>(end - begin); });
  EXPECT_EQ(sum.load(), 8);
}

TEST("a pool that sleeps between loops gives the right sums, and may go away asleep") {
  int64_t total = 0;
  {
    ThreadPool pool(3);
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::atomic<int64_t> sum{0};
      pool.ParallelFor(30, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
      total += sum.load();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(total, 600);
}

TEST("pools come and go, with and without work") {
  for (int i = 0; i < 50; ++i) {
    ThreadPool idle(3);
    ThreadPool busy(3);
    busy.ParallelFor(3, [](int64_t, int64_t, int) {});
  }
  EXPECT_LE(1, AvailableCores());
  EXPECT_EQ(ThreadPool(0).threads(), AvailableCores());
}

}  // namespace
}  // namespace rlvr::test
