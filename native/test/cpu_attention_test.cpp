// Attention over KV blocks and inside segments: against double loops; the bits of a row against other chunkings,
// batches and thread counts.
#include <limits>

#include "cpu/kernels.h"
#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

struct Shape {
  int32_t heads, kv_heads, k_dim, v_dim, window;
  float softcap;
  bool causal = false;  // rows that might see each other do not
  int32_t start = 0;
};

// One query against keys [first, last), all in double.
std::vector<double> softmax_row(const float* q, const float* k, const float* v, int64_t k_stride, int64_t v_stride,
                                int64_t first, int64_t last, const OpAttrs& a) {
  std::vector<double> s, y(static_cast<size_t>(a.v_dim));
  double top = -1e300, total = 0;
  for (int64_t j = first; j < last; ++j) {
    double dot = 0;
    for (int32_t d = 0; d < a.k_dim; ++d) dot += double{q[d]} * k[j * k_stride + d];
    dot *= a.scale;
    if (a.softcap > 0) dot = a.softcap * std::tanh(dot / a.softcap);
    s.push_back(dot);
    top = std::max(top, dot);
  }
  for (double& w : s) total += w = std::exp(w - top);
  for (int64_t j = first; j < last; ++j)
    for (int32_t d = 0; d < a.v_dim; ++d)
      y[static_cast<size_t>(d)] += s[static_cast<size_t>(j - first)] / total * v[j * v_stride + d];
  return y;
}

OpAttrs attributes(const Shape& s) {
  OpAttrs a;
  a.heads = s.heads;
  a.kv_heads = s.kv_heads;
  a.k_dim = s.k_dim;
  a.v_dim = s.v_dim;
  a.window = s.window;
  a.start = s.start;
  a.softcap = s.softcap;
  a.causal = s.causal;
  a.scale = 1.0f / std::sqrt(static_cast<float>(s.k_dim));
  return a;
}

// A sequence with its own blocks, filled with NaN, so that reading a position nobody wrote shows.
struct Sequence {
  std::vector<std::unique_ptr<Memory>> owned;
  std::vector<Memory*> blocks;
  Sequence(Backend& backend, const KvLayout& layout, int64_t positions) {
    for (int64_t p = 0; p < positions; p += kBlockPositions) {
      owned.push_back(backend.allocate(layout.block_bytes()));
      std::memset(owned.back()->host(), 0xff, layout.block_bytes());
      blocks.push_back(owned.back().get());
    }
  }
};

struct Inputs {
  int64_t rows;
  std::vector<float> q, k, v;
  std::vector<int32_t> visible_end;
};

Inputs random_inputs(const Shape& s, int64_t rows, bool bidirectional) {
  Inputs in{rows,
            random_floats(static_cast<size_t>(rows * s.heads * s.k_dim)),
            random_floats(static_cast<size_t>(rows * s.kv_heads * s.k_dim)),
            random_floats(static_cast<size_t>(rows * s.kv_heads * s.v_dim)),
            {}};
  // A stretch whose rows see each other, as an image in Gemma 3.
  for (int64_t r = 0; r < rows; ++r)
    in.visible_end.push_back(static_cast<int32_t>(bidirectional && r >= 10 && r < 30 ? 30 : r + 1));
  return in;
}

std::vector<float> slice(const std::vector<float>& x, int64_t first, int64_t count, int64_t width) {
  return {x.begin() + first * width, x.begin() + (first + count) * width};
}

