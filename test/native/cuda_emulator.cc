// The emulator of the cuda backend: right kernels give the same bits in every order and count what they do; each
// planted bug is reported with the kernel's name and the place.
#include <csignal>
#include <cstring>

#include "cuda_emulator_kernels.h"
#include "cuda_support.h"
#include "test.h"

namespace rlvr::test {
namespace {

using cuda::Bf16;
using cuda::emulator::AsyncCopy;
using cuda::emulator::Counters;
using cuda::emulator::ThreadOrder;

std::vector<Bf16> RandomBf16(size_t count, uint64_t seed) {
  std::vector<Bf16> values(count);
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    values[i] = cuda::ToBf16(static_cast<float>(static_cast<int64_t>(seed >> 33) - (1 << 30)) / (1 << 29));
  }
  return values;
}

// The bits of one run under each order and each timing of copies, by the order of the lists.
template <typename Run>
std::vector<std::vector<float>> UnderEveryOrder(Run run) {
  std::vector<std::vector<float>> results;
  for (const ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    for (const AsyncCopy copies : {AsyncCopy::kLate, AsyncCopy::kEarly, AsyncCopy::kRandom}) {
      SettingsScope settings;
      settings->order = order;
      settings->async_copy = copies;
      settings->seed = 7;
      results.push_back(run());
    }
  }
  return results;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// --- right kernels ---

constexpr int kRows = 64, kCols = 96, kDepth = 160;

TEST(
    "cuda emulator: a tensor-core product agrees with the product in double, with the same bits in every thread "
    "order") {
  const std::vector<Bf16> a = RandomBf16(kRows * kDepth, 1), b = RandomBf16(kCols * kDepth, 2);
  const DeviceArray<Bf16> device_a(a), device_b(b);
  for (const int padding : {0, 8}) {
    const auto results = UnderEveryOrder([&] {
      DeviceArray<float> c(kRows * kCols);
      cuda::LaunchProduct(device_a.data(), device_b.data(), c.data(), kRows, kCols, kDepth, padding);
      return c.Download();
    });
    for (const auto& result : results) EXPECT(SameBits(result, results[0]));
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kCols; ++j) {
        double sum = 0.0, size = 0.0;
        for (int k = 0; k < kDepth; ++k) {
          const double term = static_cast<double>(ToFloat(a[static_cast<size_t>(i * kDepth + k)])) *
                              ToFloat(b[static_cast<size_t>(j * kDepth + k)]);
          sum += term;
          size += std::fabs(term);
        }
        // Each F32 addition rounds by at most 2^-24 of the partial sum.
        EXPECT_NEAR(results[0][static_cast<size_t>(i * kCols + j)], sum, size * kDepth * 0x1p-24);
      }
    }
  }
}

TEST("cuda emulator: one product with gathered fragments is exact on small integers") {
  std::vector<Bf16> a(256), b(128);
  for (size_t i = 0; i < a.size(); ++i) a[i] = cuda::ToBf16(static_cast<float>(i * 5 % 13) - 6.0f);
  for (size_t i = 0; i < b.size(); ++i) b[i] = cuda::ToBf16(static_cast<float>(i * 7 % 11) - 5.0f);
  const DeviceArray<Bf16> device_a(a), device_b(b);
  DeviceArray<float> d(128);
  cuda::LaunchOneProduct(device_a.data(), device_b.data(), d.data());
  const std::vector<float> result = d.Download();
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      double sum = 0.0;
      for (size_t k = 0; k < 16; ++k) sum += ToFloat(a[i * 16 + k]) * ToFloat(b[k * 8 + j]);
      EXPECT_EQ(static_cast<double>(result[i * 8 + j]), sum);
    }
  }
}

