// What breaks on a real Mac, played by the fake: metal/rig/README.md has the table of it.
#include <thread>

#include "graph/kv_layout.h"
#include "metal/layout_params.h"
#include "metal/operators.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_runs.h"
#include "session_ask.h"

using namespace metal_test;
namespace fake = rig::fake;
using afterimage::test::Kind;

namespace {

std::string refusal() {
  const OpenedDevice opened = open_device();
  expect(!opened.device, "no device is opened");
  expect_error("BACKEND_FAILED", "no device is no backend", [] { open(true); });
  return opened.reason;
}

void expect_word(const std::string& text, const std::string& word) {
  expect(text.find(word) != std::string::npos, "\"" + text + "\" says " + word);
}

void acquisition() {
  fake::reset();
  fake::settings().present = false;
  expect(open_device().device != nullptr, "without a default device the first of the list is taken");
  fake::settings().listed = false;
  expect_word(refusal(), "MTLCreateSystemDefaultDevice gave no device and MTLCopyAllDevices listed none");
  fake::settings().present = true;
  expect(open_device().device != nullptr, "the default device needs no list");
  fake::settings().apple_family = false;
  expect_word(refusal(), "\"Emulated Apple GPU\" is not of the family Apple7");
  fake::reset();
  fake::settings().system = 13;
  expect_word(refusal(), "macOS 14 or later and this is 13.1");
  fake::reset();
  fake::settings().refuse_queue = 0;
  expect_word(refusal(), "gave no command queue");
  for (const int64_t system : {14, 15, 26}) {
    fake::reset();
    fake::settings().system = system;
    expect(doubled(*open(false), 3) == 2, "macOS " + std::to_string(system));
  }
}

void not_given() {
  fake::reset();
  const auto backend = open(false);
  fake::settings().nil_command = 0;
  expect_word(expect_error("BACKEND_FAILED", "no command buffer", [&] { doubled(*backend, 4); }), "no command buffer");
  fake::reset();
  const auto other = open(false);
  fake::settings().nil_encoder = 0;
  expect_error("BACKEND_FAILED", "no encoder", [&] { doubled(*other, 4); });
  fake::settings().nil_encoder = -1;
  expect(doubled(*other, 4) == 2, "the next run has one");
}

void never_completed() {
  fake::reset();
  const auto backend = open(false);
  fake::settings().never_completes = true;
  expect_word(expect_error("BACKEND_FAILED", "garbage is no success", [&] { doubled(*backend, 4); }), "neither");
}

// The same work, straight on the device and through the encoder, which divides it.
void killed_by_the_watchdog() {
  fake::reset();
  const ReleasePool pool;
  fake::settings().kills = fake::settings().dry = true;
  const auto backend = open_alone();
  CaseRun run(*backend);
  constexpr int kRows = 4096, kWidth = 2048;
  const auto stored = stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "f32"}, 1, kWidth, kWidth, 1);
  const Tensor x{run.memory(size_t{kRows} * kWidth * 4), 0, kRows, kWidth};
  OpAttrs attrs;
  const Dispatch d{Op::Linear, &attrs, {x}, {x}, {run.weight(*stored, kUseMatrix), nullptr}, nullptr};
  const auto commands = backend->device().begin();
  commands->pipeline(backend->pipelines().get("linear_matrix", "linear_f32_32", 128));
  for (uint32_t i = 0; i < 19; ++i) commands->bind(i, buffer_of(x.memory), 0);
  const LinearParams params = matrix_alone(*static_cast<const MetalWeight*>(d.weights[0]), kRows);
  commands->constants(19, &params, sizeof params);
  commands->dispatch({kWidth / 32, kRows / 32, 1}, 128);
  commands->commit();
  expect_word(commands->wait().error, "Impacting Interactivity");
  run.run(d);
  expect(fake::counters().launches["linear_f32_32"] > 1, "the encoder's work lives");
}

void queue_renewed() {
  fake::reset();
  const auto backend = open(true);
  fake::settings().ignores_later = true;
  fake::settings().fail_command = 0;
  fake::settings().command_error = 2;
  expect_error("BACKEND_FAILED", "a command buffer is killed", [&] { doubled(*backend, 4); });
  fake::settings().fail_command = -1;
  for (int i = 0; i < 3; ++i) expect(doubled(*backend, 40) == 2, "a new queue takes what the old one would ignore");
  fake::settings().fail_command = 1;
  expect_error("BACKEND_FAILED", "a later failure is the first again", [&] { doubled(*backend, 400); });
}

// The first of four command buffers is killed while two wait behind it: macOS says of those that it ignored them, with
// the code of a process that has no GPU any more.
void killed_in_flight() {
  fake::reset();
  const auto backend = open(true);
  expect(doubled(*backend, 4) == 2, "a first run");
  fake::settings().delay_us = 20000;
  fake::settings().ignores_later = true;
  fake::settings().fail_command = 0;
  fake::settings().fail_commands = 1;
  fake::settings().command_error = 2;
  expect_error("BACKEND_FAILED", "a command buffer is killed", [&] { doubled(*backend, 400); });
  expect(fake::counters().most_command_buffers >= 4, "others wait behind it");
  expect(doubled(*backend, 400) == 2, "the next run has a new queue");
}

