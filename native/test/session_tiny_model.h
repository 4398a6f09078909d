// A tiny random vision-language model for the session tests: programs as JSON, weights as a safetensors file, and
// prompts over "images" that are nothing but a seed.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "cache_fixture.h"
#include "cpu/cpu_backend.h"
#include "session/engine.h"

namespace afterimage::test {

// mtp: recurrent, with a head for guesses.
enum class Kind { causal, mrope, block, prefix, recurrent, mtp };

inline bool recurs(Kind kind) { return kind == Kind::recurrent || kind == Kind::mtp; }

// Collects a program's JSON and the weights it names.
class ProgramText {
 public:
  explicit ProgramText(std::string name) : name_(std::move(name)) {}

  int value(const std::string& name, const std::string& rows, int width, const char* dtype = "f32") {
    values_ += comma(values_) + "{\"name\":\"" + name + "\",\"dtype\":\"" + dtype + "\",\"rows\":{\"symbol\":\"" +
               rows + "\"},\"width\":" + std::to_string(width) + "}";
    return count_++;
  }
  int input(const std::string& name, const std::string& rows, int width, const char* dtype) {
    const int index = value(name, rows, width, dtype);
    inputs_ += comma(inputs_) + std::to_string(index);
    return index;
  }
  void output(int value) { outputs_ += comma(outputs_) + std::to_string(value); }
  int weight(const std::string& name, const std::vector<int64_t>& shape) {
    tensors.push_back({name_ + "." + name, shape});
    return weight_of(name_, name, shape);
  }
  // A weight that another program has, too.
  int weight_of(const std::string& program, const std::string& name, const std::vector<int64_t>& shape) {
    return add_weight(name, shape, "\"tensors\":[\"" + program + "." + name + "\"]");
  }
  int repeated_row(const std::string& name, const std::vector<int64_t>& shape, const std::string& values) {
    return add_weight(name, shape, "\"tensors\":[],\"values\":[" + values + "]");
  }
  int op(const std::string& kind, std::vector<int> in, std::vector<int> weights, int out,
         const std::string& attrs = "") {
    ops_ += comma(ops_) + "{\"op\":\"" + kind + "\",\"in\":" + list(in) + ",\"weights\":" + list(weights) +
            ",\"out\":[" + std::to_string(out) + "],\"attrs\":{" + attrs + "}}";
    return out;
  }
  std::string text(const std::string& more = "") const {
    return "{\"name\":\"" + name_ + "\",\"inputs\":[" + inputs_ + "],\"outputs\":[" + outputs_ + "],\"values\":[" +
           values_ + "],\"weights\":[" + weights_ + "],\"ops\":[" + ops_ + "]" + more + "}";
  }

  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors;

 private:
  int add_weight(const std::string& name, const std::vector<int64_t>& shape, const std::string& source) {
    std::string axes;
    for (int64_t axis : shape) axes += comma(axes) + std::to_string(axis);
    weights_ += comma(weights_) + "{\"name\":\"" + name + "\",\"shape\":[" + axes + "]," + source + "}";
    return weight_count_++;
  }
  static std::string comma(const std::string& before) { return before.empty() ? "" : ","; }
  static std::string list(const std::vector<int>& items) {
    std::string text;
    for (int item : items) text += comma(text) + std::to_string(item);
    return "[" + text + "]";
  }
  std::string name_, inputs_, outputs_, values_, weights_, ops_;
  int count_ = 0, weight_count_ = 0;
};

constexpr int kHidden = 32, kVocab = 61, kPixels = 12, kHeadDim = 16;

inline void write_safetensors(const std::string& path,
                              const std::vector<std::pair<std::string, std::vector<int64_t>>>& tensors, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::string header = "{";
  std::vector<float> data;
  for (const auto& [name, shape] : tensors) {
    size_t count = 1;
    std::string axes;
    for (int64_t axis : shape)
      count *= static_cast<size_t>(axis), axes += (axes.empty() ? "" : ",") + std::to_string(axis);
    const size_t begin = data.size() * 4;
    const float scale = shape.size() == 1 ? 0.5f : 1.2f / std::sqrt(static_cast<float>(shape.back()));
    for (size_t i = 0; i < count; ++i) data.push_back(normal(random) * scale + (shape.size() == 1 ? 1.f : 0.f));
    header += (header.size() > 1 ? ",\"" : "\"") + name + "\":{\"dtype\":\"F32\",\"shape\":[" + axes +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size() * 4) + "]}";
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::ofstream file(path, std::ios::binary);
  const uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), 8).write(header.data(), static_cast<std::streamsize>(length));
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size() * 4));
}

