#include "addon/listener.h"

#include <algorithm>

#include "addon/engine_arguments.h"

namespace afterimage::addon {

void AnswerListener::progress(Stage stage, int64_t done, int64_t total) {
  reached_ = {stage, done, total};
  const auto now = Clock::now();
  if (stage == Stage::decode && now < told_ + kPace) return;
  if (stage == Stage::decode) told_ = now;
  tell();
}

void AnswerListener::tell() {
  if (!waiting_.empty())
    tokens_.call([ids = std::exchange(waiting_, {})](Napi::Env env) {
      Napi::Int32Array told = Napi::Int32Array::New(env, ids.size());
      std::copy(ids.begin(), ids.end(), told.Data());
      return std::vector<napi_value>{told};
    });
  if (!reached_) return;
  progress_.call([reached = *std::exchange(reached_, std::nullopt)](Napi::Env env) {
    const auto number = [&](int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
    return std::vector<napi_value>{Napi::String::New(env, stage_name(reached.stage)), number(reached.done),
                                   number(reached.total)};
  });
}

void AnswerListener::end() {
  tell();
  tokens_.release();
  progress_.release();
}

}  // namespace afterimage::addon
