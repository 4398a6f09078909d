// Row-local operators and tables against double loops at odd widths, each instruction set; a row alone has the same
// bits.
#include <bit>

#include "cpu/kernels.h"
#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

const int64_t kWidths[] = {1, 31, 32, 33, 63, 64, 65, 127, 1040, 2500};

double activated(Activation a, double x) {
  switch (a) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::tanh:
      return std::tanh(x);
    case Activation::hard_swish:
      return x * std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case Activation::hard_sigmoid:
      return std::min(std::max(x + 3, 0.0), 6.0) / 6;
  }
  return x;
}

std::unique_ptr<Weight> vector_weight(Backend& backend, std::vector<float>& values, int64_t rows = 1) {
  WeightSource s;
  s.rows = rows;
  s.columns = static_cast<int64_t>(values.size()) / rows;
  s.data = reinterpret_cast<const std::byte*>(values.data());
  s.row_bytes = static_cast<size_t>(s.columns) * 4;
  return backend.prepare(s, kUseVector, Precision::exact);
}

// Runs a one-input operator on all rows and on each third row alone.
std::vector<float> run_rows(Backend& backend, Op op, const OpAttrs& a, const std::vector<float>& x, int64_t rows,
                            int64_t width, int64_t out_width, const Weight* w0 = nullptr, const Weight* w1 = nullptr) {
  const auto run = [&](int64_t first, int64_t count) {
    const Owned in = tensor(backend, count, width,
                            std::vector<float>(x.begin() + first * width, x.begin() + (first + count) * width));
    const Owned out = tensor(backend, count, out_width);
    run_one(backend, {op, &a, {in.tensor}, {out.tensor}, {w0, w1}, nullptr});
    return out.read<float>();
  };
  const auto y = run(0, rows);
  for (int64_t r = 0; r < rows; r += 3)
    check(same_bits(run(r, 1).data(), y.data() + r * out_width, static_cast<size_t>(out_width)),
          "a row depends on the others", __FILE__, __LINE__);
  return y;
}

void test_norms(Backend& backend, int64_t d) {
  const int64_t rows = 7, groups = 3;
  const auto x = random_floats(static_cast<size_t>(rows * groups * d), 3.0f);
  auto w = random_floats(static_cast<size_t>(d)), b = random_floats(static_cast<size_t>(d));
  const auto weight = vector_weight(backend, w), bias = vector_weight(backend, b);
  OpAttrs a;
  a.eps = 1e-6f;
  a.groups = groups;
  a.weight_offset = 1.0f;
  std::vector<double> rms, layer;
  for (int64_t g = 0; g < rows * groups; ++g) {
    double mean = 0, squares = 0, variance = 0;
    for (int64_t i = 0; i < d; ++i)
      mean += x[static_cast<size_t>(g * d + i)], squares += std::pow(x[static_cast<size_t>(g * d + i)], 2);
    mean /= static_cast<double>(d);
    for (int64_t i = 0; i < d; ++i) variance += std::pow(x[static_cast<size_t>(g * d + i)] - mean, 2);
    for (int64_t i = 0; i < d; ++i) {
      const double v = x[static_cast<size_t>(g * d + i)];
      rms.push_back(v / std::sqrt(squares / static_cast<double>(d) + 1e-6) * (w[static_cast<size_t>(i)] + 1.0));
      layer.push_back((v - mean) / std::sqrt(variance / static_cast<double>(d) + 1e-6) * w[static_cast<size_t>(i)] +
                      b[static_cast<size_t>(i)]);
    }
  }
  CHECK(relative_rms(run_rows(backend, Op::RmsNorm, a, x, rows, groups * d, groups * d, weight.get()), rms) < 3e-7);
  if (d > 1)
    CHECK(relative_rms(run_rows(backend, Op::LayerNorm, a, x, rows, groups * d, groups * d, weight.get(), bias.get()),
                       layer) < 2e-6);
}

void test_statistics(Backend& backend, int64_t d) {
  const int64_t rows = 7;
  const auto x = random_floats(static_cast<size_t>(rows * d), 3.0f);
  OpAttrs a;
  a.scale = -1.5f;
  for (Statistic kind : {Statistic::mean, Statistic::deviation, Statistic::rms, Statistic::inverse_rms})
    for (float eps : {1e-5f, 100.0f}) {
      a.statistic = kind;
      a.eps = eps;
      std::vector<double> expected;
      for (int64_t r = 0; r < rows; ++r) {
        double mean = 0, squares = 0, variance = 0;
        for (int64_t i = 0; i < d; ++i) mean += x[static_cast<size_t>(r * d + i)] / static_cast<double>(d);
        for (int64_t i = 0; i < d; ++i)
          squares += std::pow(x[static_cast<size_t>(r * d + i)], 2) / static_cast<double>(d);
        for (int64_t i = 0; i < d; ++i)
          variance += std::pow(x[static_cast<size_t>(r * d + i)] - mean, 2) / static_cast<double>(d);
        const double rms = std::sqrt(std::max<double>(squares, eps));
        const double values[] = {mean, std::sqrt(variance), rms, 1 / rms};
        expected.push_back(-1.5 * values[static_cast<size_t>(kind)]);
      }
      CHECK(relative_rms(run_rows(backend, Op::RowStatistic, a, x, rows, d, 1), expected) < 1e-6);
    }
}

