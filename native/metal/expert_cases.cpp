#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

constexpr StoredKind kKinds[] = {
    {WeightFormat::f32, 0, 0, ScaleType::f32, "f32"},     {WeightFormat::f16, 0, 0, ScaleType::f16, "f16"},
    {WeightFormat::bf16, 0, 0, ScaleType::bf16, "bf16"},  {WeightFormat::affine, 2, 32, ScaleType::bf16, "q2"},
    {WeightFormat::affine, 3, 32, ScaleType::bf16, "q3"}, {WeightFormat::affine, 4, 32, ScaleType::f16, "q4"},
    {WeightFormat::affine, 5, 32, ScaleType::bf16, "q5"}, {WeightFormat::affine, 6, 32, ScaleType::f16, "q6"},
    {WeightFormat::affine, 8, 32, ScaleType::bf16, "q8"}, {WeightFormat::mxfp4, 4, 32, ScaleType::u8, "e2m1"},
    {WeightFormat::mxfp8, 8, 32, ScaleType::u8, "e4m3"},
};

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
    for (const StoredKind& kind : kKinds) {
      const int columns = kind.bits ? (n + 31) / 32 * 32 : n;
      const std::string kernel = std::string("expert_") + kind.name;
      cases.push_back(
          {kernel, size, 2e-5, [=](Backend& b) { return run_expert_linear(b, kind, 2, n, columns, n % 2 == 0); }});
      cases.push_back({kernel + "_grouped", size, 2e-5,
                       [=](Backend& b) { return run_expert_linear(b, kind, 21, n, columns, n % 2 == 0); }});
    }
  }
  return cases;
}

}  // namespace afterimage::metal
