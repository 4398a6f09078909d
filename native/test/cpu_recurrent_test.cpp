// ShortConv, GatedDelta, Route and ExpertSum against double loops; state carried over chunks gives the same bits.
#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

std::unique_ptr<Weight> vector_weight(Backend& backend, const std::vector<float>& values, int64_t rows = 1) {
  WeightSource s;
  s.rows = rows;
  s.columns = static_cast<int64_t>(values.size()) / rows;
  s.data = reinterpret_cast<const std::byte*>(values.data());
  s.row_bytes = static_cast<size_t>(s.columns) * 4;
  return backend.prepare(s, kUseVector, Precision::exact);
}

std::vector<float> slice(const std::vector<float>& x, int64_t first, int64_t count, int64_t width) {
  return {x.begin() + first * width, x.begin() + (first + count) * width};
}

// Runs a sequence operator over `rows` in chunks; state starts as garbage.
std::vector<float> run_sequence(Backend& backend, Op op, const OpAttrs& a,
                                const std::vector<std::pair<std::vector<float>, int64_t>>& inputs, int64_t rows,
                                int64_t out_width, size_t state_floats, const Weight* w0, const Weight* w1,
                                const std::vector<int64_t>& chunks) {
  const StateLayout layout(std::vector<int64_t>{16, static_cast<int64_t>(state_floats)});
  const auto state = backend.allocate(layout.bytes);
  std::memset(state->host(), 0xff, layout.bytes);
  std::vector<float> y;
  int64_t first = 0;
  for (size_t i = 0; first < rows; ++i) {
    const int64_t count = std::min(rows - first, chunks[i % chunks.size()]);
    RowBatch batch;
    batch.states = &layout;
    batch.sequences.push_back({0, static_cast<int32_t>(count), first, {}, state.get()});
    std::vector<Owned> in;
    Dispatch d{op, &a, {}, {}, {w0, w1}, &batch};
    for (size_t k = 0; k < inputs.size(); ++k) {
      in.push_back(tensor(backend, count, inputs[k].second, slice(inputs[k].first, first, count, inputs[k].second)));
      d.in[k] = in.back().tensor;
    }
    const Owned out = tensor(backend, count, out_width);
    d.out[0] = out.tensor;
    run_one(backend, d);
    const auto part = out.read<float>();
    y.insert(y.end(), part.begin(), part.end());
    first += count;
  }
  return y;
}

void test_short_conv(CpuIsa isa) {
  const int64_t channels = 67, taps = 3, rows = 37;
  const auto x = random_floats(rows * channels), w = random_floats(channels * taps), b = random_floats(channels);
  const auto backend = cpu(isa);
  const auto weight = vector_weight(*backend, w, channels), bias = vector_weight(*backend, b);
  std::vector<double> expected;
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t c = 0; c < channels; ++c) {
      double sum = b[static_cast<size_t>(c)];
      for (int64_t k = 0; k < taps; ++k)
        if (t - taps + 1 + k >= 0)
          sum +=
              double{w[static_cast<size_t>(c * taps + k)]} * x[static_cast<size_t>((t - taps + 1 + k) * channels + c)];
      expected.push_back(sum / (1 + std::exp(-sum)));
    }
  OpAttrs a;
  a.layer = 1;
  a.activation = Activation::silu;
  const auto run = [&](const std::vector<int64_t>& chunks) {
    return run_sequence(*backend, Op::ShortConv, a, {{x, channels}}, rows, channels, channels * (taps - 1),
                        weight.get(), bias.get(), chunks);
  };
  const auto whole = run({rows}), parts = run({1, 5, 2});
  CHECK(relative_rms(whole, expected) < 1e-6);
  CHECK(same_bits(whole.data(), parts.data(), whole.size()));
}

