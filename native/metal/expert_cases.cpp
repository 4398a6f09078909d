#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

std::vector<float> run_route(Backend& backend, int rows, int experts, int k, int groups, bool sigmoid, bool bias) {
  CaseRun run(backend);
  OpAttrs a;
  a.k = k;
  a.groups = groups;
  a.topk_groups = groups > 1 ? groups - 1 : 1;
  a.sigmoid_score = sigmoid;
  a.normalize = sigmoid;
  a.scale = 1.5f;
  Dispatch d{Op::Route,
             &a,
             {run.floats(rows, experts, 61, 3)},
             {run.empty(rows, k), run.empty(rows, k, DType::i32)},
             {nullptr, nullptr},
             nullptr};
  if (bias) d.weights[0] = run.vector(experts, 62);
  run.run(d);
  std::vector<float> all = CaseRun::read(d.out[0]);
  for (const float id : CaseRun::read(d.out[1])) all.push_back(100 * id);  // a wrong id is no rounding
  return all;
}

std::vector<float> run_expert_linear(Backend& backend, const StoredKind& kind, int rows, int outs, int columns,
                                     bool per_expert) {
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 5, outs, columns, 63);
  OpAttrs a;
  a.k = 2;
  a.per_expert = per_expert;
  std::vector<int32_t> ids(static_cast<size_t>(rows) * 2);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * i % 7 % 4);  // 4 has no rows
  Dispatch d{Op::ExpertLinear,
             &a,
             {run.floats(rows, columns * (per_expert ? 2 : 1), 64), run.ints(ids, 2)},
             {run.empty(rows, 2 * outs)},
             {run.weight(*stored, kUseExperts), nullptr},
             nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

std::vector<float> run_expert_sum(Backend& backend, int rows, int width) {
  CaseRun run(backend);
  OpAttrs a;
  a.k = 3;
  Dispatch d{
      Op::ExpertSum,      &a,     {run.floats(rows, 3 * width, 65), run.floats(rows, 3, 66)}, {run.empty(rows, width)},
      {nullptr, nullptr}, nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

}  // namespace

int expert_outs(const StoredKind& kind, int outs) {
  return kind.format == WeightFormat::fp8_block ? (outs + kind.group - 1) / kind.group * kind.group : outs;
}

std::vector<std::vector<std::string>> expert_kernel_names(const StoredKind& kind) {
  const std::string name = std::string("expert_") + kind.name;
  std::vector<std::vector<std::string>> names{{name, name + "_grouped"}};
  if (const auto format = tiled_format_name(kind))
    names.insert(names.begin(), {"expert_matrix_" + *format + "_8", "expert_matrix_" + *format + "_32"});
  return names;
}

std::vector<KernelCase> expert_cases(std::span<const int> sizes) {
  std::vector<KernelCase> cases;
  for (const int n : sizes) {
    const std::string size = std::to_string(n);
    const int k = n < 4 ? 1 : 4;
    cases.push_back({"route", size + " experts, softmax", 1e-5,
                     [=](Backend& b) { return run_route(b, 5, n, k, 1, false, false); }});
    cases.push_back(
        {"route", size + " experts, sigmoid", 1e-5, [=](Backend& b) { return run_route(b, 5, n, k, 1, true, true); }});
    cases.push_back(
        {"route", size + " rows, groups", 1e-5, [=](Backend& b) { return run_route(b, n, 16, 3, 4, true, true); }});
    cases.push_back({"expert_sum", size + " columns", 1e-6, [=](Backend& b) { return run_expert_sum(b, 3, n); }});
    for (const StoredKind& kind : stored_kinds()) {
      const int columns = kind.bits ? (n + 63) / 64 * 64 : n, outs = expert_outs(kind, n);
      const std::string shape = size + " group " + std::to_string(kind.group);
      for (const auto& kernels : expert_kernel_names(kind))
        for (const auto& [kernel, rows] : {std::pair{kernels.front(), 2}, {kernels.back(), 21}})
          cases.push_back({kernel, shape, 2e-5, [=, rows = rows](Backend& b) {
                             return run_expert_linear(b, kind, rows, outs, columns, n % 2 == 0);
                           }});
    }
  }
  return cases;
}

}  // namespace afterimage::metal
