#include "backends/cuda/emulator/warp.h"

#include "core/error.h"

namespace rlvr::cuda::emulator {

namespace {

struct ShuffleArgument {
  uint64_t given;
  uint64_t received;
  int source;
  const char* operation;
  const Site* site;
};

void PerformShuffle(void* const* arguments, unsigned mask) {
  for (int lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    auto& mine = *static_cast<ShuffleArgument*>(arguments[lane]);
    if (mine.source > 31 || !(mask >> mine.source & 1)) {
      Fail(Concat(mine.operation, " at ", Place(*mine.site), ": lane ", lane, " reads lane ", mine.source,
                  ", which is not in the mask"));
    }
    mine.received = static_cast<ShuffleArgument*>(arguments[mine.source])->given;
  }
}

struct BallotArgument {
  bool predicate;
  unsigned votes;
};

void PerformBallot(void* const* arguments, unsigned mask) {
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) && static_cast<BallotArgument*>(arguments[lane])->predicate) votes |= 1u << lane;
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) static_cast<BallotArgument*>(arguments[lane])->votes = votes;
  }
}

}  // namespace

uint64_t Shuffle(const char* operation, unsigned mask, uint64_t bits, int source, const Site& site) {
  ShuffleArgument argument{bits, 0, source, operation, &site};
  WarpCollective(operation, mask, &argument, PerformShuffle, site);
  return argument.received;
}

unsigned Ballot(const char* operation, unsigned mask, bool predicate, const Site& site) {
  BallotArgument argument{predicate, 0};
  WarpCollective(operation, mask, &argument, PerformBallot, site);
  return argument.votes;
}

}  // namespace rlvr::cuda::emulator
