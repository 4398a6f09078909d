#include "graph/op_profile.h"

#include <algorithm>
#include <cstdio>

namespace afterimage {

void OpProfile::add(Op op, double ms) {
  Sum& sum = sums_[static_cast<size_t>(op)];
  ++sum.runs;
  sum.ms += ms;
}

std::vector<OpTime> OpProfile::times() const {
  std::vector<OpTime> out;
  for (const OpSignature& spec : op_signatures()) {
    const Sum& sum = sums_[static_cast<size_t>(spec.op)];
    if (sum.runs > 0) out.push_back({std::string(spec.name), sum.runs, sum.ms});
  }
  std::sort(out.begin(), out.end(), [](const OpTime& a, const OpTime& b) { return a.ms > b.ms; });
  return out;
}

void OpProfile::print(const std::string& title) const {
  for (const OpTime& time : times()) {
    std::fprintf(stderr, "%-8s %-18s %8lld runs %12.2f ms\n", title.c_str(), time.op.c_str(),
                 static_cast<long long>(time.runs), time.ms);
  }
}

}  // namespace afterimage
