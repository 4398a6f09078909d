#include "metal/self_test.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "metal/case_data.h"
#include "metal/kernel_cases.h"
#include "metal/layout_params.h"
#include "metal/scratch_file.h"
#include "platform/files.h"
#include "platform/mapped_file.h"

namespace afterimage::metal {
namespace {

Failure failure_of(const KernelCase& one, MetalBackend& backend, Backend& reference, double& worst) {
  const Tested tested(one.kernel);
  try {
    const std::vector<float> found = one.run(backend);
    const double d = distance(found, one.of_rows ? std::vector<float>{0} : one.run(reference));
    worst = std::max(worst, d);
    if (!(d <= one.tolerance))
      return {one.of_rows ? "a row depends on the other rows: " + one.name
                          : "it differs from the CPU by " + std::to_string(d) + " on " + one.name};
    // An operator runs on the CPU where its kernel cannot be had: then the comparison above said nothing.
    const auto unavailable = backend.pipelines().unavailable();
    const auto reason = unavailable.find(one.kernel);
    return {reason == unavailable.end() ? "" : reason->second};
  } catch (const std::exception& error) {
    return {error.what(), false};
  }
}

// Copies `bytes` from `offset` on with a kernel, and says whether they arrived.
Failure copied(MetalBackend& backend, const MappedFile& file, size_t offset, size_t bytes) {
  const auto source = backend.device().wrap(file.data(), file.size());
  if (!source) return {"the device refuses memory that it did not allocate"};
  const auto target = backend.allocate(bytes);
  std::memset(target->host(), 0, bytes);
  const auto count = static_cast<uint32_t>(bytes / 4);
  const LayoutParams params{count, 0, 0, 0};
  const auto commands = backend.device().begin();
  commands->pipeline(backend.pipelines().get("layout", "copy_elements", 256));
  commands->bind(0, *source, offset);
  commands->bind(2, buffer_of(target.get()), 0);
  commands->constants(3, &params, sizeof params);
  commands->dispatch({(count + 255) / 256, 1, 1}, 256);
  commands->commit();
  const Outcome outcome = commands->wait();
  if (!outcome.error.empty()) return {outcome.error, false};
  return {std::memcmp(target->host(), file.data() + offset, bytes) == 0 ? "" : "it reads something else there"};
}

}  // namespace

std::vector<Verdict> self_test(MetalBackend& backend, Backend& reference, std::span<const int> sizes,
                               const std::set<std::string>* kernels,
                               const std::function<void(const std::string&)>& begun) {
  std::map<std::string, Verdict> verdicts;
  std::map<std::string, Failure> of_rows;  // by what was compared
  for (const KernelCase& one : kernel_cases(sizes)) {
    if (kernels && kernels->count(one.kernel) == 0) continue;
    Verdict& verdict = verdicts[one.kernel];
    verdict.kernel = one.kernel;
    ++verdict.cases;
    verdict.row_cases += one.of_rows;
    if (!verdict.failure.text.empty()) continue;
    if (begun && verdict.cases == 1) begun(one.kernel);
    const auto shared = one.of_rows ? of_rows.find(one.name) : of_rows.end();
    verdict.failure = shared != of_rows.end() ? shared->second : failure_of(one, backend, reference, verdict.distance);
    if (one.of_rows) of_rows[one.name] = verdict.failure;
    if (!verdict.failure.text.empty()) backend.pipelines().disable(one.kernel, verdict.failure.text);
  }
  std::vector<Verdict> list;
  for (auto& [kernel, verdict] : verdicts) list.push_back(std::move(verdict));
  return list;
}

Failure probe_in_place(MetalBackend& backend) {
  constexpr size_t kPage = 16384, kBytes = (size_t{1} << 20) + 3 * kPage;
  try {
    std::vector<uint32_t> values(kBytes / 4);
    Random random(23);
    for (uint32_t& value : values) value = random.bits();
    const ScratchFile scratch;
    platform::NewFile file(scratch.path);
    if (!file.opened() || file.write(values.data(), kBytes) != kBytes || !file.finish())
      return {"the test file " + scratch.path + " cannot be written (" + platform::last_problem() + ")", false};
    return copied(backend, MappedFile(scratch.path), 96, kBytes - 96 - kPage);
  } catch (const std::exception& error) {
    return {error.what(), false};
  }
}

}  // namespace afterimage::metal