void test_gated_delta(CpuIsa isa) {
  const int64_t rows = 20;
  const int hk = 2, hv = 4, dk = 17, dv = 33;
  const auto q = random_floats(rows * hk * dk), k = random_floats(rows * hk * dk), v = random_floats(rows * hv * dv);
  const auto ga = random_floats(rows * hv), gb = random_floats(rows * hv), log_a = random_floats(hv),
             dt = random_floats(hv);
  const auto backend = cpu(isa);
  const auto w0 = vector_weight(*backend, log_a), w1 = vector_weight(*backend, dt);
  std::vector<double> expected(static_cast<size_t>(rows * hv * dv));
  for (int h = 0; h < hv; ++h) {
    std::vector<double> s(static_cast<size_t>(dk * dv));
    const int kh = h * hk / hv;
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<double> qn, kn;
      double qq = 1e-6, kk = 1e-6;
      for (int i = 0; i < dk; ++i) {
        qn.push_back(q[static_cast<size_t>((r * hk + kh) * dk + i)]),
            kn.push_back(k[static_cast<size_t>((r * hk + kh) * dk + i)]);
        qq += qn.back() * qn.back(), kk += kn.back() * kn.back();
      }
      for (int i = 0; i < dk; ++i)
        qn[static_cast<size_t>(i)] /= std::sqrt(qq) * std::sqrt(double{dk}),
            kn[static_cast<size_t>(i)] /= std::sqrt(kk);
      const auto at = static_cast<size_t>(r * hv + h);
      const double g = -std::exp(double{log_a[static_cast<size_t>(h)]}) *
                       std::log1p(std::exp(double{ga[at]} + dt[static_cast<size_t>(h)]));
      const double beta = 1 / (1 + std::exp(-double{gb[at]}));
      for (int j = 0; j < dv; ++j) {
        double known = 0, out = 0;
        for (int i = 0; i < dk; ++i)
          known += kn[static_cast<size_t>(i)] * (s[static_cast<size_t>(i * dv + j)] *= std::exp(g));
        const double delta = beta * (v[at * dv + static_cast<size_t>(j)] - known);
        for (int i = 0; i < dk; ++i)
          out +=
              qn[static_cast<size_t>(i)] * (s[static_cast<size_t>(i * dv + j)] += kn[static_cast<size_t>(i)] * delta);
        expected[at * dv + static_cast<size_t>(j)] = out;
      }
    }
  }
  OpAttrs a;
  a.layer = 1;
  a.heads = hv;
  a.kv_heads = hk;
  a.k_dim = dk;
  a.v_dim = dv;
  const auto run = [&](const std::vector<int64_t>& chunks) {
    return run_sequence(*backend, Op::GatedDelta, a, {{q, hk * dk}, {k, hk * dk}, {v, hv * dv}, {ga, hv}, {gb, hv}},
                        rows, hv * dv, static_cast<size_t>(hv * dk * dv), w0.get(), w1.get(), chunks);
  };
  const auto whole = run({rows}), parts = run({1, 7, 3});
  CHECK(relative_rms(whole, expected) < 2e-6);
  CHECK(same_bits(whole.data(), parts.data(), whole.size()));
}

struct Routed {
  std::vector<float> weights;
  std::vector<int32_t> ids;
};

Routed route(Backend& backend, const OpAttrs& a, const std::vector<float>& logits, int64_t experts,
             const Weight* bias) {
  const int64_t rows = static_cast<int64_t>(logits.size()) / experts;
  const Owned x = tensor(backend, rows, experts, logits), w = tensor(backend, rows, a.k),
              ids = tensor<int32_t>(backend, rows, a.k);
  run_one(backend, {Op::Route, &a, {x.tensor}, {w.tensor, ids.tensor}, {bias}, nullptr});
  return {w.read<float>(), ids.read<int32_t>()};
}

void test_route(Backend& backend) {
  OpAttrs a;
  a.k = 2;
  a.normalize = true;
  a.scale = 2;
  const Routed plain = route(backend, a, {0, 3, 1, 3, -1, 0}, 6, nullptr);
  CHECK(plain.ids == (std::vector<int32_t>{1, 3}));  // equal logits: the lower index first
  CHECK(std::abs(plain.weights[0] - 1) < 1e-6 && std::abs(plain.weights[1] - 1) < 1e-6);
  a.sigmoid_score = true;
  a.normalize = false;
  a.groups = 3;
  a.topk_groups = 1;
  const std::vector<float> b = {0, 0, 0.9f, 0, 0, 0};
  const auto bias = vector_weight(backend, b);
  // σ + bias by groups of two: {0.5, 0.95}, {1.63, 0.95}, {0.27, 0.5}: the second group wins; weights are without bias.
  const Routed grouped = route(backend, a, {0, 3, 1, 3, -1, 0}, 6, bias.get());
  CHECK(grouped.ids == (std::vector<int32_t>{2, 3}));
  CHECK(std::abs(grouped.weights[0] - 2 / (1 + std::exp(-1.0f))) < 1e-6);
}

void test_expert_sum(Backend& backend) {
  OpAttrs a;
  const Owned x = tensor(backend, 2, 6, std::vector<float>{1, 2, 3, 10, 20, 30, 4, 5, 6, 7, 8, 9});
  const Owned w = tensor(backend, 2, 2, std::vector<float>{1, 0.5f, 2, -1}), y = tensor(backend, 2, 3);
  run_one(backend, {Op::ExpertSum, &a, {x.tensor, w.tensor}, {y.tensor}, {}, nullptr});
  CHECK(y.read<float>() == (std::vector<float>{6, 12, 18, 1, 2, 3}));
}

}  // namespace

int main() {
  for (CpuIsa isa : isas_here()) {
    test_short_conv(isa);
    test_gated_delta(isa);
    const auto backend = cpu(isa);
    test_route(*backend);
    test_expert_sum(*backend);
  }
  return finish();
}
