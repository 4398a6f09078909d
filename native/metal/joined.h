// Neighbours in a run that one dispatch computes: up to three Linear of one x, and at few rows the RmsNorm before them.
// Every result is written as it would be by each alone, with the same bits; only what nobody could tell apart is
// joined.
#pragma once
#include "metal/operators.h"

namespace afterimage::metal {

struct Joined {
  const Dispatch* norm = nullptr;
  std::span<const Dispatch> linears;
  size_t size() const { return linears.size() + (norm ? 1 : 0); }  // operators; 0: nothing is joined
};

// Rope of queries, of keys, and Attention with both: rope and the store of keys and values are one dispatch.
struct JoinedRopes {
  const Dispatch* queries = nullptr;  // null: nothing is joined
  const Dispatch* keys = nullptr;
  const Dispatch* attention = nullptr;
  static constexpr size_t kSize = 3;
};

JoinedRopes joined_ropes(Encoder& encoder, std::span<const Dispatch> list);
void encode_joined(Encoder& encoder, const JoinedRopes& joined);

// What the list begins with.
Joined joined_linears(Encoder& encoder, std::span<const Dispatch> list);

// One dispatch for all. Throws KernelUnavailable.
void encode_joined(Encoder& encoder, const Joined& joined);

}  // namespace afterimage::metal
