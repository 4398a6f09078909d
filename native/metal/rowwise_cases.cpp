#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

using Build = std::function<void(CaseRun&, Dispatch&, OpAttrs&)>;

KernelCase one(std::string kernel, std::string name, double tolerance, Op op, Build build) {
  return {std::move(kernel), std::move(name), tolerance, [op, build](Backend& backend) {
            CaseRun run(backend);
            OpAttrs attrs;
            Dispatch d{op, &attrs, {}, {}, {nullptr, nullptr}, nullptr};
            build(run, d, attrs);
            run.run(d);
            return CaseRun::read(d.out[0]);
          }};
}

std::vector<int32_t> random_ints(int count, int low, int high, uint32_t seed) {
  Random random(seed);
  std::vector<int32_t> values(static_cast<size_t>(count));
  for (int32_t& value : values) value = low + static_cast<int32_t>(random.bits() % static_cast<uint32_t>(high - low));
  return values;
}

void norm_cases(std::vector<KernelCase>& cases, int rows, int d, int groups) {
  const std::string shape = "[" + std::to_string(rows) + "," + std::to_string(groups) + "·" + std::to_string(d) + "]";
  cases.push_back(one("rms_norm", shape, 3e-6, Op::RmsNorm, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.eps = 1e-6f;
    a.groups = groups;
    a.weight_offset = groups > 1 ? 1.0f : 0.0f;
    x.in[0] = r.floats(rows, groups * d, 1, 3);
    x.out[0] = r.empty(rows, groups * d);
    if (rows % 2) x.weights[0] = r.vector(d, 2);
  }));
  cases.push_back(one("layer_norm", shape, 3e-6, Op::LayerNorm, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.eps = 1e-3f;
    a.groups = groups;
    x.in[0] = r.floats(rows, groups * d, 1, 3);
    x.out[0] = r.empty(rows, groups * d);
    if (rows % 2) x.weights[0] = r.vector(d, 2);
    if (rows % 2) x.weights[1] = r.vector(d, 3);
  }));
}

void statistic_cases(std::vector<KernelCase>& cases, int rows, int d) {
  for (int kind = 0; kind < 4; ++kind)
    cases.push_back(one("row_statistic",
                        "[" + std::to_string(rows) + "," + std::to_string(d) + "] kind " + std::to_string(kind), 3e-6,
                        Op::RowStatistic, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
                          a.statistic = static_cast<Statistic>(kind);
                          a.eps = rows % 2 ? 1e-5f : 100.0f;
                          a.scale = -1.5f;
                          x.in[0] = r.floats(rows, d, 1, 3);
                          x.out[0] = r.empty(rows, 1);
                        }));
}

void rope_cases(std::vector<KernelCase>& cases, int rows, int n) {
  const std::string shape = "rows " + std::to_string(rows) + ", " + std::to_string(n) + " frequencies";
  cases.push_back(one("rope_table", shape, 2e-6, Op::RopeTable, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.scale = 1.25f;
    for (int i = 0; i < n; ++i) a.inv_freq.push_back(1.0f / static_cast<float>(1 + i)), a.axis.push_back(i % 3);
    x.in[0] = r.ints(random_ints(rows * 3, 0, 300, 4), 3);
    x.out[0] = r.empty(rows, 2 * n);
  }));
  for (const bool interleaved : {false, true})
    cases.push_back(one("rope", shape + (interleaved ? " interleaved" : ""), 2e-6, Op::Rope,
                        [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
                          a.groups = 3;
                          a.start = interleaved ? 2 : 0;
                          a.interleaved = interleaved;
                          const int d = 2 * n + (interleaved ? 5 : 0);
                          x.in[0] = r.floats(rows, 3 * d, 5);
                          x.in[1] = r.floats(rows, 2 * n, 6);
                          x.out[0] = r.empty(rows, 3 * d);
                        }));
}

void elementwise_cases(std::vector<KernelCase>& cases, int rows, int width) {
  const std::string shape = "[" + std::to_string(rows) + "," + std::to_string(width) + "]";
  for (const Op op : {Op::Add, Op::Mul})
    for (int mode = 0; mode < 3; ++mode) {
      cases.push_back(one(op == Op::Add ? "add" : "multiply", shape + " operand " + std::to_string(mode), 0, op,
                          [=](CaseRun& r, Dispatch& x, OpAttrs&) {
                            x.in[0] = r.floats(rows, width, 1);
                            x.out[0] = r.empty(rows, width);
                            if (mode == 2)
                              x.weights[0] = r.vector(width, 2);
                            else
                              x.in[1] = r.floats(rows, mode == 1 ? 1 : width, 3);
                          }));
    }
  for (int kind = 0; kind < 10; ++kind) {
    cases.push_back(one("activation", shape + " kind " + std::to_string(kind), 2e-6, Op::Activation,
                        [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
                          a.activation = static_cast<Activation>(kind);
                          a.scale = 0.5f;
                          x.in[0] = r.floats(rows, width, 1, 12);
                          x.out[0] = r.empty(rows, width);
                        }));
    cases.push_back(one("gated_activation", shape + " kind " + std::to_string(kind), 2e-6, Op::GatedActivation,
                        [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
                          a.activation = static_cast<Activation>(kind);
                          x.in[0] = r.floats(rows, width, 1, 4);
                          x.in[1] = r.floats(rows, width, 2);
                          x.out[0] = r.empty(rows, width);
                        }));
  }
  cases.push_back(one("clamp_between", shape, 0, Op::Clamp, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
    x.in[0] = r.floats(rows, width, 1, 4);
    x.weights[0] = r.vector(1, 2);
    x.weights[1] = r.vector(1, 3);
    x.out[0] = r.empty(rows, width);
  }));
  cases.push_back(one("softcap", shape, 2e-6, Op::Softcap, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.softcap = 30;
    x.in[0] = r.floats(rows, width, 1, 100);
    x.out[0] = r.empty(rows, width);
  }));
}

