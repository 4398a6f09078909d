// How operators become dispatches: joined, divided, ordered by barriers, committed while others are under way; and all
// memory resident meanwhile.
#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "metal/kernel_cases.h"
#include "metal/pipelines.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal/work.h"
#include "metal_runs.h"

using namespace metal_test;
namespace fake = rig::fake;

namespace {

void commits() {
  fake::reset();
  const auto backend = open(false);
  expect(doubled(*backend, 100, never) == 2, "a hundred dispatches");
  expect(fake::counters().command_buffers == 2, "work is committed in parts");
}

// While the device is slow three command buffers wait for it and a fourth is filled.
void commits_in_flight() {
  fake::reset();
  fake::settings().delay_us = 2000;
  const auto backend = open(false);
  expect(doubled(*backend, 2000, never) == 2, "two thousand dispatches");
  const fake::Counters counted = fake::counters();
  expect(counted.command_buffers > 20 && counted.most_command_buffers == 4,
         std::to_string(counted.most_command_buffers) + " command buffers at a time");
}

// Operators that need each other are parted by barriers: without them the fake runs the last first.
void barriers() {
  for (const bool ignored : {false, true}) {
    fake::reset();
    fake::settings().ignores_barriers = ignored;
    const auto backend = open(false);
    CaseRun run(*backend);
    OpAttrs attrs;
    const Tensor x = constant_tensor(run, 4, 8, 1), apart = run.empty(4, 8);
    Tensor y[3] = {x, run.empty(4, 8), run.empty(4, 8)};
    std::vector<Dispatch> list;
    for (int i = 0; i < 2; ++i)
      list.push_back({Op::Add, &attrs, {y[i], y[i]}, {y[i + 1]}, {nullptr, nullptr}, nullptr});
    list.push_back({Op::Add, &attrs, {x, x}, {apart}, {nullptr, nullptr}, nullptr});
    backend->run(list, never);
    expect((y[2].at<float>()[31] == 4) == !ignored, "a missing barrier shows");
    expect(apart.at<float>()[31] == 2 && fake::counters().barriers == 1, "what nobody waits for needs none");
  }
}

// Three linears behind a norm are one dispatch, and what they write is what each writes alone, in bits. Where one of
// them writes over what the norm reads the norm comes first.
void joined_operators() {
  fake::reset();
  const auto backend = open(false);
  for (const bool overlap : {false, true})
    for (const int rows : {1, 8, 9}) {
      CaseRun run(*backend);
      const StoredKind kind{WeightFormat::affine, 4, 64, ScaleType::bf16, "q4"};
      const auto stored = stored_weight(kind, 1, 40, 640, 3);
      const Weight* weight = run.weight(*stored, kUseMatrix);
      OpAttrs norm, attrs;
      norm.eps = 1e-6f;
      std::vector<float> results[2];
      for (const bool alone : {false, true}) {
        const Tensor x = run.floats(rows, 640, 1), h = run.empty(rows, 640);
        std::vector<Dispatch> list{{Op::RmsNorm, &norm, {x}, {h}, {run.vector(640, 2)}, nullptr}};
        for (int i = 0; i < 3; ++i) {
          const Tensor y = overlap && i == 1 ? Tensor{x.memory, x.offset, rows, 40} : run.empty(rows, 40);
          list.push_back({Op::Linear, &attrs, {h}, {y}, {weight, nullptr}, nullptr});
        }
        const int64_t before = fake::counters().dispatches;
        if (alone)
          for (const Dispatch& d : list) backend->run({&d, 1}, never);
        else
          backend->run(list, never);
        const int64_t wanted = alone ? 4 : rows <= 8 && !overlap ? 1 : 2;
        expect(fake::counters().dispatches - before == wanted, "joined where rows are few");
        for (const Dispatch& d : list)
          for (const float value : CaseRun::read(d.out[0])) results[alone].push_back(value);
      }
      expect(results[0] == results[1], "joined operators have the same bits");
    }
}

// Whatever a dispatch may hold, the bits are the same: rows, tiles and kv heads are independent.
void divided_work() {
  constexpr int kSizes[] = {33};
  const std::set<std::string> kernels{"linear_q4_bf16_32",       "linear_dot_q4_8",      "expert_q4_grouped",
                                      "expert_matrix_q4_f16_32", "attention_f16_8",      "attention_matrix_f16_64",
                                      "attention_split_f16_64",  "segment_attention_64", "convolution",
                                      "separable_convolution"};
  fake::reset();
  const auto backend = open_alone();
  std::set<std::string> divided;
  for (const KernelCase& one : kernel_cases(kSizes)) {
    if (one.of_rows || kernels.count(one.kernel) == 0) continue;
    const Tested tested(one.kernel);
    const auto dispatches_of = [&](std::vector<float>& result) {
      const int64_t before = fake::counters().dispatches;
      result = one.run(*backend);
      return fake::counters().dispatches - before;
    };
    std::vector<float> whole, parts;
    const int64_t few = dispatches_of(whole);
    most_dispatch_flop = 1;
    const int64_t many = dispatches_of(parts);
    most_dispatch_flop = kMostDispatchFlop;
    expect(whole == parts, "divided work has other bits: " + one.kernel + " " + one.name);
    if (many > few) divided.insert(one.kernel);
  }
  expect(divided == kernels, std::to_string(divided.size()) + " kernels were divided");
}

// Five rows at the end of 400 positions, with 3 kv heads of 4 queries each: 3 tiles of 8 queries at most, 4 spans.
std::vector<float> attend_to_spans(Backend& backend) {
  constexpr int kPositions = 400, kRows = 5, kHeads = 12, kKvHeads = 3, kKeys = 40, kValues = 24;
  CaseRun run(backend);
  const KvLayout kv({{kKvHeads, kKeys, kValues}}, KvType::f32);
  std::vector<Memory*> blocks;
  Random random(3);
  for (int i = 0; i <= kPositions / kBlockPositions; ++i) {
    blocks.push_back(run.memory(kv.block_bytes()));
    auto* values = static_cast<float*>(blocks.back()->host());
    for (size_t k = 0; k < kv.block_bytes() / 4; ++k) values[k] = random.uniform(-1, 1);
  }
  RowBatch batch;
  batch.kv = &kv;
  batch.sequences.push_back({0, kRows, kPositions - kRows, blocks, nullptr});
  for (int r = 0; r < kRows; ++r) batch.visible_end.push_back(kPositions - kRows + r + 1);
  OpAttrs a;
  a.heads = kHeads;
  a.kv_heads = kKvHeads;
  a.k_dim = kKeys;
  a.v_dim = kValues;
  a.scale = 0.3f;
  const Dispatch d{Op::Attention,
                   &a,
                   {run.floats(kRows, kHeads * kKeys, 1), run.floats(kRows, kKvHeads * kKeys, 2),
                    run.floats(kRows, kKvHeads * kValues, 3)},
                   {run.empty(kRows, kHeads * kValues)},
                   {nullptr, nullptr},
                   &batch};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

// Split attention gives up tiles first and kv heads then: each part finds its own spans' states and no others.
void divided_spans() {
  constexpr double kTile = 2.0 * 399 * 8 * (40 + 24) * 3;  // operations of the largest tile, for all kv heads
  struct Division {
    double most;
    int64_t parts;  // each a dispatch that splits and one that merges, behind the one that stores keys and values
  };
  fake::reset();
  const auto backend = open_alone();
  std::vector<float> whole;
  for (const auto& [most, parts] : {Division{kMostDispatchFlop, 1}, {kTile, 3}, {kTile * 2 / 3, 5}, {kTile / 3, 9}}) {
    most_dispatch_flop = most;
    const int64_t before = fake::counters().dispatches;
    const std::vector<float> found = attend_to_spans(*backend);
    most_dispatch_flop = kMostDispatchFlop;
    if (whole.empty()) whole = found;
    const int64_t dispatches = fake::counters().dispatches - before;
    expect(dispatches == 1 + 2 * parts,
           std::to_string(dispatches) + " dispatches in " + std::to_string(parts) + " parts");
    expect(found == whole, "spans in " + std::to_string(parts) + " parts have other bits");
  }
  expect(fake::counters().launches["attention_split_f32_64"] == 1 + 3 + 5 + 9, "attention was split");
  const auto cpu = make_cpu_backend({.threads = 1});
  expect(distance(whole, attend_to_spans(*cpu)) <= 1e-5, "and is attention");
}

// All memory stays resident between runs, where the system can do so.
void residency() {
  for (const int system : {15, 14}) {
    fake::reset();
    fake::settings().system = system;
    const auto backend = open(false);
    CaseRun run(*backend);
    const Tensor x = constant_tensor(run, 4, 8, 1);
    OpAttrs attrs;
    for (int i = 0; i < 2; ++i) run.run({Op::Add, &attrs, {x, x}, {run.empty(4, 8)}, {nullptr, nullptr}, nullptr});
    const int64_t live = fake::counters().live["buffer"];
    expect(fake::counters().resident == (system >= 15 ? live : 0), "every buffer is resident");
  }
  fake::reset();
  fake::settings().refuses_residency = true;
  const auto backend = open(false);
  expect(doubled(*backend, 3, never) == 2, "a device without residency sets works");
}

// A device that gives memory up after half a second is asked every 10 ms, for a second after a run.
void residency_kept_alive() {
  using namespace std::chrono_literals;
  for (const bool asked : {true, false}) {
    fake::reset();
    fake::settings().residency_seconds = 0.5;
    MetalOptions options;
    options.residency_interval = asked ? 0.01 : 1000;
    options.residency_lasts = 1;
    const auto backend = std::make_unique<MetalBackend>(open_device().device, std::move(options));
    doubled(*backend, 3);
    const auto lapses_after = [&](std::chrono::milliseconds pause) {
      const int64_t before = fake::counters().lapses;
      std::this_thread::sleep_for(pause);
      const auto held = backend->device().begin();
      held->commit();
      held->wait();
      return fake::counters().lapses - before;
    };
    expect(lapses_after(800ms) == (asked ? 0 : 1), "memory stays resident through a pause where it is asked for");
    expect(lapses_after(2200ms) == 1, "and is given up when nothing ran for long");
    doubled(*backend, 3);
    expect(lapses_after(800ms) == (asked ? 0 : 1), "a later run begins anew");
  }
}

}  // namespace

int main() {
  const int64_t before = fake::live_objects();
  for (auto test : {&commits, &commits_in_flight, &barriers, &joined_operators, &divided_work, &divided_spans,
                    &residency, &residency_kept_alive}) {
    test();
    for (const std::string& text : fake::violations()) expect(false, "violation: " + text);
    expect(fake::live_objects() == before, std::to_string(fake::live_objects() - before) + " Metal objects leaked");
  }
  return metal_test::finish("metal_encoding");
}
