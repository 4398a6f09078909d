#include "metal/self_test.h"

#include <algorithm>
#include <map>

#include "metal/case_data.h"
#include "metal/kernel_cases.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

std::string failure_of(const KernelCase& one, MetalBackend& backend, Backend& reference, double& worst) {
  try {
    const std::vector<float> found = one.run(backend);
    const double d = distance(found, one.run(reference));
    worst = std::max(worst, d);
    if (!(d <= one.tolerance)) return "it differs from the CPU by " + std::to_string(d) + " on " + one.name;
    // An operator runs on the CPU where its kernel cannot be had: then the comparison above said nothing.
    const auto unavailable = backend.pipelines().unavailable();
    const auto reason = unavailable.find(one.kernel);
    return reason == unavailable.end() ? "" : reason->second;
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

std::vector<Verdict> self_test(MetalBackend& backend, Backend& reference, std::span<const int> sizes) {
  std::map<std::string, Verdict> verdicts;
  for (const KernelCase& one : kernel_cases(sizes)) {
    Verdict& verdict = verdicts[one.kernel];
    verdict.kernel = one.kernel;
    ++verdict.cases;
    if (!verdict.failure.empty()) continue;
    verdict.failure = failure_of(one, backend, reference, verdict.distance);
    if (!verdict.failure.empty()) backend.pipelines().disable(one.kernel, verdict.failure);
  }
  std::vector<Verdict> list;
  for (auto& [kernel, verdict] : verdicts) list.push_back(std::move(verdict));
  return list;
}

// The median of five copies of 64 MiB, timed by the device.
double measure_bandwidth(MetalBackend& backend) {
  constexpr uint32_t kElements = 16 << 20;
  const size_t bytes = size_t{kElements} * 4;
  struct {
    uint32_t count, a, b, start;
  } params{kElements, 0, 0, 0};
  try {
    const auto from = backend.allocate(bytes), to = backend.allocate(bytes);
    std::vector<double> rates;
    for (int i = 0; i < 5; ++i) {
      const auto commands = backend.device().begin();
      commands->pipeline(backend.pipelines().get("layout", "copy_elements", 256));
      commands->bind(0, buffer_of(from.get()), 0);
      commands->bind(2, buffer_of(to.get()), 0);
      commands->constants(3, &params, sizeof params);
      commands->dispatch({kElements / 256, 1, 1}, 256);
      commands->commit();
      const Outcome outcome = commands->wait();
      if (outcome.error.empty() && outcome.gpu_seconds > 0)
        rates.push_back(2.0 * static_cast<double>(bytes) / outcome.gpu_seconds);
    }
    std::sort(rates.begin(), rates.end());
    return rates.empty() ? 0 : rates[rates.size() / 2];
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace afterimage::metal