inline ProgramText vision_program(Kind kind) {
  ProgramText p("vision");
  const int pixels = p.input("pixel_values", "patches", kPixels, "f32");
  const int segments = p.input("segments", "segments", 1, "i32");
  int x = p.value("x", "patches", kHidden);
  p.op("linear", {pixels}, {p.weight("embed", {kHidden, kPixels})}, x, "\"activation\":\"gelu\"");
  const int y = p.value("y", "patches", kHidden);
  p.op("segmentAttention", {x, x, x, segments}, {}, y,
       "\"heads\":2,\"kvHeads\":2,\"kDim\":16,\"vDim\":16,\"scale\":0.25");
  const int features = p.value("features", "patches", kHidden);
  p.op("linear", {y, x}, {p.weight("out", {kHidden, kHidden})}, features);
  p.output(features);
  if (kind == Kind::mrope) {
    const int deep = p.value("features.1", "patches", kHidden);
    p.op("linear", {y}, {p.weight("deep", {kHidden, kHidden})}, deep);
    p.output(deep);
  }
  return p;
}

// What the head makes of rows of token embeddings and the states before them: {input, key, value}.
inline std::array<int, 3> mtp_layer(ProgramText& p, int embedded, int before, int positions) {
  const auto weight = [&](const std::string& name, const std::vector<int64_t>& shape) {
    p.tensors.push_back({"mtp." + name, shape});
    return p.weight_of("mtp", name, shape);
  };
  const int table = p.op("ropeTable", {positions}, {}, p.value("mtp.table", "rows", kHeadDim),
                         "\"invFreq\":[1,0.5,0.25,0.12,0.06,0.03,0.01,0.005],\"axis\":[0,0,0,0,0,0,0,0]");
  const int both = p.op("concat", {embedded, before}, {}, p.value("mtp.both", "rows", 2 * kHidden));
  const int x = p.op("linear", {both}, {weight("fc", {kHidden, 2 * kHidden})}, p.value("mtp.x", "rows", kHidden));
  const int h = p.op("rmsNorm", {x}, {weight("norm", {kHidden})}, p.value("mtp.h", "rows", kHidden), "\"eps\":1e-6");
  const int k = p.op("linear", {h}, {weight("k", {kHeadDim, kHidden})}, p.value("mtp.k", "rows", kHeadDim));
  const int v = p.op("linear", {h}, {weight("v", {kHeadDim, kHidden})}, p.value("mtp.v", "rows", kHeadDim));
  const int turned = p.op("rope", {k, table}, {}, p.value("mtp.kr", "rows", kHeadDim));
  return {x, turned, v};
}

constexpr const char* kMtpAttention = "\"layer\":2,\"kvHeads\":1,\"kDim\":16,\"vDim\":16,\"scale\":0.5";

// States of all rows, the head's keys and values, and logits.
inline void close_with_mtp(ProgramText& p, int x, int embedded, int logit_rows) {
  const int before_places = p.input("position_ids_before", "rows", 1, "i32");
  const int states =
      p.op("rmsNorm", {x}, {p.weight("final.norm", {kHidden})}, p.value("final", "rows", kHidden), "\"eps\":1e-6");
  const int last = p.op("gatherRows", {states, logit_rows}, {}, p.value("hidden", "logits", kHidden));
  p.output(p.op("linear", {last}, {p.weight("head", {kVocab, kHidden})}, p.value("logits", "logits", kVocab)));
  p.output(last);
  const int before = p.op("shortConv", {states}, {p.repeated_row("one row back", {kHidden, 2}, "1,0")},
                          p.value("before", "rows", kHidden), "\"layer\":2");
  const auto [input, k, v] = mtp_layer(p, embedded, before, before_places);
  p.op("attention", {k, k, v}, {}, p.value("mtp.itself", "rows", kHeadDim),
       std::string(kMtpAttention) + ",\"heads\":1,\"window\":1");
}

