// Matrices of the emulated card for the tests of its ops: what they held before and after, and whether anything beside
// them was touched.
#pragma once

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/settings.h"
#include "core/rng.h"
#include "test.h"

namespace rlvr::test {

inline cuda::CudaBackend& Card() {
  static cuda::CudaBackend backend({});
  static const bool is_ready = [] {
    WorkspaceLimits limits;
    limits.max_rows = limits.max_head_rows = 640;
    limits.max_in = limits.max_out = limits.vocab = 512;
    limits.dim = 256, limits.max_rank = 16, limits.head_dim = 64, limits.heads = 4;
    const size_t bytes = backend.WorkspaceBytes(limits);
    backend.SetWorkspace(limits, backend.memory().Allocate(bytes, false), bytes);
    return true;
  }();
  RLVR_CHECK(is_ready);
  return backend;
}

// Where the rows of a matrix lie: `pad` elements between them, the first `offset` elements behind an aligned address.
struct Placement {
  int64_t pad = 0;
  int64_t offset = 0;
};

class DeviceMatrix {
 public:
  DeviceMatrix(DType dtype, int64_t rows, int64_t cols, Placement place = {})
      : dtype_(dtype), rows_(rows), cols_(cols), place_(place) {
    const int64_t elements = place.offset + rows * (cols + place.pad) + kGuard;
    before_.assign(BytesOf(dtype, elements), kUntouched);
    after_ = before_;
    device_ = Card().memory().Allocate(before_.size(), false);
  }
  ~DeviceMatrix() { Card().memory().Free(device_, before_.size()); }
  DeviceMatrix(const DeviceMatrix&) = delete;
  DeviceMatrix& operator=(const DeviceMatrix&) = delete;

  Tensor view() const { return Over(device_); }
  double Before(int64_t row, int64_t col) const { return Over(before_.data()).At(row, col); }
  double After(int64_t row, int64_t col) const { return Over(after_.data()).At(row, col); }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }

  DeviceMatrix& Set(int64_t row, int64_t col, double value) {
    Over(before_.data()).Set(row, col, value);
    return *this;
  }
  DeviceMatrix& Fill(double value) {
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) Set(r, c, value);
    }
    return *this;
  }
  // Uniform in [-scale, scale), rounded to the type.
  DeviceMatrix& Random(uint64_t seed, double scale = 1) {
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) {
        Set(r, c, scale * (2 * UniformFor(seed, 0, static_cast<uint32_t>(r), static_cast<uint32_t>(c)) - 1));
      }
    }
    return *this;
  }
  void Upload() const { Card().memory().Upload(before_.data(), device_, before_.size()); }
  void Download() { Card().memory().Download(device_, after_.data(), after_.size()); }
  const std::vector<std::byte>& bytes_after() const { return after_; }
  // Whether all but the elements of the view is as it was.
  bool SurroundingsIntact() const {
    std::vector<std::byte> expected = before_;
    const size_t width = BytesOf(dtype_, cols_);
    for (int64_t r = 0; r < rows_; ++r) {
      const size_t at = BytesOf(dtype_, place_.offset + r * (cols_ + place_.pad));
      if (width > 0) std::memcpy(&expected[at], &after_[at], width);
    }
    return expected == after_;
  }

 private:
  static constexpr int64_t kGuard = 16;
  static constexpr std::byte kUntouched{0x5a};

  Tensor Over(const std::byte* data) const {
    return Tensor(const_cast<std::byte*>(data) + BytesOf(dtype_, place_.offset), dtype_, rows_, cols_,
                  cols_ + place_.pad);
  }

  DType dtype_;
  int64_t rows_, cols_;
  Placement place_;
  std::vector<std::byte> before_, after_;
  std::byte* device_;
};

// Runs the op once for each order of the threads, always from what the matrices held before: the bytes afterwards are
// the same, and nothing beside the matrices changes.
template <typename Op>
void InEachOrder(std::initializer_list<DeviceMatrix*> matrices, Op&& op) {
  using cuda::emulator::ThreadOrder;
  cuda::emulator::Settings& settings = cuda::emulator::CurrentSettings();
  const ThreadOrder usual = settings.order;
  std::vector<std::vector<std::byte>> first;
  for (ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    for (DeviceMatrix* matrix : matrices) matrix->Upload();
    settings.order = order;
    op();
    settings.order = usual;
    size_t index = 0;
    for (DeviceMatrix* matrix : matrices) {
      matrix->Download();
      EXPECT(matrix->SurroundingsIntact());
      if (order == ThreadOrder::kAscending) {
        first.push_back(matrix->bytes_after());
      } else {
        EXPECT(first[index] == matrix->bytes_after());
      }
      ++index;
    }
  }
}

// The bytes that kernels of this name move, by one run of the op.
template <typename Op>
uint64_t GlobalBytes(std::initializer_list<DeviceMatrix*> matrices, const std::string& kernel, Op&& op) {
  for (DeviceMatrix* matrix : matrices) matrix->Upload();
  cuda::emulator::ResetCounters();
  op();
  return cuda::emulator::CountersOf(kernel).global_bytes();
}

// Half the distance of neighbouring BF16, relative: one rounding.
constexpr double kBf16Rounding = 1.0 / 256;

// How far the elements are from want(r, c): the largest |after - want| beyond `relative` * |want|, in units of the root
// mean square of all that was wanted.
template <typename Want>
double Excess(const DeviceMatrix& m, double relative, Want&& want) {
  double squares = 0, worst = 0;
  for (int64_t r = 0; r < m.rows(); ++r) {
    for (int64_t c = 0; c < m.cols(); ++c) squares += std::pow(want(r, c), 2);
  }
  const double rms = std::sqrt(squares / static_cast<double>(m.rows() * m.cols()));
  for (int64_t r = 0; r < m.rows(); ++r) {
    for (int64_t c = 0; c < m.cols(); ++c) {
      const double wanted = want(r, c), beyond = std::fabs(m.After(r, c) - wanted) - relative * std::fabs(wanted);
      if (!(beyond <= worst * rms)) worst = std::isnan(beyond) || rms == 0 ? INFINITY : beyond / rms;
    }
  }
  return worst;
}

}  // namespace rlvr::test