// Depthwise convolution and gathered taps against loops; rows alone have the same bits.
void test_taps(Backend& backend, int64_t width) {
  const int64_t rows = 7, taps = 9, sources = 5;
  const auto x = random_floats(static_cast<size_t>(sources * width));
  auto w = random_floats(static_cast<size_t>(taps * width));
  const auto weight = vector_weight(backend, w, taps);
  std::vector<int32_t> index;
  for (int64_t i = 0; i < rows * taps; ++i) index.push_back(static_cast<int32_t>(generator()() % (sources + 1)) - 1);
  const Owned xt = tensor(backend, sources, width, x);
  OpAttrs a;
  const auto run = [&](Op op, int64_t first, int64_t count, int64_t out_width) {
    const Owned at =
        tensor<int32_t>(backend, count, taps, {index.begin() + first * taps, index.begin() + (first + count) * taps});
    const Owned y = tensor(backend, count, out_width);
    run_one(backend,
            {op, &a, {xt.tensor, at.tensor}, {y.tensor}, {op == Op::DepthwiseRows ? weight.get() : nullptr}, nullptr});
    return y.read<float>();
  };
  std::vector<double> sums(static_cast<size_t>(rows * width), 0);
  std::vector<float> gathered;
  for (int64_t i = 0; i < rows * taps; ++i)
    for (int64_t c = 0; c < width; ++c) {
      const int32_t from = index[static_cast<size_t>(i)];
      const float value = from < 0 ? 0 : x[static_cast<size_t>(from * width + c)];
      gathered.push_back(value);
      sums[static_cast<size_t>(i / taps * width + c)] += double{value} * w[static_cast<size_t>(i % taps * width + c)];
    }
  CHECK(run(Op::GatherRows, 0, rows, taps * width) == gathered);
  const auto y = run(Op::DepthwiseRows, 0, rows, width);
  CHECK(relative_rms(y, sums) < 1e-6);
  for (int64_t r = 0; r < rows; r += 3)
    CHECK(same_bits(run(Op::DepthwiseRows, r, 1, width).data(), y.data() + r * width, static_cast<size_t>(width)));
}

void test_activations(Backend& backend) {
  std::vector<float> x;
  for (int i = -4000; i <= 4000; ++i) x.push_back(static_cast<float>(i) * 0.025f);
  for (float extreme : {1e-30f, -1e-30f, 1e-6f, 0.0f, 88.5f, -103.0f, 1e30f, -1e30f}) x.push_back(extreme);
  for (int kind = 0; kind <= static_cast<int>(Activation::hard_sigmoid); ++kind) {
    OpAttrs a;
    a.activation = static_cast<Activation>(kind);
    const auto y =
        run_rows(backend, Op::Activation, a, x, 1, static_cast<int64_t>(x.size()), static_cast<int64_t>(x.size()));
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = activated(a.activation, x[i]);
      worst = std::max(worst, std::abs(y[i] - e) / (std::abs(e) + 0.05));
    }
    check(worst < 1e-6,
          "activation " + std::to_string(kind) + " " + backend.identity() + " error " + std::to_string(worst), __FILE__,
          __LINE__);
  }
}

