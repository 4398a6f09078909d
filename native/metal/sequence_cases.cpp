#include <algorithm>
#include <numeric>

#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

struct AttentionShape {
  int heads, kv_heads, k_dim, v_dim, window;
  float softcap;
  KvType type;
  int length;           // positions of the first sequence
  bool two_sided;       // the last 9 rows see each other
  bool causal = false;  // or would, were they asked
  int start = 0;
};

// A history of `length` positions in two runs (all but 3 rows, then 3), beside a second sequence of 5; both outputs.
std::vector<float> run_attention(Backend& backend, const AttentionShape& s) {
  CaseRun run(backend);
  const KvLayout kv({{1, 8, 8}, {s.kv_heads, s.k_dim, s.v_dim}}, s.type);
  std::vector<Memory*> first, second;
  for (int i = 0; i < (s.length + 63) / 64; ++i) first.push_back(run.memory(kv.block_bytes()));
  second.push_back(run.memory(kv.block_bytes()));
  OpAttrs a;
  a.layer = 1;
  a.heads = s.heads;
  a.kv_heads = s.kv_heads;
  a.k_dim = s.k_dim;
  a.v_dim = s.v_dim;
  a.scale = 0.3f;
  a.window = s.window;
  a.start = s.start;
  a.softcap = s.softcap;
  a.causal = s.causal;
  std::vector<float> all;
  const int split = s.length > 3 ? s.length - 3 : 0;
  for (int part = 0; part < 2; ++part) {
    const int begin = part == 0 ? 0 : split, rows = part == 0 ? split : s.length - split;
    RowBatch batch;
    batch.kv = &kv;
    const int others = part == 0 ? 5 : 0;
    if (rows + others == 0) continue;
    if (rows)
      batch.sequences.push_back({0, rows, begin,
                                 std::span<Memory* const>(first).first(static_cast<size_t>((begin + rows + 63) / 64)),
                                 nullptr});
    if (others) batch.sequences.push_back({rows, others, 0, second, nullptr});
    for (int r = 0; r < rows; ++r)
      batch.visible_end.push_back(s.two_sided && rows - r <= 9 ? begin + rows : begin + r + 1);
    for (int r = 0; r < others; ++r) batch.visible_end.push_back(r + 1);
    const int total = rows + others;
    Dispatch d{Op::Attention,
               &a,
               {run.floats(total, s.heads * s.k_dim, 21), run.floats(total, s.kv_heads * s.k_dim, 22),
                run.floats(total, s.kv_heads * s.v_dim, 23)},
               {run.empty(total, s.heads * s.v_dim)},
               {nullptr, nullptr},
               &batch};
    run.run(d);
    for (const float value : CaseRun::read(d.out[0])) all.push_back(value);
  }
  return all;
}

