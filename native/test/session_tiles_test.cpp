// An image of tiles that its encoder sees apart: what was encoded with another image is not encoded again, and the bits
// are those of an engine that saw nothing before.
#include <numeric>

#include "session/image_tiles.h"
#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

constexpr int kEach = 6;  // patches of a tile

// What the picture is made of: a seed for each tile. Its features stand tile after tile, or in rows across all tiles
// with a line break, which reads no patch, behind each.
struct Tiled {
  std::vector<uint32_t> tiles;
  bool across = false;
  int each = kEach;

  int rows() const {
    const int patches = static_cast<int>(tiles.size()) * each;
    return across ? patches + each : patches;
  }
  Image image() const {
    uint32_t seed = across ? 3 : 2;
    for (uint32_t tile : tiles) seed = seed * 31 + tile;
    return {seed, rows()};
  }
  std::vector<NamedInput> inputs() const {
    std::vector<float> pixels;
    std::vector<int32_t> edges{0}, order;
    for (uint32_t tile : tiles) {
      const auto own = Image{tile, each}.inputs();
      const auto* values = reinterpret_cast<const float*>(own[0].data.data());
      pixels.insert(pixels.end(), values, values + each * kPixels);
      edges.push_back(edges.back() + each);
    }
    for (int y = 0; y < each; ++y) {
      for (size_t tile = 0; tile < tiles.size(); ++tile) order.push_back(static_cast<int32_t>(tile) * each + y);
      order.push_back(-1);
    }
    std::vector<NamedInput> inputs{given("pixel_values", DType::f32, kPixels, pixels),
                                   given("segments", DType::i32, 1, edges)};
    if (across) inputs.push_back(given("token_index", DType::i32, 1, order));
    return inputs;
  }
  template <class T>
  static NamedInput given(const char* name, DType dtype, int64_t width, const std::vector<T>& values) {
    const auto kept = std::make_shared<std::vector<T>>(values);
    return {name, dtype, static_cast<int64_t>(kept->size()) / width, width, std::as_bytes(std::span(*kept)), kept};
  }
};

// The tiny model's vision program with a gather behind the attention.
std::string across_program() {
  ProgramText p("vision");
  const int pixels = p.input("pixel_values", "patches", kPixels, "f32");
  const int segments = p.input("segments", "segments", 1, "i32");
  const int order = p.input("token_index", "tokens", 1, "i32");
  const int x = p.op("linear", {pixels}, {p.weight("embed", {kHidden, kPixels})}, p.value("x", "patches", kHidden),
                     "\"activation\":\"gelu\"");
  const int y = p.op("segmentAttention", {x, x, x, segments}, {}, p.value("y", "patches", kHidden),
                     "\"heads\":2,\"kvHeads\":2,\"kDim\":16,\"vDim\":16,\"scale\":0.25");
  const int tokens = p.op("gatherRows", {y, order}, {}, p.value("gathered", "tokens", kHidden));
  p.output(p.op("linear", {tokens}, {p.weight("out", {kHidden, kHidden})}, p.value("features", "tokens", kHidden)));
  return p.text();
}

Asked look(Engine& engine, const Tiled& picture) {
  const std::vector<Piece> pieces{{text(9, 1), {}}, {{}, picture.image()}, {text(5, 2), {}}};
  Prompt prompt = render(pieces, Kind::causal);
  prompt.spans[0].symbols = {{"patches", static_cast<int64_t>(picture.tiles.size()) * picture.each},
                             {"tokens", picture.rows()},
                             {"segments", static_cast<int64_t>(picture.tiles.size()) + 1}};
  const Planned planned = Pending(engine, std::move(prompt), {4, false}).wait();
  if (!planned.plan.value) std::fprintf(stderr, "%s\n", planned.plan.message.c_str());
  CHECK(planned.plan.value && planned.plan.value->needed.size() == 1);
  std::promise<bool> encoded;
  engine.encode(
      planned.id, picture.image().key(), picture.inputs(), [&] { encoded.set_value(true); },
      [&](const Error& error) { std::fprintf(stderr, "%s\n", error.what()), encoded.set_value(false); });
  CHECK(encoded.get_future().get());
  GenerateOptions options;
  options.capture_logits = true;
  auto answered = generate(engine, planned.id, options).get();
  CHECK(answered.value);
  return {*planned.plan.value, std::move(*answered.value)};
}