void test_elementwise(Backend& backend, int64_t width) {
  const int64_t rows = 5;
  const auto n = static_cast<size_t>(rows * width);
  const auto x = random_floats(n), z = random_floats(n), one = random_floats(rows);
  auto v = random_floats(static_cast<size_t>(width));
  const auto vector = vector_weight(backend, v);
  const Owned xt = tensor(backend, rows, width, x), zt = tensor(backend, rows, width, z),
              ot = tensor(backend, rows, 1, one);
  const Owned y = tensor(backend, rows, width);
  OpAttrs a;
  a.activation = Activation::silu;
  a.softcap = 2.5f;
  const auto compare = [&](const Dispatch& d, auto expected) {
    run_one(backend, d);
    const auto got = y.read<float>();
    double worst = 0;
    for (size_t i = 0; i < n; ++i) {
      const double e = expected(i);
      worst = std::max(worst, std::abs(got[i] - e) / (1 + std::abs(e)));
    }
    CHECK(worst < 1e-6);
  };
  const auto w = static_cast<size_t>(width);
  compare({Op::Add, &a, {xt.tensor, zt.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return double{x[i]} + z[i]; });
  compare({Op::Add, &a, {xt.tensor}, {y.tensor}, {vector.get()}, nullptr},
          [&](size_t i) { return double{x[i]} + v[i % w]; });
  compare({Op::Add, &a, {xt.tensor, ot.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return double{x[i]} + one[i / w]; });
  compare({Op::Mul, &a, {xt.tensor, zt.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return double{x[i]} * z[i]; });
  compare({Op::Mul, &a, {xt.tensor, ot.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return double{x[i]} * one[i / w]; });
  compare({Op::Mul, &a, {xt.tensor}, {y.tensor}, {vector.get()}, nullptr},
          [&](size_t i) { return double{x[i]} * v[i % w]; });
  compare({Op::GatedActivation, &a, {xt.tensor, zt.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return activated(Activation::silu, x[i]) * z[i]; });
  compare({Op::Softcap, &a, {xt.tensor}, {y.tensor}, {}, nullptr},
          [&](size_t i) { return 2.5 * std::tanh(x[i] / 2.5); });
  std::vector<float> low = {-0.25f}, high = {0.5f};
  const auto least = vector_weight(backend, low), most = vector_weight(backend, high);
  compare({Op::Clamp, &a, {xt.tensor}, {y.tensor}, {least.get(), most.get()}, nullptr},
          [&](size_t i) { return std::min(std::max(double{x[i]}, -0.25), 0.5); });
}

void test_rope(Backend& backend, bool interleaved) {
  const int64_t rows = 6, groups = 2, d = 24, n = 8, start = 4;
  OpAttrs a;
  a.groups = groups;
  a.start = start;
  a.interleaved = interleaved;
  for (int64_t i = 0; i < n; ++i) {
    a.inv_freq.push_back(static_cast<float>(std::pow(10000.0, -static_cast<double>(i) / n)));
    a.axis.push_back(static_cast<int32_t>(i % 3));
  }
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < rows * 3; ++i) positions.push_back(static_cast<int32_t>(i * 977));
  const Owned pt = tensor<int32_t>(backend, rows, 3, positions), table = tensor(backend, rows, 2 * n);
  run_one(backend, {Op::RopeTable, &a, {pt.tensor}, {table.tensor}, {}, nullptr});
  const auto x = random_floats(rows * groups * d);
  const Owned xt = tensor(backend, rows, groups * d, x), y = tensor(backend, rows, groups * d);
  run_one(backend, {Op::Rope, &a, {xt.tensor, table.tensor}, {y.tensor}, {}, nullptr});
  std::vector<double> expected(x.begin(), x.end());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t i = 0; i < n; ++i) {
        const float angle =
            static_cast<float>(positions[static_cast<size_t>(r * 3 + i % 3)]) * a.inv_freq[static_cast<size_t>(i)];
        const auto base = static_cast<size_t>(r * groups * d + g * d + start);
        const size_t p = base + static_cast<size_t>(interleaved ? 2 * i : i),
                     q = base + static_cast<size_t>(interleaved ? 2 * i + 1 : i + n);
        expected[p] = x[p] * std::cos(double{angle}) - x[q] * std::sin(double{angle});
        expected[q] = x[q] * std::cos(double{angle}) + x[p] * std::sin(double{angle});
      }
  CHECK(relative_rms(y.read<float>(), expected) < 2e-7);
}

std::vector<float> counting(int64_t count) {
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) x.push_back(static_cast<float>(i));
  return x;
}

void test_layout(Backend& backend) {
  OpAttrs a;
  a.groups = 2;
  a.start = 1;
  a.count = 2;
  CHECK(run_rows(backend, Op::Slice, a, counting(16), 2, 8, 4) == (std::vector<float>{1, 2, 5, 6, 9, 10, 13, 14}));
  a.times = 2;
  CHECK(run_rows(backend, Op::Repeat, a, counting(4), 2, 2, 4) == (std::vector<float>{0, 1, 0, 1, 2, 3, 2, 3}));
  a.m = 2;
  CHECK(run_rows(backend, Op::TransposeInner, a, counting(6), 1, 6, 6) == (std::vector<float>{0, 3, 1, 4, 2, 5}));
  const Owned x = tensor(backend, 4, 3, counting(12)), y = tensor(backend, 2, 6);
  run_one(backend, {Op::Regroup, &a, {x.tensor}, {y.tensor}, {}, nullptr});
  CHECK(y.read<float>() == counting(12));
  const Owned left = tensor(backend, 1, 4, counting(4)), right = tensor(backend, 1, 2, std::vector<float>{8, 9}),
              both = tensor(backend, 1, 6);
  run_one(backend, {Op::Concat, &a, {left.tensor, right.tensor}, {both.tensor}, {}, nullptr});
  CHECK(both.read<float>() == (std::vector<float>{0, 1, 8, 2, 3, 9}));
}

void test_selection(Backend& backend) {
  OpAttrs a;
  const Owned x = tensor(backend, 3, 2, counting(6)), rows = tensor(backend, 2, 2, std::vector<float>{10, 20, 30, 40});
  const Owned index = tensor<int32_t>(backend, 3, 1, {-1, 1, 0}), y = tensor(backend, 3, 2);
  run_one(backend, {Op::ReplaceRows, &a, {x.tensor, rows.tensor, index.tensor}, {y.tensor}, {}, nullptr});
  CHECK(y.read<float>() == (std::vector<float>{0, 1, 30, 40, 10, 20}));
  run_one(backend, {Op::AddRows, &a, {x.tensor, rows.tensor, index.tensor}, {y.tensor}, {}, nullptr});
  CHECK(y.read<float>() == (std::vector<float>{0, 1, 32, 43, 14, 25}));
  OpAttrs range;
  range.start = 5;
  range.count = 2;
  const Owned other = tensor(backend, 3, 2, std::vector<float>{9, 8, 7, 6, 5, 4}),
              ids = tensor<int32_t>(backend, 3, 1, {4, 6, 7});
  run_one(backend, {Op::ChooseRows, &range, {x.tensor, other.tensor, ids.tensor}, {y.tensor}, {}, nullptr});
  CHECK(y.read<float>() == (std::vector<float>{0, 1, 7, 6, 4, 5}));
  auto entries = counting(6);
  const auto words = vector_weight(backend, entries, 3);
  run_one(backend, {Op::Embedding, &range, {ids.tensor}, {y.tensor}, {words.get()}, nullptr});
  CHECK(y.read<float>() == (std::vector<float>{0, 1, 2, 3, 4, 5}));
  const Owned last = tensor<int32_t>(backend, 1, 1, {2}), one = tensor(backend, 1, 2);
  run_one(backend, {Op::GatherRows, &a, {x.tensor, last.tensor}, {one.tensor}, {}, nullptr});
  CHECK(one.read<float>() == (std::vector<float>{4, 5}));
  const Owned pairs = tensor<int32_t>(backend, 1, 2, {0, 2}),
              weights = tensor(backend, 1, 2, std::vector<float>{0.5f, 0.25f});
  run_one(backend, {Op::WeightedRows, &a, {x.tensor, pairs.tensor, weights.tensor}, {one.tensor}, {}, nullptr});
  CHECK(one.read<float>() == (std::vector<float>{1, 1.75f}));
  const auto stored = random_weight(formats()[2], 9, 130);
  const auto dense = stored->dense();
  const auto table = backend.prepare(stored->source, kUseTable, Precision::fast);
  const Owned at = tensor<int32_t>(backend, 1, 2, {8, 3}), sum = tensor(backend, 1, 130);
  run_one(backend, {Op::WeightedRows, &a, {{}, at.tensor, weights.tensor}, {sum.tensor}, {table.get()}, nullptr});
  std::vector<double> expected;
  for (size_t i = 0; i < 130; ++i) expected.push_back(0.5 * dense[8 * 130 + i] + 0.25 * dense[3 * 130 + i]);
  CHECK(relative_rms(sum.read<float>(), expected) < 1e-6);
}

// To the nearest bf16, ties to even: halfway between two, just beside, subnormals, the largest; padded with zeros.
void test_bf16(const KernelTable& kernels) {
  std::vector<float> x;
  for (uint32_t high : {0u, 1u, 0x7fu, 0x80u, 0x3f80u, 0x3f81u, 0x7f7eu, 0xbf81u, 0x8001u})
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const uint32_t bits = high << 16 | low;
      x.push_back(std::bit_cast<float>(bits));
    }
  for (size_t count : {x.size(), x.size() - 1, x.size() - 3}) {
    std::vector<uint16_t> y(x.size() + 8, 9);
    kernels.row_to_bf16(x.data(), static_cast<int64_t>(count), static_cast<int64_t>(x.size() + 8), y.data());
    for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == (i < count ? float_to_bf16(x[i]) : 0));
  }
}

}  // namespace

int main() {
  for (CpuIsa isa : isas_here()) {
    test_bf16(cpu_kernels(isa));
    const auto backend = cpu(isa);
    for (int64_t width : kWidths) {
      test_norms(*backend, width);
      test_elementwise(*backend, width);
      test_statistics(*backend, width);
      test_taps(*backend, width);
    }
    test_activations(*backend);
    test_rope(*backend, false);
    test_rope(*backend, true);
    test_layout(*backend);
    test_selection(*backend);
  }
  return finish();
}
