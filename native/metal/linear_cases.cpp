#include <algorithm>
#include <cmath>
#include <limits>

#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

// Sums of a few hundred products in f32, in another order than the reference.
constexpr double kTolerance = 2e-5;

std::vector<float> run_linear(Backend& backend, const StoredKind& kind, int rows, int outs, int columns) {
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, outs, columns, 7);
  OpAttrs attrs;
  attrs.activation = rows % 2 ? Activation::none : Activation::silu;
  Dispatch d{Op::Linear,
             &attrs,
             {run.floats(rows, columns, 1)},
             {run.empty(rows, outs)},
             {run.weight(*stored, kUseMatrix), nullptr},
             nullptr};
  if (outs % 2) d.weights[1] = run.vector(outs, 3);
  if (rows > 2) d.in[1] = run.floats(rows, outs, 4);
  run.run(d);
  return CaseRun::read(d.out[0]);
}

std::vector<float> run_embedding(Backend& backend, const StoredKind& kind, int rows, int columns) {
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, 37, columns, 8);
  std::vector<int32_t> ids(static_cast<size_t>(rows));
  Random random(5);
  for (int32_t& id : ids) id = static_cast<int32_t>(random.bits() % 40) - 1;  // some outside the table
  OpAttrs attrs;
  attrs.scale = 1.5f;
  attrs.start = 2;
  Dispatch d{
      Op::Embedding, &attrs, {run.ints(ids, 1)}, {run.empty(rows, columns)}, {run.weight(*stored, kUseTable), nullptr},
      nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

std::vector<float> run_weighted(Backend& backend, const StoredKind& kind, bool as_weight, int rows, int columns) {
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, 19, columns, 9);
  std::vector<int32_t> index(static_cast<size_t>(rows) * 4);
  Random random(6);
  for (int32_t& i : index) i = static_cast<int32_t>(random.bits() % 19);
  OpAttrs attrs;
  Dispatch d{Op::WeightedRows, &attrs, {}, {run.empty(rows, columns)}, {nullptr, nullptr}, nullptr};
  if (as_weight)
    d.weights[0] = run.weight(*stored, kUseTable);
  else
    d.in[0] = run.floats(19, columns, 11);
  d.in[1] = run.ints(index, 4);
  d.in[2] = run.floats(rows, 4, 12);
  run.run(d);
  return CaseRun::read(d.out[0]);
}

// RmsNorm and three Linear of what it gives, one after the other; all results.
std::vector<float> run_joined(Backend& backend, const StoredKind& kind, int rows, int columns) {
  CaseRun run(backend);
  const int outs[] = {33, 17, 40};
  std::unique_ptr<StoredWeight> stored[3];
  OpAttrs norm, attrs[3];
  norm.eps = 1e-6f;
  norm.weight_offset = rows % 2 ? 1.0f : 0.0f;
  attrs[1].activation = Activation::silu;
  const Tensor x = run.floats(rows, columns, 1), h = run.empty(rows, columns);
  std::vector<Dispatch> list{{Op::RmsNorm, &norm, {x}, {h}, {run.vector(columns, 2)}, nullptr}};
  for (int i = 0; i < 3; ++i) {
    stored[i] = stored_weight(kind, 1, outs[i], columns, 7 + static_cast<uint32_t>(i));
    list.push_back(
        {Op::Linear, &attrs[i], {h}, {run.empty(rows, outs[i])}, {run.weight(*stored[i], kUseMatrix)}, nullptr});
  }
  list[1].in[1] = run.floats(rows, outs[0], 4);
  list[3].weights[1] = run.vector(outs[2], 3);
  const std::atomic<bool> cancel = false;
  backend.run(list, cancel);
  std::vector<float> all;
  for (const Dispatch& d : list)
    for (const float value : CaseRun::read(d.out[0])) all.push_back(value);
  return all;
}

std::string shape(const StoredKind& kind, int rows, int outs, int columns) {
  return std::string(kind.name) + " group " + std::to_string(kind.group) + " [" + std::to_string(rows) + "," +
         std::to_string(columns) + "]→" + std::to_string(outs);
}

const char* scale_name(const StoredKind& kind) {
  if (kind.scale_type == ScaleType::u8) return kind.format == WeightFormat::nvfp4 ? "_e4m3" : "_e8m0";
  return kind.scale_type == ScaleType::f32 ? "_f32" : (kind.scale_type == ScaleType::f16 ? "_f16" : "_bf16");
}

}  // namespace

std::optional<std::string> tiled_format_name(const StoredKind& kind) {
  const bool affine = kind.format == WeightFormat::affine || kind.format == WeightFormat::int4_symmetric;
  if (affine && kind.scale_type == ScaleType::f32) return {};
  return std::string(kind.name) + (kind.bits ? scale_name(kind) : "");
}

std::vector<std::vector<std::string>> linear_kernel_names(const StoredKind& kind) {
  const std::string name = kind.name;
  std::vector<std::vector<std::string>> names{{"linear_dot_" + name + "_1", "linear_dot_" + name + "_8"}};
  if (const auto format = tiled_format_name(kind))
    names.insert(names.begin(), {"linear_" + *format + "_8", "linear_" + *format + "_32"});
  return names;
}

std::vector<KernelCase> linear_cases(std::span<const int> sizes) {
  std::vector<KernelCase> cases;
  for (const StoredKind& kind : stored_kinds()) {
    const std::string name = kind.name;
    for (const int n : sizes) {
      const bool quantized = kind.bits > 0;
      const int columns = quantized ? (n + 63) / 64 * 64 : n;
      auto add = [&](const std::string& kernel, int rows, int outs, int width) {
        cases.push_back({kernel, shape(kind, rows, outs, width), kTolerance,
                         [=](Backend& b) { return run_linear(b, kind, rows, outs, width); }});
      };
      for (const auto& kernels : linear_kernel_names(kind)) {
        add(kernels.front(), 1, n, columns);
        add(kernels.back(), n + 8, 33, columns);
      }
      const std::vector<std::string> first_choice = linear_kernel_names(kind).front();
      if (name == "q4" || name == "f32" || name == "e2m1")
        cases.push_back({first_choice.front(), "norm and three of " + shape(kind, 5, 90, columns), kTolerance,
                         [=](Backend& b) { return run_joined(b, kind, 5, columns); }});
      cases.push_back({"embedding_" + name, shape(kind, 5, 0, columns), 1e-6,
                       [=](Backend& b) { return run_embedding(b, kind, 5, columns); }});
      if (!quantized)
        cases.push_back({"weighted_rows_" + name, shape(kind, n, 0, 33), 1e-6,
                         [=](Backend& b) { return run_weighted(b, kind, true, n, 33); }});
    }
  }
  for (const int n : sizes)
    cases.push_back({"weighted_rows_f32", "values " + std::to_string(n), 1e-6,
                     [=](Backend& b) { return run_weighted(b, stored_kinds()[0], false, 7, n); }});
  return cases;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::fabs(double{a[i]} - b[i]));
    size = std::max(size, std::fabs(double{b[i]}));
  }
  return largest / (1 + size);
}

std::vector<KernelCase> kernel_cases(std::span<const int> sizes) {
  std::vector<KernelCase> all = linear_cases(sizes);
  for (auto* more : {&rowwise_cases, &sequence_cases, &expert_cases, &image_cases, &invariance_cases})
    for (KernelCase& one : more(sizes)) all.push_back(std::move(one));
  return all;
}

}  // namespace afterimage::metal
