// What one request asks for and what it gets: options, reports and callbacks of begin, encode and generate.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cache/prompt.h"
#include "grammar/constraint.h"
#include "graph/error.h"
#include "session/sampler.h"

namespace afterimage {

using RequestId = uint64_t;

struct RequestOptions {
  int32_t max_tokens = 0;     // 0: prefill only (warming): nothing is sampled
  bool low_priority = false;  // runs only while no other request has work; pre-empted between chunks
  // Instead of an answer (max_tokens 0): continuations of the prompt, by their tokens, whose probabilities are wanted.
  std::vector<std::vector<int32_t>> choices = {};
};

// Best tier that served image tokens.
enum class CacheSource : uint8_t { none, features, memory, disk };

struct CacheReport {
  int32_t image_tokens = 0, image_tokens_reused = 0;    // tokens replaced by image features
  int32_t prompt_tokens = 0, prompt_tokens_reused = 0;  // of KV
  // Of images cut into tiles that are encoded apart, where one was encoded: its tiles, and those that were not run.
  int32_t tiles = 0, tiles_reused = 0;
  double encode_ms = 0, prefill_ms = 0;
  CacheSource source = CacheSource::none;
};

struct PlanReport {
  CacheReport cache;             // as it stands before encode and prefill
  std::vector<ImageKey> needed;  // each image whose features must be given by encode() before generate(), once
  int32_t max_tokens = 0;        // as asked, or what the context length leaves
};

struct GenerateOptions {
  SamplingOptions sampling;
  std::vector<int32_t> stop_ids;                     // end of turn; not part of the answer's tokens
  bool capture_logits = false;                       // also return the row that each token was sampled from
  bool weigh_tokens = false;                         // also return how probable each token was in that row
  bool draft = true;                                 // guess tokens and verify them in one run: same answer, sooner
  double draft_price = 0;                            // of a guessed token, in runs without it; 0: as measured
  std::vector<int32_t> expected;                     // text that the answer may repeat: guesses are taken from it, too
  std::shared_ptr<Constraint> constraint = nullptr;  // null: any answer; this request's alone
};

enum class StopReason : uint8_t { end, length, finished, cancelled };

struct GenerateResult {
  std::vector<int32_t> tokens;
  StopReason stop = StopReason::end;
  CacheReport cache;
  double decode_ms = 0;
  int32_t drafted = 0, accepted = 0;           // tokens that were guessed and run; of them those that were right
  std::optional<Error> unkept = std::nullopt;  // why the answer's last tokens are not in the cache, though it is whole
  bool whole = false;                          // with a constraint: the tokens are a whole answer by its grammar
  bool hurried = false;                        // and would have gone on otherwise if it had not had to end
  std::vector<std::vector<float>> logits;      // with capture_logits
  std::vector<float> probabilities;            // of `tokens`, with weigh_tokens
  // Of each of the request's choices: the natural logarithm of the probability of every token given those before it,
  // then that of the end, by any of stop_ids.
  std::vector<std::vector<double>> choices;
};

enum class Stage : uint8_t { queue, encode, prefill, decode };

using OnError = std::function<void(const Error&)>;
using OnPlan = std::function<void(const PlanReport&)>;
using OnEncoded = std::function<void()>;
using OnProgress = std::function<void(Stage, int64_t done, int64_t total)>;

struct GenerateCallbacks {
  std::function<void(int32_t token)> on_token;    // optional
  OnProgress on_progress;                         // optional; of decode after the tokens of each run
  std::function<void(GenerateResult&&)> on_done;  // exactly one of on_done and on_error is called, once
  OnError on_error;
};

}  // namespace afterimage
