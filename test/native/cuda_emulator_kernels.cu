#include "cuda_emulator_kernels.h"

#include <map>

#include "backends/cuda/reduce.cuh"

namespace rlvr::cuda {

namespace {

// --- kernels that are right ---

constexpr int kTile = 32;  // rows, columns and depth of a tile
constexpr int kStages = 3;
constexpr int kProductThreads = 128;  // four warps, each 16 x 16 of the tile

template <int kPadding>
KERNEL(kProductThreads)
ProductKernel(const Bf16* a, const Bf16* b, float* c, int cols, int depth) {
  constexpr int kStride = kTile + kPadding;
  SharedCarver carver;
  Bf16* a_tiles = carver.Take<Bf16>(kStages * kTile * kStride);
  Bf16* b_tiles = carver.Take<Bf16>(kStages * kTile * kStride);
  const int thread = threadIdx.x, lane = thread % kWarpSize, warp = thread / kWarpSize;
  const int first_row = blockIdx.y * kTile, first_col = blockIdx.x * kTile;
  const int tiles = depth / kTile;

  // Each thread copies one 16-byte piece of a row of a, and one of b.
  const int row = thread / 4, piece = thread % 4 * 8;
  const Bf16* a_from = a + static_cast<size_t>(first_row + row) * depth + piece;
  const Bf16* b_from = b + static_cast<size_t>(first_col + row) * depth + piece;
  const int to = row * kStride + piece;
  for (int tile = 0; tile < kStages - 1; ++tile) {
    if (tile < tiles) {
      CpAsync16(a_tiles + tile * kTile * kStride + to, a_from + tile * kTile);
      CpAsync16(b_tiles + tile * kTile * kStride + to, b_from + tile * kTile);
    }
    CpAsyncCommit();
  }

  const int warp_row = warp / 2 * 16, warp_col = warp % 2 * 16;
  float sums[2][4] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    CpAsyncWait<kStages - 2>();
    __syncthreads();
    const int ahead = tile + kStages - 1;
    if (ahead < tiles) {
      CpAsync16(a_tiles + ahead % kStages * kTile * kStride + to, a_from + ahead * kTile);
      CpAsync16(b_tiles + ahead % kStages * kTile * kStride + to, b_from + ahead * kTile);
    }
    CpAsyncCommit();
    const Bf16* a_tile = a_tiles + tile % kStages * kTile * kStride;
    const Bf16* b_tile = b_tiles + tile % kStages * kTile * kStride;
    for (int k = 0; k < kTile; k += 16) {
      uint32_t a_part[4];
      LdMatrixX4(a_part, a_tile + (warp_row + lane % 16) * kStride + k + lane / 16 * 8);
      for (int half = 0; half < 2; ++half) {
        uint32_t b_part[2];
        LdMatrixX2(b_part, b_tile + (warp_col + half * 8 + lane % 8) * kStride + k + lane / 8 % 2 * 8);
        MmaBf16(sums[half], a_part, b_part);
      }
    }
  }
  for (int half = 0; half < 2; ++half) {
    const int r = first_row + warp_row + lane / 4, col = first_col + warp_col + half * 8 + lane % 4 * 2;
    float* to_c = c + static_cast<size_t>(r) * cols + col;
    StoreGlobal(reinterpret_cast<float2*>(to_c), make_float2(sums[half][0], sums[half][1]));
    StoreGlobal(reinterpret_cast<float2*>(to_c + 8 * static_cast<size_t>(cols)),
                make_float2(sums[half][2], sums[half][3]));
  }
}

KERNEL(32) OneProductKernel(const Bf16* a, const Bf16* b, float* d) {
  const int group = threadIdx.x / 4, pair = threadIdx.x % 4 * 2;
  uint32_t a_part[4], b_part[2];
  for (int r = 0; r < 4; ++r) {
    const Bf16* from = a + (group + r % 2 * 8) * 16 + pair + r / 2 * 8;
    a_part[r] = LoadGlobal(from).bits | static_cast<uint32_t>(LoadGlobal(from + 1).bits) << 16;
  }
  for (int r = 0; r < 2; ++r) {
    const Bf16* from = b + (pair + r * 8) * 8 + group;
    b_part[r] = LoadGlobal(from).bits | static_cast<uint32_t>(LoadGlobal(from + 8).bits) << 16;
  }
  float sums[4] = {};
  MmaBf16(sums, a_part, b_part);
  for (int r = 0; r < 4; ++r) StoreGlobal(d + (group + r / 2 * 8) * 8 + pair + r % 2, sums[r]);
}

KERNEL(128) SoftmaxKernel(const float* x, float* y, int cols) {
  SharedCarver carver;
  float* partials = carver.Take<float>(32);
  const float* x_row = x + static_cast<size_t>(blockIdx.x) * cols;
  float* y_row = y + static_cast<size_t>(blockIdx.x) * cols;
  float largest = -INFINITY;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) largest = fmaxf(largest, LoadGlobal(x_row + i));
  largest = BlockMax(largest, partials);
  float sum = 0.0f;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) sum += expf(LoadGlobal(x_row + i) - largest);
  sum = BlockSum(sum, partials);
  for (int i = threadIdx.x; i < cols; i += blockDim.x) {
    StoreGlobal(y_row + i, expf(LoadGlobal(x_row + i) - largest) / sum);
  }
}

