// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011): a draw is a pure function of its key and counter,
// so it does not depend on what was drawn before, on threads, or on what else is in the batch.
#pragma once

#include <array>
#include <cstdint>

namespace rlvr {

inline std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = static_cast<uint64_t>(0xD2511F53u) * counter[0];
    const uint64_t b = static_cast<uint64_t>(0xCD9E8D57u) * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// Uniform in [0, 1) with 53 bits, for token `token` of rollout `rollout` of question `question` under `seed`.
inline double UniformFor(uint64_t seed, uint64_t question, uint32_t rollout, uint32_t token) {
  const auto bits = Philox({static_cast<uint32_t>(question), static_cast<uint32_t>(question >> 32), rollout, token},
                           {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return static_cast<double>(((static_cast<uint64_t>(bits[0]) << 32) | bits[1]) >> 11) * 0x1.0p-53;
}

}  // namespace rlvr