// Runs the rows in the given chunks.
std::vector<float> run_chunks(Backend& backend, const KvLayout& layout, const OpAttrs& a, const Inputs& in,
                              const std::vector<int64_t>& chunks, Precision precision) {
  Sequence sequence(backend, layout, in.rows);
  std::vector<float> y;
  int64_t first = 0;
  for (int64_t count : chunks) {
    RowBatch batch;
    batch.kv = &layout;
    batch.sequences.push_back({0, static_cast<int32_t>(count), first, sequence.blocks, nullptr});
    batch.visible_end.assign(in.visible_end.begin() + first, in.visible_end.begin() + first + count);
    const Owned q = tensor(backend, count, a.heads * a.k_dim, slice(in.q, first, count, a.heads * a.k_dim));
    const Owned k = tensor(backend, count, a.kv_heads * a.k_dim, slice(in.k, first, count, a.kv_heads * a.k_dim));
    const Owned v = tensor(backend, count, a.kv_heads * a.v_dim, slice(in.v, first, count, a.kv_heads * a.v_dim));
    const Owned out = tensor(backend, count, a.heads * a.v_dim);
    run_one(backend, {Op::Attention, &a, {q.tensor, k.tensor, v.tensor}, {out.tensor}, {}, &batch, precision});
    const auto part = out.read<float>();
    y.insert(y.end(), part.begin(), part.end());
    first += count;
  }
  return y;
}

double allowed(KvType type, Precision precision) {
  const double stored = type == KvType::f32 ? 1e-6 : type == KvType::f16 ? 1e-3 : type == KvType::bf16 ? 8e-3 : 1.5e-2;
  return precision != Precision::exact ? stored + 1.2e-2 : stored;
}

void test_cache(const Shape& s, KvType type, int64_t rows, bool bidirectional) {
  const OpAttrs a = attributes(s);
  const Inputs in = random_inputs(s, rows, bidirectional);
  const KvLayout layout({{s.kv_heads, s.k_dim, s.v_dim}}, type);
  std::vector<double> expected;
  for (int64_t r = 0; r < rows; ++r)
    for (int32_t h = 0; h < s.heads; ++h) {
      const int32_t kv = h * s.kv_heads / s.heads;
      const auto y = softmax_row(in.q.data() + (r * s.heads + h) * s.k_dim, in.k.data() + kv * s.k_dim,
                                 in.v.data() + kv * s.v_dim, s.kv_heads * s.k_dim, s.kv_heads * s.v_dim,
                                 std::max<int64_t>(std::min<int64_t>(r, s.start), s.window > 0 ? r - s.window + 1 : 0),
                                 s.causal ? r + 1 : in.visible_end[static_cast<size_t>(r)], a);
      expected.insert(expected.end(), y.begin(), y.end());
    }
  for (CpuIsa isa : isas_here())
    for (Precision precision : {Precision::exact, Precision::fast}) {
      const auto backend = cpu(isa);
      const auto whole = run_chunks(*backend, layout, a, in, {rows}, precision);
      const double error = relative_rms(whole, expected);
      check(error < allowed(type, precision),
            "attention " + std::to_string(s.k_dim) + " " + backend->identity() + " error " + std::to_string(error),
            __FILE__, __LINE__);
      // A chunk must hold every position its rows see, so a bidirectional stretch is not cut.
      std::vector<int64_t> chunks = bidirectional ? std::vector<int64_t>{1, 5, 24} : std::vector<int64_t>{1, 5, 24, 1};
      int64_t left = rows;
      for (int64_t c : chunks) left -= c;
      for (int64_t c = 33; left > 0; left -= c) chunks.push_back(c = std::min(left, c));
      const auto other = cpu(isa, 3);
      const auto chunked = run_chunks(*other, layout, a, in, chunks, precision);
      check(same_bits(whole.data(), chunked.data(), whole.size()),
            "attention bits depend on chunks: " + backend->identity(), __FILE__, __LINE__);
    }
}