KERNEL(32) WarpTourKernel(int* y) {
  const int lane = threadIdx.x;
  StoreGlobal(y + lane, __shfl_sync(kFullMask, lane * lane, 5));
  StoreGlobal(y + 32 + lane, __shfl_sync(kFullMask, lane * lane, lane + 1, 8));
  StoreGlobal(y + 64 + lane, __shfl_xor_sync(kFullMask, lane * lane, 3));
  StoreGlobal(y + 96 + lane, __shfl_down_sync(kFullMask, lane * lane, 3u, 16));
  StoreGlobal(y + 128 + lane, __shfl_up_sync(kFullMask, lane * lane, 3u, 16));
  StoreGlobal(y + 160 + lane, static_cast<int>(__ballot_sync(kFullMask, lane % 3 == 0)));
  StoreGlobal(y + 192 + lane, 2 * __any_sync(kFullMask, lane == 7) + __all_sync(kFullMask, lane < 31));
  __syncwarp();
  // Two halves of the warp, each with a mask of its own.
  const unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  int value = lane;
  if (lane < 16) {
    value = __shfl_xor_sync(mask, value, 1);
  } else {
    value = __shfl_xor_sync(mask, value, 2);
  }
  StoreGlobal(y + 224 + lane, value);
}

KERNEL(128) ScaleKernel(const float* x, float* y, float factor, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) StoreGlobal(y + i, LoadGlobal(x + i) * factor);
}

KERNEL(128) ConvertKernel(const float* x, uint16_t* codes, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float value = LoadGlobal(x + i);
  const uint8_t code = ToFp8(value);
  StoreGlobal(codes + i, ToBf16(value).bits);
  StoreGlobal(codes + count + i, static_cast<uint16_t>(code));
  StoreGlobal(codes + 2 * count + i, ToBf16(Fp8ToFloat(code)).bits);
}

// --- kernels with one bug each ---

KERNEL(64) DivergentBarrier(const float*, float* y) {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    StoreGlobal(y + threadIdx.x, 1.0f);
    __syncthreads();
  }
}

KERNEL(64) BarrierAfterReturn(const float*, float*) {
  if (threadIdx.x >= 40) return;
  __syncthreads();
}

KERNEL(32) HalfWarpShuffle(const float*, float* y) {
  float value = threadIdx.x;
  if (threadIdx.x < 16) value = __shfl_xor_sync(kFullMask, value, 1);
  StoreGlobal(y + threadIdx.x, value);
}

KERNEL(32) TwoShuffles(const float*, float* y) {
  float value = threadIdx.x;
  if (threadIdx.x % 2 == 1) {
    value = __shfl_xor_sync(kFullMask, value, 2);
  } else {
    value = __shfl_xor_sync(kFullMask, value, 4);
  }
  StoreGlobal(y + threadIdx.x, value);
}

KERNEL(32) NotInOwnMask(const float*, float* y) {
  StoreGlobal(y + threadIdx.x, __shfl_xor_sync(0x0000ffffu, static_cast<float>(threadIdx.x), 1));
}

KERNEL(32) ReadOutsideMask(const float*, float* y) {
  if (threadIdx.x < 16) StoreGlobal(y + threadIdx.x, __shfl_sync(0x0000ffffu, static_cast<float>(threadIdx.x), 20));
}

