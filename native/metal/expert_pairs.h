// Which pairs of a row and an expert a kernel takes.
#include "experts_params.h"

inline uint expert_of(device const int* ids, constant ExpertParams& p, uint pair) {
  return uint(clamp(ids[pair], 0, int(p.experts) - 1));
}

inline uint x_row_of(constant ExpertParams& p, uint pair) { return p.per_expert != 0 ? pair : pair / p.k; }

// Where a simdgroup stands among the pairs of its expert. All lanes hold the same.
struct PairWalk {
  uint next;     // first pair not looked at; a multiple of 32
  uint waiting;  // bit i: pair next − 32 + i is of this expert and not taken yet
};

// Looks at the next 32 pairs.
inline void look_on(device const int* ids, constant ExpertParams& p, uint expert, uint lane, thread PairWalk& walk) {
  uint pair = walk.next + lane;
  bool mine = pair < p.pairs && expert_of(ids, p, min(pair, p.pairs - 1)) == expert;
  walk.waiting = simd_sum(mine ? 1u << lane : 0u);
  walk.next += 32;
}