// Two sequences in one run equal each alone.
void test_batch() {
  const Shape s{4, 2, 20, 20, 0, 0};
  const OpAttrs a = attributes(s);
  const KvLayout layout({{s.kv_heads, s.k_dim, s.v_dim}}, KvType::f16);
  const Inputs one = random_inputs(s, 70, false), two = random_inputs(s, 131, false);
  for (CpuIsa isa : isas_here())
    for (Precision precision : {Precision::exact, Precision::fast}) {
      const auto backend = cpu(isa);
      Sequence sa(*backend, layout, 70), sb(*backend, layout, 131);
      RowBatch batch;
      batch.kv = &layout;
      batch.sequences = {{0, 70, 0, sa.blocks, nullptr}, {70, 131, 0, sb.blocks, nullptr}};
      const auto join = [](auto first, const auto& second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
      };
      batch.visible_end = join(one.visible_end, two.visible_end);
      const Owned q = tensor(*backend, 201, a.heads * a.k_dim, join(one.q, two.q)),
                  k = tensor(*backend, 201, a.kv_heads * a.k_dim, join(one.k, two.k));
      const Owned v = tensor(*backend, 201, a.kv_heads * a.v_dim, join(one.v, two.v)),
                  out = tensor(*backend, 201, a.heads * a.v_dim);
      run_one(*backend, {Op::Attention, &a, {q.tensor, k.tensor, v.tensor}, {out.tensor}, {}, &batch, precision});
      const auto together = out.read<float>();
      const auto alone = join(run_chunks(*backend, layout, a, one, {70}, precision),
                              run_chunks(*backend, layout, a, two, {131}, precision));
      CHECK(same_bits(together.data(), alone.data(), alone.size()));
    }
}

// `limited`: each row sees its segment up to itself, the first third of its segment all of that third.
// `common`: what all keys have beside a number of their own.
void test_segments(const Shape& s, const std::vector<int32_t>& bounds, bool limited = false, float common = 0) {
  const OpAttrs a = attributes(s);
  const int64_t rows = bounds.back();
  Inputs in = random_inputs(s, rows, false);
  for (size_t i = 0; i < in.k.size(); ++i)
    if (i % static_cast<size_t>(s.kv_heads * s.k_dim) % 3 == 0) in.k[i] += common;
  std::vector<double> expected;
  std::vector<int32_t> visible;
  for (size_t g = 0; g + 1 < bounds.size(); ++g)
    for (int32_t r = bounds[g]; r < bounds[g + 1]; ++r) {
      const int32_t third = std::min(bounds[g + 1], bounds[g] + (bounds[g + 1] - bounds[g] + 2) / 3);
      visible.push_back(limited ? std::max(r + 1, third) : bounds[g + 1]);
      for (int32_t h = 0; h < s.heads; ++h) {
        const int32_t kv = h * s.kv_heads / s.heads;
        const auto y = softmax_row(in.q.data() + (r * s.heads + h) * s.k_dim, in.k.data() + kv * s.k_dim,
                                   in.v.data() + kv * s.v_dim, s.kv_heads * s.k_dim, s.kv_heads * s.v_dim, bounds[g],
                                   visible.back(), a);
        expected.insert(expected.end(), y.begin(), y.end());
      }
    }
  for (CpuIsa isa : isas_here())
    for (Precision precision : {Precision::exact, Precision::fast, Precision::faster}) {
      const auto run = [&](int threads, const std::vector<int32_t>& cut) {
        const auto backend = cpu(isa, threads);
        const int64_t n = cut.back() - cut.front();
        std::vector<int32_t> local;
        for (int32_t b : cut) local.push_back(b - cut.front());
        std::vector<int32_t> seen;
        for (int32_t r = cut.front(); r < cut.back(); ++r)
          seen.push_back(visible[static_cast<size_t>(r)] - cut.front());
        const Owned q = tensor(*backend, n, s.heads * s.k_dim, slice(in.q, cut.front(), n, s.heads * s.k_dim));
        const Owned k = tensor(*backend, n, s.kv_heads * s.k_dim, slice(in.k, cut.front(), n, s.kv_heads * s.k_dim));
        const Owned v = tensor(*backend, n, s.kv_heads * s.v_dim, slice(in.v, cut.front(), n, s.kv_heads * s.v_dim));
        const Owned out = tensor(*backend, n, s.heads * s.v_dim),
                    segments = tensor<int32_t>(*backend, static_cast<int64_t>(cut.size()), 1, local),
                    limits = tensor<int32_t>(*backend, n, 1, seen);
        run_one(*backend, {Op::SegmentAttention,
                           &a,
                           {q.tensor, k.tensor, v.tensor, segments.tensor, limited ? limits.tensor : Tensor{}},
                           {out.tensor},
                           {},
                           nullptr,
                           precision});
        return out.read<float>();
      };
      const auto whole = run(2, bounds);
      const double error = relative_rms(whole, expected);
      const bool bf16 = isa == CpuIsa::avx512_bf16 || isa == CpuIsa::amx || isa == CpuIsa::neon_i8mm;
      const bool bytes = precision == Precision::faster && cpu_kernels(isa).byte_tiles && !limited;
      const double most = bytes ? 3e-2 : bf16 ? allowed(KvType::f32, precision) : 1e-3;
      // What keys have in common costs every form its digits but bytes, which go without it.
      check(error < most || (common != 0 && !bytes),
            "segments " + std::to_string(s.k_dim) + " error " + std::to_string(error), __FILE__, __LINE__);
      // The last segment alone, on one thread.
      const std::vector<int32_t> last(bounds.end() - 2, bounds.end());
      const auto alone = run(1, last);
      CHECK(same_bits(alone.data(), whole.data() + int64_t{last[0]} * s.heads * s.v_dim, alone.size()));
    }
}