void index_cases(std::vector<KernelCase>& cases, int rows, int width) {
  const std::string shape = "[" + std::to_string(rows) + "," + std::to_string(width) + "]";
  for (const Op op : {Op::ReplaceRows, Op::AddRows})
    cases.push_back(
        one(op == Op::AddRows ? "add_rows" : "replace_rows", shape, 0, op, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
          x.in[0] = r.floats(rows, width, 1);
          x.in[1] = r.floats(9, width, 2);
          x.in[2] = r.ints(random_ints(rows, -1, 9, 3), 1);
          x.out[0] = r.empty(rows, width);
        }));
  cases.push_back(one("choose_rows", shape, 0, Op::ChooseRows, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.start = 3;
    a.count = 4;
    x.in[0] = r.floats(rows, width, 1);
    x.in[1] = r.floats(rows, width, 2);
    x.in[2] = r.ints(random_ints(rows, -2, 9, 3), 1);
    x.out[0] = r.empty(rows, width);
  }));
  for (const int taps : {1, 9}) {
    const std::string tapped = shape + " taps " + std::to_string(taps);
    cases.push_back(one("gather_rows", tapped, 0, Op::GatherRows, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
      x.in[0] = r.floats(11, width, 1);
      x.in[1] = r.ints(random_ints(rows * taps, taps == 1 ? 0 : -1, 11, 3), taps);
      x.out[0] = r.empty(rows, width * taps);
    }));
    cases.push_back(one("depthwise_rows", tapped, 2e-6, Op::DepthwiseRows, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
      x.in[0] = r.floats(11, width, 1);
      x.in[1] = r.ints(random_ints(rows * taps, -1, 11, 3), taps);
      x.weights[0] = r.vector(width, 2, taps);
      x.out[0] = r.empty(rows, width);
    }));
  }
}

void layout_cases(std::vector<KernelCase>& cases, int rows, int d) {
  const std::string shape = "[" + std::to_string(rows) + ",3·" + std::to_string(d) + "]";
  cases.push_back(one("slice", shape, 0, Op::Slice, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.groups = 3;
    a.start = d / 2;
    a.count = d - d / 2;
    x.in[0] = r.floats(rows, 3 * d, 1);
    x.out[0] = r.empty(rows, 3 * (d - d / 2));
  }));
  cases.push_back(one("concat", shape, 0, Op::Concat, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.groups = 3;
    x.in[0] = r.floats(rows, 3 * d, 1);
    x.in[1] = r.floats(rows, 6, 2);
    x.out[0] = r.empty(rows, 3 * (d + 2));
  }));
  cases.push_back(one("repeat", shape, 0, Op::Repeat, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.times = 4;
    x.in[0] = r.floats(rows, d, 1);
    x.out[0] = r.empty(rows, 4 * d);
  }));
  cases.push_back(one("transpose_inner", shape, 0, Op::TransposeInner, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.m = 3;
    x.in[0] = r.floats(rows, 3 * d, 1);
    x.out[0] = r.empty(rows, 3 * d);
  }));
  cases.push_back(one("copy_elements", shape, 0, Op::Regroup, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    a.factor = 2;
    x.in[0] = r.floats(2 * rows, d, 1);
    x.out[0] = r.empty(rows, 2 * d);
  }));
}

}  // namespace

std::vector<KernelCase> rowwise_cases(std::span<const int> sizes) {
  std::vector<KernelCase> cases;
  for (const int n : sizes) {
    norm_cases(cases, 5, n, 1);
    norm_cases(cases, n, 8, 3);
    norm_cases(cases, 3, 512 + n, 1);
    statistic_cases(cases, 5, n);
    statistic_cases(cases, n, 9);
    statistic_cases(cases, 3, 512 + n);
    rope_cases(cases, 3, n);
    rope_cases(cases, n, 4);
    elementwise_cases(cases, 3, n);
    elementwise_cases(cases, n, 7);
    index_cases(cases, 6, n);
    index_cases(cases, n, 5);
    layout_cases(cases, 4, n);
  }
  return cases;
}

}  // namespace afterimage::metal