TEST("cuda emulator: counters of a product are its ideal, and rows without padding cost four wavefronts") {
  const DeviceArray<Bf16> a(RandomBf16(kRows * kDepth, 1)), b(RandomBf16(kCols * kDepth, 2));
  DeviceArray<float> c(kRows * kCols);
  cuda::emulator::ResetCounters();
  for (const int padding : {0, 8, 8}) {
    cuda::LaunchProduct(a.data(), b.data(), c.data(), kRows, kCols, kDepth, padding);
  }
  const Counters plain = cuda::emulator::CountersOf(cuda::ProductName(0));
  const Counters padded = cuda::emulator::CountersOf(cuda::ProductName(8));
  constexpr uint64_t kTiles = (kRows / 32) * (kCols / 32);
  EXPECT_EQ(plain.launches, 1u);
  EXPECT_EQ(padded.launches, 2u);
  EXPECT_EQ(plain.blocks, kTiles);
  EXPECT_EQ(plain.threads, kTiles * 128);
  EXPECT_EQ(plain.barriers, kTiles * (kDepth / 32));
  EXPECT_EQ(plain.mma, uint64_t{kRows / 16} * (kCols / 8) * (kDepth / 16));
  EXPECT_EQ(plain.ldmatrix, kTiles * (kDepth / 16) * 4 * (4 + 2 * 2));
  EXPECT_EQ(plain.ldmatrix_wavefronts, 4 * plain.ldmatrix);
  EXPECT_EQ(padded.ldmatrix_wavefronts, padded.ldmatrix);
  EXPECT_EQ(plain.async_copy_bytes, kTiles * 2 * 32 * kDepth * sizeof(Bf16));
  EXPECT_EQ(plain.load_bytes, 0u);
  EXPECT_EQ(plain.store_bytes, uint64_t{kRows} * kCols * sizeof(float));
  EXPECT_EQ(plain.collectives, plain.mma + plain.mma / 2 + plain.mma);  // per two mma: one X4 and two X2 loads
  EXPECT_EQ(cuda::emulator::TotalCounters().mma, 3 * plain.mma);
  cuda::emulator::ResetCounters();
  EXPECT_EQ(cuda::emulator::TotalCounters().launches, 0u);
}

