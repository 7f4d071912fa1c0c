#include "backends/cuda/emulator/tensor_core.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/emulator/block.h"
#include "backends/cuda/emulator/convert.h"
#include "backends/cuda/emulator/tsan.h"
#include "core/error.h"

namespace rlvr::cuda::emulator {

namespace {

constexpr int kRows = 16, kCols = 8, kDepth = 16;
constexpr int kMatrixRows = 8;
constexpr size_t kMatrixRowBytes = 16;
constexpr int kBankGroups = 8;  // a matrix row covers four of the 32 banks

struct MmaArgument {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

void PerformMma(void* const* arguments, unsigned) {
  float a[kRows][kDepth], b[kDepth][kCols];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const auto& mine = *static_cast<const MmaArgument*>(arguments[lane]);
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int r = 0; r < 4; ++r) {
      const int row = group + r % 2 * 8, col = pair + r / 2 * 8;
      a[row][col] = LowBf16(mine.a[r]);
      a[row][col + 1] = HighBf16(mine.a[r]);
    }
    for (int r = 0; r < 2; ++r) {
      b[pair + r * 8][group] = LowBf16(mine.b[r]);
      b[pair + r * 8 + 1][group] = HighBf16(mine.b[r]);
    }
  }
  float product[kRows][kCols] = {};
  for (int i = 0; i < kRows; ++i) {
    for (int k = 0; k < kDepth; ++k) {
      for (int j = 0; j < kCols; ++j) product[i][j] += a[i][k] * b[k][j];
    }
  }
  for (int lane = 0; lane < kWarpSize; ++lane) {
    float* d = static_cast<const MmaArgument*>(arguments[lane])->d;
    const int group = lane / 4, pair = lane % 4 * 2;
    d[0] += product[group][pair];
    d[1] += product[group][pair + 1];
    d[2] += product[group + 8][pair];
    d[3] += product[group + 8][pair + 1];
  }
  ++RunningBlock().counters.mma;
}

struct LoadArgument {
  uint32_t* r;
  const char* row;
};

uint16_t Element(const char* row, int index) {
  uint16_t bits;
  std::memcpy(&bits, row + 2 * index, sizeof bits);
  return bits;
}

// Passes over the banks that reading the 8 rows takes: rows of one bank group come one after another.
int Wavefronts(const LoadArgument* const* rows) {
  int in_group[kBankGroups] = {};
  for (int k = 0; k < kMatrixRows; ++k) {
    ++in_group[reinterpret_cast<uintptr_t>(rows[k]->row) / kMatrixRowBytes % kBankGroups];
  }
  return *std::max_element(in_group, in_group + kBankGroups);
}

template <int kMatrices, bool kTransposed>
void PerformLoad(void* const* arguments, unsigned) {
  const LoadArgument* lanes[kWarpSize];
  for (int lane = 0; lane < kWarpSize; ++lane) lanes[lane] = static_cast<const LoadArgument*>(arguments[lane]);
  Counters& counters = RunningBlock().counters;
  for (int m = 0; m < kMatrices; ++m) {
    const LoadArgument* const* rows = lanes + m * kMatrixRows;
    for (int k = 0; k < kMatrixRows; ++k) tsan::NoteRead(rows[k]->row, kMatrixRowBytes);
    ++counters.ldmatrix;
    counters.ldmatrix_wavefronts += static_cast<uint64_t>(Wavefronts(rows));
    for (int lane = 0; lane < kWarpSize; ++lane) {
      const int group = lane / 4, pair = lane % 4 * 2;
      const uint32_t low = kTransposed ? Element(rows[pair]->row, group) : Element(rows[group]->row, pair);
      const uint32_t high = kTransposed ? Element(rows[pair + 1]->row, group) : Element(rows[group]->row, pair + 1);
      lanes[lane]->r[m] = low | high << 16;
    }
  }
}

}  // namespace

void Mma(float* d, const uint32_t* a, const uint32_t* b, const Site& site) {
  MmaArgument argument{d, a, b};
  WarpCollective("mma", kFullMask, &argument, PerformMma, site);
}

void LoadMatrices(uint32_t* r, const void* shared_row, int matrices, bool transposed, const Site& site) {
  const tsan::KernelCall call(__builtin_return_address(0));
  // Only the lanes whose address is used: X2 takes those of lanes 0..15.
  if (CurrentLane() < matrices * kMatrixRows) {
    if (reinterpret_cast<uintptr_t>(shared_row) % kMatrixRowBytes != 0) {
      Fail(Concat("ldmatrix at ", Place(site), ": row address ", shared_row, " is not aligned to 16 bytes"));
    }
    RunningBlock().shared().CheckInside(shared_row, kMatrixRowBytes, "ldmatrix", site);
  }
  LoadArgument argument{r, static_cast<const char*>(shared_row)};
  const WarpOperation perform = matrices == 4 ? (transposed ? PerformLoad<4, true> : PerformLoad<4, false>)
                                              : (transposed ? PerformLoad<2, true> : PerformLoad<2, false>);
  WarpCollective("ldmatrix", kFullMask, &argument, perform, site);
}

}  // namespace rlvr::cuda::emulator