// `picture` in an engine that has seen the others, and in one that has seen nothing. `rows`: of its features, from the
// first one on, whose keys and values are those of another picture.
void is_encoded_but_for(const std::vector<Tiled>& seen, const Tiled& picture, int reused, int rows) {
  TinyModel model(Kind::causal);
  if (picture.across) model.source.vision_json = across_program();
  const auto warm = model.engine(roomy(KvType::f32)), cold = model.engine(roomy(KvType::f32));
  for (const Tiled& other : seen) look(*warm, other);
  const Asked again = look(*warm, picture), first = look(*cold, picture);
  CHECK(same_bits(again.result.logits, first.result.logits));
  CHECK(again.result.tokens == first.result.tokens);
  CHECK(again.result.cache.tiles == static_cast<int32_t>(picture.tiles.size()));
  CHECK(again.result.cache.tiles_reused == reused);
  CHECK(again.result.cache.image_tokens_reused == rows && first.result.cache.image_tokens_reused == 0);
  // What was taken over is kept as if it had been computed.
  CHECK(warm->stats().blocks_in_use >= cold->stats().blocks_in_use);
  warm->close();
  CHECK(warm->stats().blocks_leaked == 0 && warm->stats().bytes_reserved == 0);
}

void engine_reuses(bool across) {
  const auto of = [&](std::vector<uint32_t> tiles) { return Tiled{std::move(tiles), across}; };
  const auto leading = [&](int tiles) { return across ? tiles : tiles * kEach; };
  is_encoded_but_for({}, of({1, 2, 3}), 0, 0);
  is_encoded_but_for({}, of({4, 4, 4, 5}), across ? 1 : 2, 0);  // the same tile in one picture
  is_encoded_but_for({of({1, 2, 3})}, of({1, 9, 3}), 2, leading(1));
  is_encoded_but_for({of({1, 2, 3})}, of({3, 1, 2, 8}), across ? 1 : 3, 0);  // elsewhere; the first has the line breaks
  is_encoded_but_for({of({1, 2}), of({3, 4})}, of({1, 4, 5}), 2, leading(1));                       // of two pictures
  is_encoded_but_for({of({1, 7, 8}), of({1, 2, 8}), of({1, 7, 9})}, of({1, 2, 3}), 2, leading(2));  // the most alike
  std::vector<uint32_t> many(20);
  std::iota(many.begin(), many.end(), 1u);
  const Tiled before = of(many);
  many[15] = 99;
  is_encoded_but_for({before}, of(many), 19, leading(15));  // several blocks of positions
}

// Large tiles run few at a time: others together, the same bits; and in the memory of few.
void large_tiles_run_apart(bool across) {
  const auto of = [&](std::vector<uint32_t> tiles) { return Tiled{std::move(tiles), across, 600}; };
  is_encoded_but_for({of({9, 1}), of({8, 2, 3}), of({7, 4})}, of({1, 2, 3, 4}), across ? 3 : 4, 0);
  TinyModel model(Kind::causal);
  if (across) model.source.vision_json = across_program();
  const auto few = model.engine(roomy(KvType::f32)), many = model.engine(roomy(KvType::f32));
  look(*few, of({1, 2}));
  look(*many, of({1, 2, 3, 4, 5}));
  CHECK(few->stats().scratch_bytes == many->stats().scratch_bytes);
}

// Pictures that are one tile have nothing to say about tiles.
void one_tile_is_no_tile() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(roomy(KvType::f32));
  const Asked asked = look(*engine, {{1}});
  CHECK(asked.result.cache.tiles == 0 && asked.result.cache.tiles_reused == 0);
}

// The features of an image that was given up are not used.
void gone_with_their_image() {
  const TinyModel model(Kind::causal);
  EngineOptions options = roomy(KvType::f32);
  options.budgets.feature_bytes = 3 * kEach * kHidden * sizeof(float);  // those of one
  const auto engine = model.engine(options);
  look(*engine, {{1, 2, 3}});
  look(*engine, {{6, 7, 8}});
  CHECK(look(*engine, {{1, 9, 3}}).result.cache.tiles_reused == 0);
}

// Where a row of one tile is read for another, they are one.
void mixed_tiles_are_one() {
  const Program program = parse_program(across_program());
  std::vector<NamedInput> inputs = Tiled{{1, 2, 3}, true}.inputs();
  CHECK(ImageTiles::find(program, inputs)->count() == 3);
  std::vector<int32_t> edges{0, 2 * kEach, 3 * kEach};  // the first two attend to each other
  inputs[1] = Tiled::given("segments", DType::i32, 1, edges);
  CHECK(ImageTiles::find(program, inputs)->count() == 2);
  edges = {0, 3 * kEach};
  inputs[1] = Tiled::given("segments", DType::i32, 1, edges);
  CHECK(!ImageTiles::find(program, inputs));
}

}  // namespace

int main() {
  engine_reuses(false);
  engine_reuses(true);
  large_tiles_run_apart(false);
  large_tiles_run_apart(true);
  one_tile_is_no_tile();
  gone_with_their_image();
  mixed_tiles_are_one();
  std::printf("tiles: all passed\n");
  return 0;
}
