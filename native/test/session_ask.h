// Blocking calls over the engine's callbacks, for tests.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "session_tiny_model.h"

namespace afterimage::test {

template <class T>
struct Outcome {
  std::optional<T> value;
  std::string code, message;  // of the error
};

struct Planned {
  RequestId id = 0;
  Outcome<PlanReport> plan;
};

// A request whose plan arrives later.
class Pending {
 public:
  Pending(Engine& engine, Prompt prompt, const RequestOptions& options) {
    auto done = std::make_shared<std::promise<Outcome<PlanReport>>>();
    future_ = done->get_future();
    id = engine.begin(
        std::move(prompt), options,
        [done](const PlanReport& plan) {
          done->set_value({plan, "", ""});
        },
        [done](const Error& error) {
          done->set_value({std::nullopt, error.code(), error.what()});
        });
  }
  Planned wait() { return {id, future_.get()}; }
  RequestId id = 0;

 private:
  std::future<Outcome<PlanReport>> future_;
};

inline Outcome<bool> encode(Engine& engine, RequestId request, const Image& image) {
  auto done = std::make_shared<std::promise<Outcome<bool>>>();
  auto future = done->get_future();
  engine.encode(
      request, image.key(), image.inputs(),
      [done] {
        done->set_value({true, "", ""});
      },
      [done](const Error& error) {
        done->set_value({std::nullopt, error.code(), error.what()});
      });
  return future.get();
}

inline std::future<Outcome<GenerateResult>> generate(Engine& engine, RequestId request, GenerateOptions options,
                                                     std::function<void(int32_t)> on_token = nullptr,
                                                     OnProgress on_progress = nullptr) {
  auto done = std::make_shared<std::promise<Outcome<GenerateResult>>>();
  GenerateCallbacks callbacks;
  callbacks.on_token = std::move(on_token);
  callbacks.on_progress = std::move(on_progress);
  callbacks.on_done = [done](GenerateResult&& result) { done->set_value({std::move(result), "", ""}); };
  callbacks.on_error = [done](const Error& error) { done->set_value({std::nullopt, error.code(), error.what()}); };
  engine.generate(request, std::move(options), std::move(callbacks));
  return done->get_future();
}

// Encodes what the plan needs; false where that failed.
inline bool encode_needed(Engine& engine, const Planned& planned, const std::vector<Image>& images) {
  for (const ImageKey& key : planned.plan.value->needed)
    for (const Image& image : images)
      if (image.key() == key) {
        if (!encode(engine, planned.id, image).value) return false;
        break;
      }
  return true;
}

struct Asked {
  PlanReport plan;
  GenerateResult result;
};

// The whole way; fails the test where it fails.
inline Asked ask(Engine& engine, const std::vector<Piece>& pieces, Kind kind, int32_t max_tokens,
                 GenerateOptions options = {}, bool low_priority = false) {
  options.capture_logits = true;
  Pending pending(engine, render(pieces, kind), {max_tokens, low_priority});
  const Planned planned = pending.wait();
  if (!planned.plan.value) std::fprintf(stderr, "%s\n", planned.plan.message.c_str());
  CHECK(planned.plan.value);
  CHECK(encode_needed(engine, planned, images_of(pieces)));
  Outcome<GenerateResult> result = generate(engine, planned.id, std::move(options)).get();
  if (!result.value) std::fprintf(stderr, "%s\n", result.message.c_str());
  CHECK(result.value);
  return {*planned.plan.value, std::move(*result.value)};
}

inline bool same_bits(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * 4) != 0) return false;
  return true;
}

}  // namespace afterimage::test
