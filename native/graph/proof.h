// Of backends whose operators must prove themselves on the machine at hand before a program runs.
#pragma once
#include <optional>
#include <span>

#include "graph/backend.h"

namespace afterimage {

// An operator of a program, with its prepared weights.
struct OperatorUse {
  Op op;
  const OpAttrs* attrs = nullptr;
  const Weight* weights[4] = {};
};

class Proof {
 public:
  virtual ~Proof() = default;
  // Called before the program's first run, and before the backend's identity is taken: an operator that fails may be
  // replaced, and then is part of it. `kv`: element type of the cache, for programs that have one.
  virtual void prove(std::span<const OperatorUse> uses, std::optional<KvType> kv) = 0;
};

}  // namespace afterimage
