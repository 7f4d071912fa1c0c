// For tests on the emulated card: arrays in device memory, settings that are put back, bodies that run in a child
// process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/settings.h"

namespace rlvr::test {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

// `count` elements on the card.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) { RLVR_CUDA_CHECK(cudaMalloc(&data_, count * sizeof(T))); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { Upload(values); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t count() const { return count_; }
  void Upload(const std::vector<T>& values) {
    RLVR_CUDA_CHECK(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> Download() const {
    std::vector<T> values(count_);
    RLVR_CUDA_CHECK(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

// Puts the emulator's settings back.
class SettingsScope {
 public:
  SettingsScope() : before_(cuda::emulator::CurrentSettings()) {}
  ~SettingsScope() { cuda::emulator::CurrentSettings() = before_; }
  SettingsScope(const SettingsScope&) = delete;
  SettingsScope& operator=(const SettingsScope&) = delete;
  cuda::emulator::Settings* operator->() { return &cuda::emulator::CurrentSettings(); }

 private:
  cuda::emulator::Settings before_;
};

struct ChildResult {
  int signal = 0;       // that ended it
  int exit_status = 0;  // else
  std::string errors;   // what it wrote to stderr
};

// Runs the body in a forked process, for bugs that end a process.
template <typename Body>
ChildResult RunInChild(Body body) {
  std::fflush(stdout);
  std::FILE* errors = std::tmpfile();
  const pid_t child = fork();
  if (child == 0) {
    dup2(fileno(errors), STDERR_FILENO);
    body();
    std::exit(0);  // not _exit: the sanitizers report on the way out
  }
  ChildResult result;
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  std::rewind(errors);
  for (int c = std::fgetc(errors); c != EOF; c = std::fgetc(errors)) result.errors += static_cast<char>(c);
  std::fclose(errors);
  return result;
}

}  // namespace rlvr::test
