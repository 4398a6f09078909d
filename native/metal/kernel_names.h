// Which kernels an operator uses: what a program needs is known before it runs.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/proof.h"

namespace afterimage::metal {

struct KernelName {
  std::string family;  // the .metal file
  std::string kernel;
};

// Of an operator that has one, whatever its operands; throws std::logic_error for the others.
const KernelName& plain_kernel(Op op);

// All that an operator may use, whatever its rows. `kv`: element type of the cache, of programs that have one.
std::vector<KernelName> kernels_of(const OperatorUse& use, std::optional<KvType> kv);

}  // namespace afterimage::metal