KERNEL(32) Deadlock(const float*, float*) {
  if (threadIdx.x < 16) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

KERNEL(32) CopyWithoutWait(const float* x, float* y) {
  SharedCarver carver;
  float* tile = carver.Take<float>(128);
  CpAsync16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
  CpAsyncCommit();
  __syncthreads();
  for (int i = 0; i < 4; ++i) StoreGlobal(y + threadIdx.x * 4 + i, tile[threadIdx.x * 4 + i]);
}

// Waits too late: what it read before shows when copies are late.
KERNEL(32) ReadBeforeWait(const float* x, float* y) {
  SharedCarver carver;
  float* tile = carver.Take<float>(128);
  CpAsync16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
  CpAsyncCommit();
  for (int i = 0; i < 4; ++i) StoreGlobal(y + threadIdx.x * 4 + i, tile[threadIdx.x * 4 + i]);
  CpAsyncWait<0>();
}

// The second copy goes where the first is still to be read: shows when copies are early.
KERNEL(32) CopyOverUnread(const float* x, float* y) {
  SharedCarver carver;
  float* tile = carver.Take<float>(128);
  CpAsync16(tile + threadIdx.x * 4, x + threadIdx.x * 4);
  CpAsyncCommit();
  CpAsyncWait<0>();
  CpAsync16(tile + threadIdx.x * 4, x + 128 + threadIdx.x * 4);
  CpAsyncCommit();
  for (int i = 0; i < 4; ++i) StoreGlobal(y + threadIdx.x * 4 + i, tile[threadIdx.x * 4 + i]);
  CpAsyncWait<0>();
}

KERNEL(64) WritePastPart(const float*, float* y) {
  SharedCarver carver;
  float* first = carver.Take<float>(64);
  float* second = carver.Take<float>(64);
  second[threadIdx.x] = 0.0f;
  first[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  StoreGlobal(y + threadIdx.x, first[threadIdx.x] + second[threadIdx.x]);
}

KERNEL(64) WriteBeforePart(const float*, float* y) {
  SharedCarver carver;
  float* part = carver.Take<float>(64);
  part[static_cast<int>(threadIdx.x) - 1] = 1.0f;
  StoreGlobal(y + threadIdx.x, 1.0f);
}

KERNEL(64) MissingBarrier(const float*, float* y) {
  SharedCarver carver;
  float* part = carver.Take<float>(64);
  part[threadIdx.x] = threadIdx.x;
  StoreGlobal(y + threadIdx.x, part[blockDim.x - 1 - threadIdx.x]);
}

KERNEL(64) RaceBetweenBlocks(const float*, float* y) {
  float* shared_by_blocks = y + threadIdx.x;
  StoreGlobal(shared_by_blocks, static_cast<float>(blockIdx.x));
}

KERNEL(32) MisalignedLdMatrix(const float*, float* y) {
  SharedCarver carver;
  Bf16* tile = carver.Take<Bf16>(32 * 16);
  uint32_t part[4];
  LdMatrixX4(part, tile + threadIdx.x * 8 + 4);
  StoreGlobal(y + threadIdx.x, static_cast<float>(part[0]));
}

KERNEL(32) LdMatrixOutside(const float* x, float* y) {
  uint32_t part[2];
  LdMatrixX2(part, x);
  StoreGlobal(y + threadIdx.x, static_cast<float>(part[0]));
}

KERNEL(32) MisalignedCopy(const float* x, float*) {
  SharedCarver carver;
  CpAsync16(carver.Take<float>(4 * 32) + threadIdx.x * 4, x + threadIdx.x * 4 + 1);
  CpAsyncCommit();
  CpAsyncWait<0>();
}

KERNEL(32) MisalignedLoad(const float* x, float* y) {
  const uint4 four = LoadGlobal(reinterpret_cast<const uint4*>(x + 2));
  StoreGlobal(y + threadIdx.x, static_cast<float>(four.x));
}

KERNEL(32) MisalignedStore(const float*, float* y) {
  StoreGlobal(reinterpret_cast<float4*>(y + 1), make_float4(0.0f, 0.0f, 0.0f, 0.0f));
}

KERNEL(32) LoadPastEnd(const float* x, float* y) { StoreGlobal(y + threadIdx.x, LoadGlobal(x + 4096)); }

KERNEL(32) StoreBeforeStart(const float*, float* y) { StoreGlobal(y - 1, 0.0f); }

KERNEL(32) CarveTooMuch(const float*, float*) {
  SharedCarver carver;
  carver.Take<float>(1024);
  carver.Take<float>(1);
}

KERNEL(32) CarveUnequally(const float*, float*) {
  SharedCarver carver;
  carver.Take<float>(threadIdx.x < 7 ? 8 : 9);
}

struct Bug {
  void (*kernel)(const float*, float*);
  LaunchShape shape;
};

constexpr size_t kSharedBytes = 4096;

const std::map<std::string, Bug>& Bugs() {
  static const std::map<std::string, Bug> bugs = {
      {"DivergentBarrier", {DivergentBarrier, {1, 64, 0}}},
      {"BarrierAfterReturn", {BarrierAfterReturn, {1, 64, 0}}},
      {"HalfWarpShuffle", {HalfWarpShuffle, {1, 32, 0}}},
      {"TwoShuffles", {TwoShuffles, {1, 32, 0}}},
      {"NotInOwnMask", {NotInOwnMask, {1, 32, 0}}},
      {"ReadOutsideMask", {ReadOutsideMask, {1, 32, 0}}},
      {"Deadlock", {Deadlock, {1, 32, 0}}},
      {"CopyWithoutWait", {CopyWithoutWait, {1, 32, kSharedBytes}}},
      {"ReadBeforeWait", {ReadBeforeWait, {1, 32, kSharedBytes}}},
      {"CopyOverUnread", {CopyOverUnread, {1, 32, kSharedBytes}}},
      {"WritePastPart", {WritePastPart, {1, 64, kSharedBytes}}},
      {"WriteBeforePart", {WriteBeforePart, {1, 64, kSharedBytes}}},
      {"MissingBarrier", {MissingBarrier, {1, 64, kSharedBytes}}},
      {"RaceBetweenBlocks", {RaceBetweenBlocks, {4, 64, 0}}},
      {"MisalignedLdMatrix", {MisalignedLdMatrix, {1, 32, kSharedBytes}}},
      {"LdMatrixOutside", {LdMatrixOutside, {1, 32, kSharedBytes}}},
      {"MisalignedCopy", {MisalignedCopy, {1, 32, kSharedBytes}}},
      {"MisalignedLoad", {MisalignedLoad, {1, 32, 0}}},
      {"MisalignedStore", {MisalignedStore, {1, 32, 0}}},
      {"LoadPastEnd", {LoadPastEnd, {1, 32, 0}}},
      {"StoreBeforeStart", {StoreBeforeStart, {1, 32, 0}}},
      {"CarveTooMuch", {CarveTooMuch, {1, 32, kSharedBytes}}},
      {"CarveUnequally", {CarveUnequally, {1, 32, kSharedBytes}}},
      {"HugeBlock", {MissingBarrier, {1, 1025, kSharedBytes}}},
      {"HugeGrid", {MissingBarrier, {dim3(1, 65536), 64, kSharedBytes}}},
      {"HugeShared", {MissingBarrier, {1, 64, (size_t{99} << 10) + 16}}},
  };
  return bugs;
}

}  // namespace

std::string ProductName(int padding) { return padding == 0 ? "product" : "padded product"; }

void LaunchProduct(const Bf16* a, const Bf16* b, float* c, int rows, int cols, int depth, int padding,
                   cudaStream_t stream) {
  const int tile = kStages * kTile * (kTile + padding);
  const LaunchShape shape = {dim3(cols / kTile, rows / kTile), kProductThreads,
                             SharedSize().Add<Bf16>(tile).Add<Bf16>(tile).bytes()};
  Launch(ProductName(padding).c_str(), padding == 0 ? ProductKernel<0> : ProductKernel<8>, shape, stream, a, b, c, cols,
         depth);
}

void LaunchOneProduct(const Bf16* a, const Bf16* b, float* d) {
  Launch("one product", OneProductKernel, {1, 32, 0}, nullptr, a, b, d);
}

void LaunchSoftmax(const float* x, float* y, int rows, int cols, cudaStream_t stream) {
  Launch("softmax", SoftmaxKernel, {rows, 128, SharedSize().Add<float>(32).bytes()}, stream, x, y, cols);
}

void LaunchWarpTour(int* y) { Launch("warp tour", WarpTourKernel, {1, 32, 0}, nullptr, y); }

void LaunchScale(const float* x, float* y, float factor, int count, cudaStream_t stream) {
  Launch("scale", ScaleKernel, {(count + 127) / 128, 128, 0}, stream, x, y, factor, count);
}

void LaunchConvert(const float* x, uint16_t* codes, int count) {
  Launch("convert", ConvertKernel, {(count + 127) / 128, 128, 0}, nullptr, x, codes, count);
}

void LaunchBug(const std::string& name, const float* x, float* y) {
  const Bug& bug = Bugs().at(name);
  Launch(name.c_str(), bug.kernel, bug.shape, nullptr, x, y);
}

}  // namespace rlvr::cuda