std::vector<float> run_segments(Backend& backend, int heads, int kv_heads, int k_dim, int v_dim,
                                std::vector<int32_t> segments, bool limited = false) {
  CaseRun run(backend);
  OpAttrs a;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.k_dim = k_dim;
  a.v_dim = v_dim;
  a.scale = 0.25f;
  const int rows = segments.back();
  std::vector<int32_t> visible;  // its segment's first half, or up to itself
  for (size_t s = 0; limited && s + 1 < segments.size(); ++s)
    for (int32_t r = segments[s]; r < segments[s + 1]; ++r)
      visible.push_back(std::max(r + 1, segments[s] + (segments[s + 1] - segments[s]) / 2));
  Dispatch d{Op::SegmentAttention,
             &a,
             {run.floats(rows, heads * k_dim, 31), run.floats(rows, kv_heads * k_dim, 32),
              run.floats(rows, kv_heads * v_dim, 33), run.ints(segments, 1), limited ? run.ints(visible, 1) : Tensor{}},
             {run.empty(rows, heads * v_dim)},
             {nullptr, nullptr},
             nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

// Two runs of one sequence beside another one; outputs of both, then the first sequence's state.
template <class Fill>
std::vector<float> run_recurrent(Backend& backend, int rows, size_t state_floats, Fill fill) {
  CaseRun run(backend);
  StateLayout states;
  states.offsets = {0, 64};
  states.bytes = 64 + state_floats * 4;
  Memory* first = run.memory(states.bytes);
  Memory* second = run.memory(states.bytes);
  std::vector<float> all;
  for (int part = 0; part < 2; ++part) {
    const int begin = part == 0 ? 0 : rows;
    RowBatch batch;
    batch.states = &states;
    batch.sequences.push_back({0, rows, begin, {}, first});
    batch.sequences.push_back({rows, 2, 2 * part, {}, second});
    for (int r = 0; r < rows + 2; ++r) batch.visible_end.push_back(r < rows ? begin + r + 1 : 2 * part + r - rows + 1);
    OpAttrs a;
    a.layer = 1;
    Dispatch d{Op::ShortConv, &a, {}, {}, {nullptr, nullptr}, &batch};
    fill(run, d, a, rows + 2);
    run.run(d);
    for (const float value : CaseRun::read(d.out[0])) all.push_back(value);
  }
  const auto* state = reinterpret_cast<const float*>(static_cast<std::byte*>(first->host()) + 64);
  all.insert(all.end(), state, state + state_floats);
  return all;
}

std::vector<float> run_conv(Backend& backend, int rows, int channels, int taps) {
  return run_recurrent(backend, rows, static_cast<size_t>(channels * (taps - 1)),
                       [=](CaseRun& r, Dispatch& d, OpAttrs& a, int total) {
                         a.activation = Activation::silu;
                         d.in[0] = r.floats(total, channels, 41);
                         d.out[0] = r.empty(total, channels);
                         d.weights[0] = r.vector(taps, 42, channels);
                         if (channels % 2) d.weights[1] = r.vector(channels, 43);
                       });
}

std::vector<float> run_delta(Backend& backend, int rows, int key_heads, int value_heads, int k_dim, int v_dim) {
  return run_recurrent(backend, rows, static_cast<size_t>(value_heads * k_dim * v_dim),
                       [=](CaseRun& r, Dispatch& d, OpAttrs& a, int total) {
                         d.op = Op::GatedDelta;
                         a.k_dim = k_dim;
                         a.v_dim = v_dim;
                         a.heads = value_heads;
                         a.kv_heads = key_heads;
                         d.in[0] = r.floats(total, key_heads * k_dim, 51);
                         d.in[1] = r.floats(total, key_heads * k_dim, 52);
                         d.in[2] = r.floats(total, value_heads * v_dim, 53);
                         d.in[3] = r.floats(total, value_heads, 54);
                         d.in[4] = r.floats(total, value_heads, 55);
                         d.out[0] = r.empty(total, value_heads * v_dim);
                         d.weights[0] = r.vector(value_heads, 56);
                         d.weights[1] = r.vector(value_heads, 57);
                       });
}

// Up to 128 positions are one span, which attention_matrix takes; few queries with more are split. The last shape has
// enough queries for the former at any length.
void attention_matrix_cases(std::vector<KernelCase>& cases, int n) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8})
    for (const int dim : {n % 2 ? 24 : 64, 80, 130}) {
      const bool small = dim <= 64;
      const AttentionShape shapes[] = {{6, 2, dim, small ? 40 : dim, n % 3 ? 0 : 20, n % 2 ? 5.0f : 0, type,
                                        std::min(n, 128), n % 2 == 1, n % 4 == 1},
                                       {4, 1, dim, dim, n % 3 ? 0 : 90, 0, type, 130 + n, n % 2 == 0, false, n % 2}};
      for (const AttentionShape& s : shapes) {
        const std::string suffix = std::string(name_of(type)) + "_" + (small ? "64" : dim <= 128 ? "128" : "256");
        const bool splits = s.length > 128;
        const std::string name =
            "attention of " + std::to_string(s.length) + " positions, heads of " + std::to_string(dim);
        const double tolerance = type == KvType::q8 ? 2e-3 : 1e-5;
        const auto run = [s](Backend& b) { return run_attention(b, s); };
        cases.push_back({(splits ? "attention_split_" : "attention_matrix_") + suffix, name, tolerance, run});
        if (splits && type == KvType::f16) cases.push_back({"attention_merge", name, tolerance, run});
      }
    }
}

// Rope of queries and keys and the attention to them, one after the other; all three results.
std::vector<float> run_roped(Backend& backend, KvType type, int rows, int dim) {
  constexpr int kHeads = 4, kKvHeads = 2;
  CaseRun run(backend);
  const KvLayout kv({{kKvHeads, dim, dim}}, type);
  Memory* const block = run.memory(kv.block_bytes());
  RowBatch batch;
  batch.kv = &kv;
  batch.sequences.push_back({0, rows, 0, {&block, 1}, nullptr});
  for (int r = 0; r < rows; ++r) batch.visible_end.push_back(r + 1);
  OpAttrs of_queries, of_keys, a;
  of_queries.groups = a.heads = kHeads;
  of_keys.groups = a.kv_heads = kKvHeads;
  of_queries.interleaved = of_keys.interleaved = dim % 3 == 0;
  a.k_dim = a.v_dim = dim;
  a.scale = 0.3f;
  const Tensor table = run.floats(rows, dim / 4 * 2, 71), q = run.empty(rows, kHeads * dim),
               k = run.empty(rows, kKvHeads * dim), y = run.empty(rows, kHeads * dim);
  const Dispatch list[] = {{Op::Rope, &of_queries, {run.floats(rows, kHeads * dim, 72), table}, {q}, {}, nullptr},
                           {Op::Rope, &of_keys, {run.floats(rows, kKvHeads * dim, 73), table}, {k}, {}, nullptr},
                           {Op::Attention, &a, {q, k, run.floats(rows, kKvHeads * dim, 74)}, {y}, {}, &batch}};
  const std::atomic<bool> cancel = false;
  backend.run(list, cancel);
  std::vector<float> all;
  for (const Tensor& tensor : {q, k, y})
    for (const float value : CaseRun::read(tensor)) all.push_back(value);
  return all;
}

