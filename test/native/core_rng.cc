// Philox against the published vectors, and the uniform numbers made from it.
#include "core/rng.h"

#include <set>

#include "test.h"

namespace rlvr::test {
namespace {

using Counter = std::array<uint32_t, 4>;

TEST("Philox4x32-10 gives the known answers of Random123") {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST("a uniform number is the top 53 bits of its Philox block") {
  EXPECT_EQ(UniformFor(0, 0, 0, 0), static_cast<double>(0x6627e8d5e169c58dULL >> 11) * 0x1.0p-53);
  EXPECT_EQ(UniformFor(0x299f31d0a4093822ULL, 0x85a308d3243f6a88ULL, 0x13198a2e, 0x03707344),
            static_cast<double>(0xd16cfe0994fdccebULL >> 11) * 0x1.0p-53);
}

TEST("uniform numbers differ when seed, question, rollout or token differ, high halves included") {
  const std::set<double> seen = {UniformFor(1, 2, 3, 4),
                                 UniformFor(2, 2, 3, 4),
                                 UniformFor(1, 3, 3, 4),
                                 UniformFor(1, 2, 4, 4),
                                 UniformFor(1, 2, 3, 5),
                                 UniformFor(1 | 1ULL << 32, 2, 3, 4),
                                 UniformFor(1, 2 | 1ULL << 32, 3, 4)};
  EXPECT_EQ(seen.size(), 7u);
}

TEST("uniform numbers lie in [0, 1) with mean 1/2 and variance 1/12") {
  constexpr int kCount = 100000;
  double sum = 0, squares = 0;
  for (uint32_t token = 0; token < kCount; ++token) {
    const double u = UniformFor(7, 11, 3, token);
    EXPECT(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount - mean * mean, 1.0 / 12, 1e-3);
}

}  // namespace
}  // namespace rlvr::test
