// One case: an operator with concrete shapes, run on any backend. The self-test on a Mac and the tests on Linux run the
// same cases, at other sizes.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "metal/case_data.h"

namespace afterimage::metal {

struct KernelCase {
  std::string kernel;  // the kernel that the case is about
  std::string name;    // with shapes
  double tolerance;    // of |a − b| against 1 + max |b|
  std::function<std::vector<float>(Backend&)> run;
  bool of_rows = false;  // compares a backend with itself: what it returns must be 0, whatever the reference
};

// Every kernel at every size; a size is used as rows, as width, as key count and so on.
std::vector<KernelCase> kernel_cases(std::span<const int> sizes);
// By operator: as kernel_sets has them, of a weight that `kind` stores.
std::vector<std::vector<std::string>> linear_kernel_names(const StoredKind& kind);
std::vector<std::vector<std::string>> expert_kernel_names(const StoredKind& kind);
// The next number of outputs with which experts are read as they are stored: a block of scales is one expert's.
int expert_outs(const StoredKind& kind, int outs);
// In names of kernels on simdgroup matrices; none where they do not read such a weight.
std::optional<std::string> tiled_format_name(const StoredKind& kind);
std::vector<KernelCase> linear_cases(std::span<const int> sizes);
std::vector<KernelCase> rowwise_cases(std::span<const int> sizes);
std::vector<KernelCase> sequence_cases(std::span<const int> sizes);
std::vector<KernelCase> expert_cases(std::span<const int> sizes);
std::vector<KernelCase> image_cases(std::span<const int> sizes);
// At two extents, by the largest size. Their name says what is compared; several kernels may share one.
std::vector<KernelCase> invariance_cases(std::span<const int> sizes);

// Largest |a − b| / (1 + max |b|); infinite where a is not finite.
double distance(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace afterimage::metal
