// An image in the vision encoder does not hold up the others: they are planned, answered and cancelled meanwhile.
#include <algorithm>

#include "session_ask.h"
#include "session_gate_backend.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

using Pieces = std::vector<Piece>;

EngineOptions options() {
  EngineOptions o;
  o.chunk_rows = 32;
  o.pause_every = 1;
  return o;
}

// What happened, in order, as letters.
class Log {
 public:
  void add(char letter) {
    std::lock_guard lock(mutex_);
    text_ += letter;
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// One request about one image (or none), whose steps write its letter to the log: lower case when its image is encoded
// or it is planned, upper case for a token or an error.
struct Asker {
  Asker(Engine& owner, Log& events, char name, Pieces asked, bool low)
      : engine(owner), log(events), letter(name), pieces(std::move(asked)), low_priority(low) {}

  void begin() {
    pending = std::make_unique<Pending>(engine, render(pieces, Kind::causal),
                                        RequestOptions{low_priority ? 0 : 4, low_priority});
  }
  Planned plan() { return planned = pending->wait(); }
  std::future<bool> encode() {
    auto done = std::make_shared<std::promise<bool>>();
    const Image image = images_of(pieces).front();
    engine.encode(
        planned.id, image.key(), image.inputs(), [this, done] { log.add(letter), done->set_value(true); },
        [this, done](const Error&) { log.add(upper()), done->set_value(false); });
    return done->get_future();
  }
  std::future<Outcome<GenerateResult>> generate() {
    GenerateOptions capture;
    capture.capture_logits = true;
    return test::generate(engine, planned.id, capture, [this](int32_t) { log.add(upper()); });
  }
  char upper() const { return static_cast<char>(letter - 'a' + 'A'); }

  Engine& engine;
  Log& log;
  const char letter;
  const Pieces pieces;
  const bool low_priority;
  std::unique_ptr<Pending> pending;
  Planned planned;
};

struct Scene {
  TinyModel model{Kind::causal};
  Gate gate;
  Log log;
  std::unique_ptr<Engine> engine = gated_engine(model, options(), gate);
  Asker asker(char name, Pieces pieces, bool low = false) { return {*engine, log, name, std::move(pieces), low}; }
  void check_bits(const Asker& asker, const GenerateResult& result) const {
    const auto fresh = model.engine(options());
    CHECK(same_bits(ask(*fresh, asker.pieces, Kind::causal, 4).result.logits, result.logits));
  }
};

const Pieces kPicture{{text(10, 1), {}}, {{}, {1, 60}}, {text(6, 2), {}}};
const Pieces kOther{{text(10, 1), {}}, {{}, {2, 60}}, {text(6, 3), {}}};
const Pieces kWords{{text(20, 4), {}}};

void answers_come_while_an_image_is_encoded() {
  Scene scene;
  Asker looking = scene.asker('a', kPicture), talking = scene.asker('b', kWords);
  looking.begin(), looking.plan();
  talking.begin(), talking.plan();
  scene.gate.shut();
  auto encoded = looking.encode();
  scene.gate.await_run();
  auto answer = talking.generate();
  scene.gate.open();
  CHECK(encoded.get());
  CHECK(scene.log.text().find('a') >= 2);
  const auto said = answer.get(), seen = looking.generate().get();
  CHECK(said.value && seen.value);
  scene.check_bits(talking, *said.value);
  scene.check_bits(looking, *seen.value);
  CHECK(seen.value->cache.encode_ms > 0);
}

void plans_and_cancels_do_not_wait_for_an_image() {
  Scene scene;
  Asker looking = scene.asker('a', kPicture), queued = scene.asker('b', kOther), late = scene.asker('c', kWords);
  looking.begin(), looking.plan();
  queued.begin(), queued.plan();
  scene.gate.shut();
  auto encoded = looking.encode();
  scene.gate.await_run();
  auto never = queued.encode();
  late.begin();
  scene.engine->cancel(queued.planned.id);
  scene.gate.open();
  CHECK(!never.get() && encoded.get() && late.plan().plan.value);
  CHECK(scene.log.text() == "Ba");
  scene.engine->close();
  CHECK(scene.engine->stats().images_encoded == 1);
}

void the_image_itself_is_cancelled() {
  Scene scene;
  Asker looking = scene.asker('a', kPicture), talking = scene.asker('b', kWords);
  looking.begin(), looking.plan();
  talking.begin(), talking.plan();
  scene.gate.shut();
  auto encoded = looking.encode();
  scene.gate.await_run();
  auto answer = talking.generate();
  scene.engine->cancel(looking.planned.id);
  CHECK(!encoded.get());
  scene.gate.open();
  CHECK(answer.get().value->tokens.size() == 4);
  scene.engine->close();
  CHECK(scene.engine->stats().images_encoded == 0 && scene.engine->stats().blocks_leaked == 0);
}

// A picture that is warmed stops being encoded when another request brings one, and is encoded after it.
void a_warmed_image_gives_way() {
  Scene scene;
  Asker warming = scene.asker('a', kPicture, true), asking = scene.asker('b', kOther);
  warming.begin(), warming.plan();
  asking.begin(), asking.plan();
  scene.gate.shut();
  auto warmed = warming.encode();
  scene.gate.await_run();
  auto encoded = asking.encode();
  scene.gate.open();
  CHECK(encoded.get() && warmed.get());
  CHECK(scene.log.text() == "ba");
  const auto seen = asking.generate().get();
  scene.check_bits(asking, *seen.value);
  CHECK(warming.generate().get().value->stop == StopReason::length);
  scene.engine->close();
  CHECK(scene.engine->stats().images_encoded == 2);
}

}  // namespace

int main() {
  answers_come_while_an_image_is_encoded();
  plans_and_cancels_do_not_wait_for_an_image();
  the_image_itself_is_cancelled();
  a_warmed_image_gives_way();
  std::puts("ok");
}