void lost() {
  fake::reset();
  const auto backend = open(true);
  fake::settings().fail_command = 0;
  expect_error("BACKEND_FAILED", "the first failure", [&] { doubled(*backend, 4); });
  expect_word(expect_error("BACKEND_LOST", "the second in a row", [&] { doubled(*backend, 4); }), "restart");
  fake::settings().fail_command = -1;
  expect_error("BACKEND_LOST", "it stays lost", [&] { doubled(*backend, 4); });

  fake::reset();
  const auto refused = open(true);
  fake::settings().fail_command = 0;
  fake::settings().refuse_queue = 0;
  expect_error("BACKEND_FAILED", "a failure", [&] { doubled(*refused, 4); });
  fake::settings().fail_command = -1;
  expect_error("BACKEND_LOST", "no new queue after it", [&] { doubled(*refused, 4); });
}

// A run that fails leaves the conversation as it was: the same question then has the answer of an undisturbed engine.
void conversation_goes_on(int64_t commands_before, const char* code, int64_t command_error) {
  fake::reset();
  const test::TinyModel model(Kind::causal);
  const std::vector<test::Piece> pieces{{test::text(5, 1), {}}, {{}, {3, 20}}, {test::text(90, 2), {}}};
  GenerateOptions greedy;
  const auto engine_on = [&](std::unique_ptr<Backend> backend) {
    return std::make_unique<Engine>(test::roomy(KvType::f16), model.source, std::move(backend), nullptr);
  };
  auto undisturbed = engine_on(open_alone());
  const auto expected = test::ask(*undisturbed, pieces, Kind::causal, 6);
  undisturbed.reset();
  auto engine = engine_on(open_alone());
  test::Pending pending(*engine, test::render(pieces, Kind::causal), {6, false});
  const test::Planned planned = pending.wait();
  fake::settings().fail_command = commands_before;
  fake::settings().command_error = command_error;
  std::string found;
  if (test::encode_needed(*engine, planned, test::images_of(pieces)))
    found = test::generate(*engine, planned.id, greedy).get().code;
  else
    engine->cancel(planned.id);
  fake::settings().fail_command = -1;
  expect(found.empty() || found == code, "the failed run says " + found);
  const auto again = test::ask(*engine, pieces, Kind::causal, 6);
  expect(again.result.tokens == expected.result.tokens, "the answer after a failure is the undisturbed one");
  expect(test::same_bits(again.result.logits, expected.result.logits), "and so are its bits");
}

void conversations_go_on() {
  for (const int64_t before : {0, 1, 3, 5, 8}) {
    conversation_goes_on(before, "BACKEND_FAILED", 2);
    conversation_goes_on(before, "OUT_OF_MEMORY", 8);
  }
}

void identity() {
  fake::reset();
  const auto alone = open(false);
  const std::string plain = alone->identity();
  expect_word(plain, "metal Emulated Apple GPU apple7, kernels ");
  expect_word(plain, ", host ");
  expect_word(plain, "macOS Version 15.1 (Build 24B83)");
  fake::settings().broken_kernels = {"add"};
  const auto replaced = open(true);
  doubled(*replaced, 1);
  expect(replaced->identity() == plain + ", without add",
         "a replaced kernel is another identity: " + replaced->identity());
  fake::reset();
  fake::settings().system = 26;
  expect(open(false)->identity() != plain, "another system is another identity");
}

void threads_of_ours() {
  fake::reset();
  std::thread([] {
    const auto backend = open(true);
    expect(doubled(*backend, 40) == 2, "a run on a thread of ours");
  }).join();
  expect(fake::violations().empty(), "which has a pool");
  // The same calls where nobody made one.
  const auto backend = open_alone();
  CaseRun run(*backend);
  const Tensor x = constant_tensor(run, 4, 8, 1);
  std::thread([&] {
    const auto commands = backend->device().begin();
    commands->pipeline(backend->pipelines().get("layout", "copy_elements", 256));
    for (const uint32_t index : {0, 2}) commands->bind(index, buffer_of(x.memory), 0);
    const LayoutParams nothing{0, 0, 0, 0};
    commands->constants(3, &nothing, sizeof nothing);
    commands->dispatch({1, 1, 1}, 256);
    commands->commit();
    commands->wait();
  }).join();
  const auto found = fake::violations();
  expect(found.size() == 1 && found[0].find("without an autorelease pool") != std::string::npos,
         std::to_string(found.size()) + " calls without a pool are found");
  fake::reset();
}

}  // namespace

int main() {
  const int64_t before = fake::live_objects();
  for (auto test : {&acquisition, &not_given, &never_completed, &killed_by_the_watchdog, &queue_renewed,
                    &killed_in_flight, &lost, &conversations_go_on, &identity, &threads_of_ours}) {
    test();
    for (const std::string& text : fake::violations()) expect(false, "violation: " + text);
    expect(fake::live_objects() == before, std::to_string(fake::live_objects() - before) + " Metal objects leaked");
  }
  return metal_test::finish("metal_failures");
}
