// llama.cpp behind a pipe: one command a line on stdin, one JSON object a line on stdout, milliseconds of clock and of
// processor. It loads once and keeps its KV, so that a benchmark can take turns between engines.
// bench/peers/contender.ts drives it; peers/ours.ts answers the same commands.
//   peer MODEL.gguf MMPROJ.gguf|- THREADS
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"
#include "mtmd.h"

namespace {

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "peer: %s\n", what.c_str());
  std::exit(1);
}

double processor_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval &t) { return t.tv_sec * 1e3 + t.tv_usec / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

double peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss / 1048576.0;
#else
  return usage.ru_maxrss / 1024.0;
#endif
}

void answer(const std::function<int()> &work) {
  const double cpu = processor_ms();
  const auto start = std::chrono::steady_clock::now();
  const int tokens = work();
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"ms\":%.3f,\"cpu\":%.3f,\"tokens\":%d}\n", ms, processor_ms() - cpu, tokens);
  std::fflush(stdout);
}

class Peer {
 public:
  Peer(const char *file, const char *mmproj, int threads) : threads_(threads), sampler_(llama_sampler_init_greedy()) {
    model_ = llama_model_load_from_file(file, llama_model_default_params());
    if (!model_) fail(std::string("cannot load ") + file);
    open(1, 512);
    if (std::strcmp(mmproj, "-") == 0) return;
    auto params = mtmd_context_params_default();
    params.use_gpu = false;
    params.print_timings = false;
    params.n_threads = threads;
    vision_ = mtmd_init_from_file(mmproj, model_, params);
    if (!vision_) fail(std::string("cannot load ") + mmproj);
  }

  /** Rate of reading `count` tokens that were never seen. */
  int prefill(int count) {
    open(1, count);
    append(0, 0, count, ++seed_);
    return count;
  }

  /** `sessions` sequences of `depth` tokens each, kept from here on. */
  int hold(int sessions, int depth) {
    open(sessions, depth);
    for (int s = 0; s < sessions; s++) append(s, 0, depth, ++seed_);
    return sessions * depth;
  }

  /** `steps` greedy tokens of the first `sessions` together; afterwards their KV is as deep as before. */
  int decode(int steps, int sessions) {
    llama_batch batch = llama_batch_init(sessions, 0, 1);
    std::vector<llama_token> next(sessions, 300);
    for (int step = 0; step < steps; step++) {
      batch.n_tokens = 0;
      for (int s = 0; s < sessions; s++) add(batch, next[s], depth_ + step, s, true);
      run(batch);
      for (int s = 0; s < sessions; s++) next[s] = llama_sampler_sample(sampler_, context_, s);
    }
    llama_batch_free(batch);
    back();
    return steps * sessions;
  }

  /** To the first token of an answer to `count` new tokens behind what is held. */
  int question(int count) {
    append(0, depth_, count, ++seed_);
    llama_sampler_sample(sampler_, context_, -1);
    back();
    return count;
  }