// One layer of attention, and the decoder's embeddings and output head. Its own weights are listed by the decoder.
inline ProgramText mtp_program() {
  ProgramText p("mtp");
  const int ids = p.input("input_ids", "rows", 1, "i32"), positions = p.input("position_ids", "rows", 1, "i32");
  const int before = p.input("hidden.before", "rows", kHidden, "f32");
  const int embedded = p.op("embedding", {ids}, {p.weight_of("decoder", "embed", {kVocab, kHidden})},
                            p.value("embedded", "rows", kHidden), "\"scale\":1.5");
  const auto [x, k, v] = mtp_layer(p, embedded, before, positions);
  const int y = p.op("attention", {k, k, v}, {}, p.value("mtp.seen", "rows", kHeadDim),
                     std::string(kMtpAttention) + ",\"heads\":1,\"start\":1");
  const int o = p.weight("o", {kHidden, kHeadDim});
  const int hidden = p.op("linear", {y, x}, {o}, p.value("hidden", "rows", kHidden));
  p.output(
      p.op("linear", {hidden}, {p.weight_of("decoder", "head", {kVocab, kHidden})}, p.value("logits", "rows", kVocab)));
  p.output(hidden);
  return p;
}

// Two attention layers; the recurrent kind has a short convolution and a gated delta layer before them.
inline ProgramText decoder_program(Kind kind) {
  ProgramText p("decoder");
  const int axes = kind == Kind::mrope ? 3 : 1;
  const int ids = p.input("input_ids", "rows", 1, "i32"), positions = p.input("position_ids", "rows", axes, "i32");
  const int index = p.input("feature_index", "rows", 1, "i32"),
            features = p.input("features", "features", kHidden, "f32");
  const int deep = kind == Kind::mrope ? p.input("features.1", "features", kHidden, "f32") : -1;
  const int logit_rows = p.input("logit_rows", "logits", 1, "i32");
  const int embedded = p.value("embedded", "rows", kHidden);
  p.op("embedding", {ids}, {p.weight("embed", {kVocab, kHidden})}, embedded, "\"scale\":1.5");
  int x = p.op("replaceRows", {embedded, features, index}, {}, p.value("x0", "rows", kHidden));
  const int table = p.value("table", "rows", kHeadDim);
  p.op("ropeTable", {positions}, {}, table,
       "\"invFreq\":[1,0.5,0.25,0.12,0.06,0.03,0.01,0.005],\"axis\":" +
           std::string(axes == 3 ? "[0,1,2,0,1,2,0,1]" : "[0,0,0,0,0,0,0,0]"));
  auto norm = [&](int from, const std::string& at) {
    return p.op("rmsNorm", {from}, {p.weight(at + ".norm", {kHidden})}, p.value(at + ".normed", "rows", kHidden),
                "\"eps\":1e-6");
  };
  auto linear = [&](int from, const std::string& at, int in, int out, int residual = -1) {
    std::vector<int> operands{from};
    if (residual >= 0) operands.push_back(residual);
    return p.op("linear", operands, {p.weight(at, {out, in})}, p.value(at + ".out", "rows", out));
  };
  if (recurs(kind)) {
    const int h = norm(x, "conv");
    const int c = p.op("shortConv", {h}, {p.weight("conv.w", {kHidden, 4})}, p.value("conv.y", "rows", kHidden),
                       "\"layer\":0,\"activation\":\"silu\"");
    x = linear(c, "conv.o", kHidden, kHidden, x);
    const int g = norm(x, "delta");
    const int q = linear(g, "delta.q", kHidden, 16), k = linear(g, "delta.k", kHidden, 16),
              v = linear(g, "delta.v", kHidden, kHidden);
    const int a = linear(g, "delta.a", kHidden, 2), b = linear(g, "delta.b", kHidden, 2);
    const int o =
        p.op("gatedDelta", {q, k, v, a, b}, {p.weight("delta.A", {2}), p.weight("delta.dt", {2})},
             p.value("delta.y", "rows", kHidden), "\"layer\":1,\"heads\":2,\"kvHeads\":2,\"kDim\":8,\"vDim\":16");
    x = linear(o, "delta.o", kHidden, kHidden, x);
  }
  for (int layer = 0; layer < 2; ++layer) {
    const std::string at = "l" + std::to_string(layer);
    const int h = norm(x, at);
    const int q = linear(h, at + ".q", kHidden, kHidden), k = linear(h, at + ".k", kHidden, kHeadDim),
              v = linear(h, at + ".v", kHidden, kHeadDim);
    const int qr = p.op("rope", {q, table}, {}, p.value(at + ".qr", "rows", kHidden), "\"groups\":2");
    const int kr = p.op("rope", {k, table}, {}, p.value(at + ".kr", "rows", kHeadDim), "\"groups\":1");
    const int o =
        p.op("attention", {qr, kr, v}, {}, p.value(at + ".attended", "rows", kHidden),
             "\"layer\":" + std::to_string(layer) + ",\"heads\":2,\"kvHeads\":1,\"kDim\":16,\"vDim\":16,\"scale\":0.5" +
                 (kind == Kind::block && layer == 1 ? ",\"window\":150" : ""));
    x = linear(o, at + ".o", kHidden, kHidden, x);
    if (layer == 0 && deep >= 0) x = p.op("addRows", {x, deep, index}, {}, p.value("deepened", "rows", kHidden));
    const int m = norm(x, at + ".mlp");
    const int gate = linear(m, at + ".gate", kHidden, 48), up = linear(m, at + ".up", kHidden, 48);
    const int act =
        p.op("gatedActivation", {gate, up}, {}, p.value(at + ".act", "rows", 48), "\"activation\":\"silu\"");
    x = linear(act, at + ".down", 48, kHidden, x);
  }
  if (kind == Kind::mtp) {
    close_with_mtp(p, x, embedded, logit_rows);
    return p;
  }
  const int last = p.op("gatherRows", {x, logit_rows}, {}, p.value("last", "logits", kHidden));
  const int normed =
      p.op("rmsNorm", {last}, {p.weight("final.norm", {kHidden})}, p.value("final", "logits", kHidden), "\"eps\":1e-6");
  p.output(p.op("linear", {normed}, {p.weight("head", {kVocab, kHidden})}, p.value("logits", "logits", kVocab)));
  return p;
}