// Every finite half, subnormals and both zeros among them.
void test_halves() {
  std::vector<uint16_t> halves;
  for (uint32_t bits = 0; bits < 0x10000u; ++bits)
    if ((bits & 0x7c00u) != 0x7c00u) halves.push_back(static_cast<uint16_t>(bits));
  std::vector<float> expected(halves.size()), wide(halves.size());
  for (size_t i = 0; i < halves.size(); ++i) expected[i] = f16_to_float(halves[i]);
  for (CpuIsa isa : isas_here()) {
    for (size_t first : {size_t{0}, size_t{3}}) {
      const size_t count = halves.size() - first;
      cpu_kernels(isa).widen_f16(halves.data() + first, static_cast<int>(count), wide.data());
      CHECK(same_bits(wide.data(), expected.data() + first, count));
    }
  }
}

}  // namespace

int main() {
  test_halves();
  for (KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8}) {
    test_cache({4, 2, 20, 20, 0, 0}, type, 150, false);
    test_cache({6, 2, 64, 64, 40, 0}, type, 131, false);
  }
  test_cache({2, 1, 12, 12, 0, 30.0f}, KvType::f32, 70, true);
  test_cache({8, 1, 128, 128, 70, 0}, KvType::f16, 200, true);
  test_cache({16, 1, 48, 32, 0, 0}, KvType::bf16, 200, false);
  test_cache({4, 2, 24, 24, 0, 0, true}, KvType::f32, 70, true);
  for (int32_t start : {1, 64, 70}) test_cache({4, 2, 24, 24, 0, 0, false, start}, KvType::f16, 131, false);
  test_cache({2, 2, 24, 24, 1, 0}, KvType::f16, 70, false);
  test_cache({4, 2, 24, 24, 40, 0, false, 33}, KvType::f32, 131, false);
  test_cache({4, 1, 512, 512, 0, 0}, KvType::f16, 70, false);
  test_cache({2, 2, 33, 17, 0, 0}, KvType::f16, 65, false);
  test_cache({2, 2, 24, 16, 0, 0}, KvType::bf16, 64, false);
  test_cache({1, 1, 256, 256, 0, 0}, KvType::q8, 127, false);
  test_batch();
  for (int32_t dim : {12, 14, 20, 64, 72, 80, 128, 256}) test_segments({2, 2, dim, dim, 0, 0}, {0, 63, 64, 64, 161});
  test_segments({4, 2, 31, 33, 0, 0}, {0, 1, 32, 65, 192, 400});
  test_segments({4, 2, 31, 33, 0, 0}, {0, 1, 32, 65, 192, 400}, true);
  test_segments({2, 1, 64, 64, 0, 0}, {0, 63, 64, 64, 161}, true);
  test_segments({4, 2, 64, 64, 0, 0}, {0, 63, 64, 64, 161}, false, 20);
  return finish();
}