void attention_cases(std::vector<KernelCase>& cases, int n) {
  const AttentionShape shapes[] = {
      {4, 2, 16, 16, 0, 0, KvType::f32, n, false},           {6, 2, 72, 72, 0, 0, KvType::f16, n, false},
      {6, 3, 24, 40, 20, 0, KvType::bf16, n, true},          {8, 1, 80, 64, 0, 25, KvType::q8, n, true},
      {1, 1, 128, 256, 70, 0, KvType::f16, n + 64, false},   {1, 1, 13, 7, 0, 0, KvType::f32, n, true},
      {1, 1, 12, 32, 0, 0, KvType::bf16, n, false},          {1, 1, 16, 8, 0, 0, KvType::q8, n, false},
      {1, 1, 20, 20, 0, 0, KvType::f16, n, false},           {4, 2, 24, 24, 0, 0, KvType::f32, n, true, true},
      {6, 2, 24, 24, 0, 0, KvType::f16, n, false, false, 1},
  };
  const char* types[] = {"f32", "f16", "bf16", "q8"};
  for (const AttentionShape& s : shapes)
    for (const char* kernel : {"attention_", "kv_store_"}) {
      if (kernel[0] == 'k' && s.heads > 1) continue;
      const std::string type = types[static_cast<int>(s.type)];
      // The last run has 3 rows, or 1; heads that share keys make more queries of them.
      const std::string queries = s.heads > s.kv_heads ? "_8" : n > 1 ? "_4" : "_1";
      const std::string name = kernel + type + (kernel[0] == 'k' ? "" : queries);
      cases.push_back({name,
                       std::to_string(s.heads) + "/" + std::to_string(s.kv_heads) + " heads of " +
                           std::to_string(s.k_dim) + ", " + std::to_string(s.length) + " positions",
                       s.type == KvType::q8 ? 2e-3 : 1e-5, [s](Backend& b) { return run_attention(b, s); }});
    }
}

}  // namespace

std::vector<KernelCase> sequence_cases(std::span<const int> sizes) {
  std::vector<KernelCase> cases;
  for (const int n : sizes) {
    attention_cases(cases, n);
    attention_matrix_cases(cases, n);
    for (const KvType type : {KvType::f32, KvType::f16, KvType::bf16, KvType::q8}) {
      const int rows = std::min(n, 40), dim = n % 2 ? 12 : 64;
      cases.push_back({std::string("rope_store_") + name_of(type), std::to_string(rows) + " rows",
                       type == KvType::q8 ? 2e-3 : 1e-5, [=](Backend& b) { return run_roped(b, type, rows, dim); }});
    }
    for (const int dim : {16, 64, 72, 80, 96, 160})
      cases.push_back(
          {"segment_attention_" + std::to_string(dim <= 32    ? 32
                                                 : dim <= 64  ? 64
                                                 : dim <= 80  ? dim
                                                 : dim <= 128 ? 128
                                                              : 256),
           std::to_string(n) + " rows of " + std::to_string(dim), 1e-5, [=](Backend& b) {
             return run_segments(b, 2, dim == 16 ? 1 : 2, dim, dim == 96 ? 64 : dim, {0, n, n, n + 5, 2 * n + 5});
           }});
    cases.push_back({"segment_attention_64", std::to_string(n) + " rows that see not all", 1e-5, [=](Backend& b) {
                       return run_segments(b, 2, 1, 48, 40, {0, n, n + 5, 2 * n + 5}, true);
                     }});
    cases.push_back(
        {"short_conv", std::to_string(n) + " channels", 2e-6, [=](Backend& b) { return run_conv(b, 6, n, 4); }});
    cases.push_back(
        {"short_conv_state", std::to_string(n) + " rows", 2e-6, [=](Backend& b) { return run_conv(b, n, 3, 3); }});
    cases.push_back({"gated_delta", std::to_string(n) + " rows", 1e-5,
                     [=](Backend& b) { return run_delta(b, n > 70 ? 9 : n, 1, 2, 33, 3); }});
    const int keys = std::min(n, 256);  // the kernel's most
    cases.push_back({"gated_delta", std::to_string(keys) + " columns", 1e-5,
                     [=](Backend& b) { return run_delta(b, 3, 2, 2, keys, 5); }});
  }
  return cases;
}

}  // namespace afterimage::metal