// KV layers and states of a kind.
inline std::string kept(Kind kind) {
  const std::string layer = "{\"kvHeads\":1,\"kDim\":16,\"vDim\":16}";
  const std::string layers = layer + "," + layer + (kind == Kind::mtp ? "," + layer : "");
  return ",\"kv\":{\"layers\":[" + layers + "]}";
}

inline std::string decoder_text(const ProgramText& program, Kind kind) {
  const std::string shift = kind == Kind::mtp ? "," + std::to_string(kHidden) : "";
  return program.text(kept(kind) + (recurs(kind) ? ",\"states\":{\"elements\":[" + std::to_string(kHidden * 3) + "," +
                                                       std::to_string(2 * 8 * 16) + shift + "]}"
                                                 : ""));
}

class TinyModel {
 public:
  explicit TinyModel(Kind model_kind, uint32_t seed = 1) : kind(model_kind) {
    const ProgramText vision = vision_program(kind), decoder = decoder_program(kind);
    auto tensors = vision.tensors;
    tensors.insert(tensors.end(), decoder.tensors.begin(), decoder.tensors.end());
    if (kind == Kind::mtp) {
      const ProgramText mtp = mtp_program();
      tensors.push_back(mtp.tensors.back());  // the others are the decoder's
      source.mtp_json = mtp.text(kept(kind));
    }
    const std::string path = folder_.path() + "/model.safetensors";
    write_safetensors(path, tensors, seed);
    source.files = {path};
    source.vision_json = vision.text();
    source.decoder_json = decoder_text(decoder, kind);
    source.traits.position_axes = kind == Kind::mrope ? 3 : 1;
    source.traits.deepstack = kind == Kind::mrope ? 1 : 0;
    source.traits.visibility = kind == Kind::block    ? Visibility::block
                               : kind == Kind::prefix ? Visibility::prefix
                                                      : Visibility::causal;
    source.traits.hidden = kHidden;
    source.traits.vocab = kVocab;
    source.traits.context = 4096;
  }
  std::unique_ptr<Engine> engine(const EngineOptions& options, int threads = 1) const {
    CpuOptions cpu;
    cpu.threads = threads;
    return std::make_unique<Engine>(options, source, make_cpu_backend(cpu), nullptr);
  }

