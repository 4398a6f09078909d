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

// The kernels that compute an operator's rows in any number: they go together, because between two sets a row's bits
// may differ.
using KernelSet = std::vector<KernelName>;

// What an operator may use, whatever its rows, the best set first; behind the last stands the CPU. `kv`: element type
// of the cache, of programs that have one.
std::vector<KernelSet> kernel_sets(const OperatorUse& use, std::optional<KvType> kv);

class MetalWeight;
std::vector<KernelSet> attention_kernels(const OpAttrs& attrs, KvType type);
std::vector<KernelSet> linear_kernels(const MetalWeight& weight);
std::vector<KernelSet> expert_kernels(const MetalWeight& weight);

// What joins operators (joined.h); without it they run one by one, with the same bits.
KernelName rope_store_kernel(KvType type);

// RmsNorm on the way into Linear: a part of the kernel for few rows, proved and switched off by a name of its own. In
// the place of the family stands that it has no pipeline.
inline constexpr const char* kNormed = "_normed";
inline constexpr const char* kNoPipeline = "";
KernelName norm_join(const KernelSet& linear);

// Whether its kernels compute on simdgroup matrices, where others could do so without.
bool on_matrices(const KernelSet& kernels);

}  // namespace afterimage::metal