  /** A picture through preprocessing and encoder, in batches where the model allows them, as the server does. */
  int image(uint32_t width, uint32_t height) {
    if (!vision_) fail("no mmproj was given");
    const std::vector<unsigned char> pixels = picture(width, height);
    mtmd::bitmap bitmap(width, height, pixels.data());
    const mtmd_bitmap *bitmaps[] = {bitmap.ptr.get()};
    mtmd::input_chunks_ptr chunks(mtmd_input_chunks_init());
    const std::string marker = mtmd_default_marker();
    mtmd_input_text text{};
    text.text = marker.c_str();
    text.text_len = marker.size();
    text.parse_special = true;
    if (mtmd_tokenize(vision_, chunks.get(), &text, bitmaps, 1) != 0) fail("the picture cannot be prepared");
    mtmd::batch_ptr batch;
    int tokens = 0;
    const auto encode = [&] {
      if (batch && mtmd_batch_encode(batch.get()) != 0) fail("the picture cannot be encoded");
      batch.reset();
    };
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks.get()); i++) {
      const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks.get(), i);
      if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE) continue;
      tokens += static_cast<int>(mtmd_input_chunk_get_n_tokens(chunk));
      if (batch && mtmd_batch_add_chunk(batch.get(), chunk) == 0) continue;
      encode();
      batch.reset(mtmd_batch_init(vision_));
      if (mtmd_batch_add_chunk(batch.get(), chunk) != 0) fail("a part of the picture fits in no batch");
    }
    encode();
    return tokens;
  }

 private:
  /** A context of its own KV for each of `sessions`, once warm. */
  void open(int sessions, int depth) {
    const bool fits = context_ && sessions == sessions_ && depth <= capacity_;
    sessions_ = sessions;
    depth_ = depth;
    if (fits) return llama_memory_clear(llama_get_memory(context_), true);
    if (context_) llama_free(context_);
    constexpr int kSpare = 256;  // for answers; n_ctx is rounded to this, too
    capacity_ = depth;
    auto params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(sessions * ((depth + 2 * kSpare - 1) / kSpare * kSpare));
    params.n_seq_max = static_cast<uint32_t>(sessions);
    params.n_threads = params.n_threads_batch = threads_;
    params.no_perf = true;
    context_ = llama_init_from_model(model_, params);
    if (!context_) fail("no context");
    append(0, 0, 32, ++seed_);
    llama_memory_clear(llama_get_memory(context_), true);
  }

  void back() {
    for (int s = 0; s < sessions_; s++) llama_memory_seq_rm(llama_get_memory(context_), s, depth_, -1);
  }

  /** Positions [from, from + count) of one sequence; logits of the last. */
  void append(int sequence, int from, int count, int seed) {
    const int most = static_cast<int>(llama_n_batch(context_));
    llama_batch batch = llama_batch_init(most, 0, 1);
    for (int done = 0; done < count;) {
      batch.n_tokens = 0;
      for (int i = 0; i < most && done < count; i++, done++)
        add(batch, 300 + (seed * 7919 + done * 104729) % 1000, from + done, sequence, done + 1 == count);
      run(batch);
    }
    llama_batch_free(batch);
  }

  static void add(llama_batch &batch, llama_token token, llama_pos position, llama_seq_id sequence, bool logits) {
    const int i = batch.n_tokens++;
    batch.token[i] = token;
    batch.pos[i] = position;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = sequence;
    batch.logits[i] = logits;
  }

  void run(const llama_batch &batch) {
    if (llama_decode(context_, batch) != 0) fail("llama_decode failed");
    llama_synchronize(context_);
  }

  /** As syntheticImage of ../../synthetic-prompt.ts makes it. */
  std::vector<unsigned char> picture(uint32_t width, uint32_t height) {
    const uint32_t seed = ++pictures_;
    std::vector<unsigned char> pixels;
    pixels.reserve(size_t{3} * width * height);
    for (uint32_t y = 0; y < height; y++)
      for (uint32_t x = 0; x < width; x++) {
        const uint32_t box = ((x >> 5) ^ (y >> 4) ^ seed) & 1;
        pixels.push_back(static_cast<unsigned char>(x * 255 / width));
        pixels.push_back(static_cast<unsigned char>(y * 255 / height));
        pixels.push_back(static_cast<unsigned char>(box * 200 + seed % 50));
      }
    return pixels;
  }

  int threads_;
  llama_sampler *sampler_;
  llama_model *model_ = nullptr;
  llama_context *context_ = nullptr;
  mtmd_context *vision_ = nullptr;
  int sessions_ = 0, depth_ = 0, capacity_ = 0, seed_ = 0;
  uint32_t pictures_ = 0;
};

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) fail("expected MODEL.gguf MMPROJ.gguf|- THREADS");
  const auto quiet = [](auto level, const char *text, void *) {
    if (static_cast<int>(level) == 4) std::fputs(text, stderr);  // errors
  };
  llama_log_set(quiet, nullptr);
  mtmd_log_set(quiet, nullptr);
  std::unique_ptr<Peer> peer;
  answer([&] {
    llama_backend_init();
    peer = std::make_unique<Peer>(arguments[1], arguments[2], std::atoi(arguments[3]));
    return 0;
  });
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    int a = 0, b = 0;
    words >> what >> a >> b;
    if (what == "prefill")
      answer([&] { return peer->prefill(a); });
    else if (what == "hold")
      answer([&] { return peer->hold(a, b); });
    else if (what == "decode")
      answer([&] { return peer->decode(a, b); });
    else if (what == "question")
      answer([&] { return peer->question(a); });
    else if (what == "image")
      answer([&] { return peer->image(a, b); });
    else if (what == "peak")
      std::printf("{\"mb\":%.1f}\n", peak_mb()), std::fflush(stdout);
    else
      fail("unknown command " + line);
  }
}