  const Kind kind;
  ModelSource source;

 private:
  TempFolder folder_;
};

// An image of `patches` feature rows whose pixels follow from `seed`.
struct Image {
  uint32_t seed = 0;
  int patches = 0;
  ImageKey key() const {
    ImageKey key{};
    std::memcpy(key.data(), &seed, 4);
    std::memcpy(key.data() + 4, &patches, 4);
    key[31] = 7;
    return key;
  }
  std::vector<NamedInput> inputs() const {
    std::mt19937 random(seed * 977u + 5u);
    std::normal_distribution<float> normal(0, 1);
    auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(patches) * kPixels);
    for (float& value : *values) value = normal(random);
    auto edges = std::make_shared<std::vector<int32_t>>(std::vector<int32_t>{0, patches});
    return {{"pixel_values", DType::f32, patches, kPixels, std::as_bytes(std::span(*values)), values},
            {"segments", DType::i32, 2, 1, std::as_bytes(std::span(*edges)), edges}};
  }
};

// A conversation: text tokens and images in order, rendered to a full prompt each time.
struct Piece {
  std::vector<int32_t> text;
  Image image;  // patches 0: text
};

inline Prompt render(const std::vector<Piece>& pieces, Kind kind) {
  Prompt prompt;
  const int axes = kind == Kind::mrope ? 3 : 1;
  int32_t next = 0;  // position
  auto token = [&](int32_t id, int32_t feature, int32_t t, int32_t h, int32_t w) {
    prompt.ids.push_back(id);
    prompt.feature_index.push_back(feature);
    const int32_t at[3] = {t, h, w};
    prompt.position_ids.insert(prompt.position_ids.end(), at, at + axes);
  };
  for (const Piece& piece : pieces) {
    if (piece.image.patches == 0) {
      for (int32_t id : piece.text) token(id, -1, next, next, next), ++next;
      prompt.marks.push_back(static_cast<int32_t>(prompt.ids.size()));
      continue;
    }
    const auto start = static_cast<int32_t>(prompt.ids.size());
    token(1, -1, next, next, next), ++next;  // begin of image
    if (axes == 3) {
      // A grid 4 wide: positions advance by the larger side only, as in M-RoPE.
      const int32_t rows = (piece.image.patches + 3) / 4;
      for (int32_t i = 0; i < piece.image.patches; ++i) token(3, i, next, next + i / 4, next + i % 4);
      next += std::max(rows, 4);
    } else {
      for (int32_t i = 0; i < piece.image.patches; ++i) token(3, i, next, next, next), ++next;
    }
    token(2, -1, next, next, next), ++next;  // end of image
    prompt.spans.push_back({start,
                            static_cast<int32_t>(prompt.ids.size()),
                            piece.image.key(),
                            {{"patches", piece.image.patches}, {"segments", 2}}});
  }
  prompt.rope_delta = next - static_cast<int32_t>(prompt.ids.size());
  if (kind == Kind::prefix) {
    prompt.prefix_length = static_cast<int32_t>(prompt.ids.size());
  }
  return prompt;
}

// Tokens of a text; another seed, another text.
inline std::vector<int32_t> text(int length, int seed) {
  std::vector<int32_t> ids;
  for (int i = 0; i < length; ++i) ids.push_back(4 + (seed * 31 + i * 7 + i * i) % (kVocab - 4));
  return ids;
}

// Room for several conversations, in chunks that a short prompt already fills.
inline EngineOptions roomy(KvType kv_type) {
  EngineOptions o;
  o.kv_type = kv_type;
  o.chunk_rows = 32;
  o.budgets.kv_bytes = size_t{8} << 20;
  return o;
}

inline std::vector<Image> images_of(const std::vector<Piece>& pieces) {
  std::vector<Image> images;
  for (const Piece& piece : pieces)
    if (piece.image.patches > 0) images.push_back(piece.image);
  return images;
}

}  // namespace afterimage::test
