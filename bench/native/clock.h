// How often a body is run and what is kept: the fastest run and the median. Short bodies are timed several at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace rlvr::bench {

inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Times {
  double min = 0;
  double median = 0;
};

inline Times Summarize(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(), seconds[seconds.size() / 2]};
}

// Runs the body at least three times, and until `budget` seconds are spent. The first run warms up and is not counted.
template <typename Body>
Times TimeRuns(double budget, const Body& body) {
  constexpr double kShortest = 20e-6;  // of a measurement: the clock itself takes 0.03
  constexpr size_t kMostRuns = 1000;
  const double begin = Now();
  body();
  double start = Now();
  body();
  int64_t batch = 1 + static_cast<int64_t>(kShortest / std::max(Now() - start, 1e-9));
  batch = std::min<int64_t>(batch, 1000);
  std::vector<double> seconds;
  while (seconds.size() < 3 || (Now() - begin < budget && seconds.size() < kMostRuns)) {
    start = Now();
    for (int64_t i = 0; i < batch; ++i) body();
    seconds.push_back((Now() - start) / static_cast<double>(batch));
  }
  return Summarize(std::move(seconds));
}

}  // namespace rlvr::bench