TEST("cuda emulator: softmax by block reductions sums to one, with the same bits in every thread order") {
  constexpr int kSoftmaxCols = 300;
  std::vector<float> x(3 * kSoftmaxCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 10.0f;
  const DeviceArray<float> device_x(x);
  const auto results = UnderEveryOrder([&] {
    DeviceArray<float> y(x.size());
    cuda::LaunchSoftmax(device_x.data(), y.data(), 3, kSoftmaxCols);
    return y.Download();
  });
  for (const auto& result : results) EXPECT(SameBits(result, results[0]));
  for (size_t r = 0; r < 3; ++r) {
    double sum = 0.0;
    for (size_t i = 0; i < kSoftmaxCols; ++i) sum += std::exp(static_cast<double>(x[r * kSoftmaxCols + i]) - 10.0);
    for (size_t i = 0; i < kSoftmaxCols; ++i) {
      const size_t at = r * kSoftmaxCols + i;
      EXPECT_NEAR(results[0][at], std::exp(static_cast<double>(x[at]) - 10.0) / sum, 1e-6);
    }
  }
}

TEST("cuda emulator: shuffles and votes read the lanes that CUDA says") {
  DeviceArray<int> y(8 * 32);
  cuda::LaunchWarpTour(y.data());
  const std::vector<int> result = y.Download();
  for (int lane = 0; lane < 32; ++lane) {
    const auto at = [&](int row) { return result[static_cast<size_t>(row * 32 + lane)]; };
    const auto square = [](int i) { return i * i; };
    EXPECT_EQ(at(0), 25);
    EXPECT_EQ(at(1), square(lane / 8 * 8 + (lane + 1) % 8));
    EXPECT_EQ(at(2), square(lane ^ 3));
    EXPECT_EQ(at(3), square(lane % 16 + 3 < 16 ? lane + 3 : lane));
    EXPECT_EQ(at(4), square(lane % 16 >= 3 ? lane - 3 : lane));
    EXPECT_EQ(at(5), 0x49249249);  // every third bit
    EXPECT_EQ(at(6), 2);
    EXPECT_EQ(at(7), lane < 16 ? lane ^ 1 : lane ^ 2);
  }
}

TEST("cuda emulator: a grid with a zero dimension launches nothing") {
  cuda::emulator::ResetCounters();
  cuda::LaunchSoftmax(nullptr, nullptr, 0, 8);
  EXPECT_EQ(cuda::emulator::TotalCounters().launches, 0u);
}

// --- planted bugs ---

struct BugArrays {
  DeviceArray<float> x{std::vector<float>(4096, 1.0f)}, y{4096};
};

// Runs the bug in each thread order; each time the report has the kernel's name and all these parts.
void ExpectReported(const std::string& bug, const std::vector<std::string>& parts) {
  for (const ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    SettingsScope settings;
    settings->order = order;
    BugArrays arrays;
    try {
      cuda::LaunchBug(bug, arrays.x.data(), arrays.y.data());
      Fail(__FILE__, __LINE__, Concat(bug, " was not reported"));
    } catch (const Error& error) {
      EXPECT_EQ(std::string(CodeName(error.code())), "RLVR_CUDA");
      const std::string text = error.what();
      for (const std::string& part : parts) {
        if (text.find(part) == std::string::npos) {
          Fail(__FILE__, __LINE__, Concat(bug, " gave \"", text, "\", without \"", part, "\""));
        }
      }
      if (text.find("kernel " + bug + ":") == std::string::npos) Fail(__FILE__, __LINE__, Concat("no name in ", text));
    }
  }
}

constexpr const char* kFile = "cuda_emulator_kernels.cu:";

TEST("cuda emulator: barriers that some threads miss are reported with both places") {
  ExpectReported("DivergentBarrier", {"divergent barrier: __syncthreads at", "while", kFile});
  ExpectReported("BarrierAfterReturn", {"__syncthreads at", "end", kFile});
}

TEST("cuda emulator: a return before a barrier can be allowed, as sm_70 and newer do") {
  SettingsScope settings;
  settings->exit_before_barrier_is_an_error = false;
  BugArrays arrays;
  cuda::emulator::ResetCounters();
  cuda::LaunchBug("BarrierAfterReturn", arrays.x.data(), arrays.y.data());
  EXPECT_EQ(cuda::emulator::TotalCounters().barriers, 1u);
}

TEST("cuda emulator: warp operations that some lanes miss are reported") {
  ExpectReported("HalfWarpShuffle", {"lanes", "__shfl_xor_sync at ", kFile});
  ExpectReported("TwoShuffles", {"warp 0 diverged: lane ", "__shfl_xor_sync at ", kFile});
  ExpectReported("NotInOwnMask", {"is not in its own mask 0xffff", kFile});
  ExpectReported("ReadOutsideMask", {"reads lane 20, which is not in the mask", kFile});
}

TEST("cuda emulator: a deadlock is reported with the places where threads wait") {
  ExpectReported("Deadlock", {"deadlock", "thread (0,0,0) in __syncwarp at", kFile, "28 more"});
}

TEST("cuda emulator: copies that nobody waits for are reported, and early reads see NaN") {
  ExpectReported("CopyWithoutWait", {"ends with a cp.async of ", kFile, "that nobody waited for"});
  for (const AsyncCopy copies : {AsyncCopy::kLate, AsyncCopy::kEarly}) {
    SettingsScope settings;
    settings->async_copy = copies;
    BugArrays arrays;
    cuda::LaunchBug("ReadBeforeWait", arrays.x.data(), arrays.y.data());
    const std::vector<float> y = arrays.y.Download();
    for (size_t i = 0; i < 128; ++i) EXPECT_EQ(std::isnan(y[i]), copies == AsyncCopy::kLate);
  }
}

TEST("cuda emulator: a copy over data still to be read shows when copies come early") {
  for (const AsyncCopy copies : {AsyncCopy::kLate, AsyncCopy::kEarly}) {
    SettingsScope settings;
    settings->async_copy = copies;
    BugArrays arrays;
    std::vector<float> x(4096, 1.0f);
    std::fill(x.begin() + 128, x.end(), 2.0f);
    arrays.x.Upload(x);
    cuda::LaunchBug("CopyOverUnread", arrays.x.data(), arrays.y.data());
    const std::vector<float> y = arrays.y.Download();
    for (size_t i = 0; i < 128; ++i) EXPECT(y[i] != 1.0f);
  }
}

TEST("cuda emulator: writes out of a part of shared memory are found") {
  for (const auto& [bug, where] : {std::pair("WritePastPart", "behind part 0 of 256 bytes"),
                                   std::pair("WriteBeforePart", "before part 0 of 256 bytes")}) {
    if constexpr (!kAddressSanitizer) {
      ExpectReported(bug, {"shared memory was written out of bounds, ", where});
    } else {
      const ChildResult child = RunInChild([&name = bug] {
        BugArrays arrays;
        cuda::LaunchBug(name, arrays.x.data(), arrays.y.data());
      });
      EXPECT(child.exit_status != 0 || child.signal != 0);
      EXPECT(child.errors.find("AddressSanitizer: use-after-poison") != std::string::npos);
      EXPECT(child.errors.find(bug) != std::string::npos);
      EXPECT(child.errors.find(kFile) != std::string::npos);
    }
  }
}

TEST("cuda emulator: a missing barrier gives wrong values in every order, and the race detector names it") {
  if constexpr (kThreadSanitizer) {
    for (const char* bug : {"MissingBarrier", "RaceBetweenBlocks"}) {
      const ChildResult child = RunInChild([&] {
        BugArrays arrays;
        cuda::LaunchBug(bug, arrays.x.data(), arrays.y.data());
      });
      EXPECT(child.errors.find("ThreadSanitizer: data race") != std::string::npos);
      EXPECT(child.errors.find(bug) != std::string::npos);
      EXPECT(child.errors.find(kFile) != std::string::npos);
    }
  } else {
    for (const ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
      SettingsScope settings;
      settings->order = order;
      BugArrays arrays;
      cuda::LaunchBug("MissingBarrier", arrays.x.data(), arrays.y.data());
      const std::vector<float> y = arrays.y.Download();
      int unwritten = 0;
      for (size_t i = 0; i < 64; ++i) unwritten += std::isnan(y[i]);
      EXPECT(unwritten > 0);
    }
  }
}

TEST("cuda emulator: a right kernel runs clean under the race detector") {
  if constexpr (!kThreadSanitizer) SKIP("needs the thread sanitizer");
  const ChildResult child = RunInChild([] {
    const DeviceArray<Bf16> a(RandomBf16(32 * 64, 1)), b(RandomBf16(64 * 64, 2));
    DeviceArray<float> c(32 * 64);
    cuda::LaunchProduct(a.data(), b.data(), c.data(), 32, 64, 64, 8);
    cuda::LaunchSoftmax(c.data(), c.data(), 32, 64);
  });
  EXPECT_EQ(child.exit_status, 0);
  EXPECT_EQ(child.errors, std::string());
}

TEST("cuda emulator: misaligned accesses are reported with their place") {
  ExpectReported("MisalignedLdMatrix", {"ldmatrix at ", kFile, "is not aligned to 16 bytes"});
  ExpectReported("MisalignedCopy", {"cp.async at ", kFile, "is not aligned to 16 bytes"});
  ExpectReported("MisalignedLoad", {"LoadGlobal at ", kFile, "16 bytes at ", "not a multiple of 16"});
  ExpectReported("MisalignedStore", {"StoreGlobal at ", kFile, "16 bytes at ", "not a multiple of 16"});
}

TEST("cuda emulator: accesses outside every allocation are reported with their place") {
  ExpectReported("LoadPastEnd", {"LoadGlobal at ", kFile, "outside every allocation of the card"});
  ExpectReported("StoreBeforeStart", {"StoreGlobal at ", kFile, "outside every allocation of the card"});
  ExpectReported("LdMatrixOutside", {"ldmatrix at ", kFile, "is not in a part of shared memory"});
}

TEST("cuda emulator: host memory given to a kernel is reported") {
  const std::vector<float> x(8, 1.0f);
  DeviceArray<float> y(8);
  EXPECT_THROW_CODE(cuda::LaunchScale(x.data(), y.data(), 2.0f, 8), ErrorCode::kCuda,
                    "not device memory but the host's");
}

TEST("cuda emulator: shared memory that was not declared, and unequal parts, are reported") {
  ExpectReported("CarveTooMuch", {"part 1 of 4 bytes", "to 4112 bytes", "declared 4096"});
  ExpectReported("CarveUnequally", {"threads disagree about part 0"});
}

TEST("cuda emulator: launches beyond the card's limits are reported") {
  ExpectReported("HugeBlock", {"1025 x 1 x 1 threads"});
  ExpectReported("HugeGrid", {"1 x 65536 x 1 blocks"});
  ExpectReported("HugeShared", {"101392 bytes of shared memory", "at most 101376"});
  SettingsScope settings;
  settings->shared_bytes_per_block = size_t{227} << 10;
  if constexpr (!kThreadSanitizer) {
    BugArrays arrays;
    cuda::LaunchBug("HugeShared", arrays.x.data(), arrays.y.data());  // only its missing barrier is left, unreported
  }
}

TEST("cuda emulator: after a report the next kernel runs as if nothing had been") {
  BugArrays arrays;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW_CODE(cuda::LaunchBug("DivergentBarrier", arrays.x.data(), arrays.y.data()), ErrorCode::kCuda, "");
    cuda::LaunchScale(arrays.x.data(), arrays.y.data(), 3.0f, 4096);
    for (const float y : arrays.y.Download()) EXPECT_EQ(y, 3.0f);
  }
}

}  // namespace
}  // namespace rlvr::test
