#include "session/encode_step.h"

#include <algorithm>

#include "session/admission.h"
#include "session/failure.h"

namespace afterimage {

namespace {

using Places = std::map<TileKey, TileFeatures::Place>;

// Patches that keep every thread busy: more of them in one run only need more scratch.
constexpr int64_t kPatchesTogether = 1024;

// Which of the tiles run together, each list in their order.
std::vector<std::vector<size_t>> runs_of(const ImageTiles& tiles, const std::vector<size_t>& unseen) {
  std::vector<std::vector<size_t>> runs;
  int64_t patches = kPatchesTogether;
  for (size_t tile : unseen) {
    if (patches >= kPatchesTogether) {
      runs.emplace_back();
      patches = 0;
    }
    runs.back().push_back(tile);
    patches += tiles.patches(tile);
  }
  return runs;
}

// Where the features of a run stand that had these tiles only.
void note_places(const ImageTiles& tiles, const std::vector<size_t>& ran, const FeatureCache::Held& features,
                 Places& places) {
  std::vector<int32_t> rows;  // of the image, in the order of the run's
  for (size_t tile : ran) rows.insert(rows.end(), tiles.feature_rows(tile).begin(), tiles.feature_rows(tile).end());
  std::sort(rows.begin(), rows.end());
  for (size_t tile : ran) {
    TileFeatures::Place& place = places[tiles.keys()[tile]];
    place.image = features;
    for (int32_t row : tiles.feature_rows(tile))
      place.rows.push_back(static_cast<int32_t>(std::lower_bound(rows.begin(), rows.end(), row) - rows.begin()));
  }
}

// The features of all tiles, from their places.
ImageFeatures assembled(const ImageTiles& tiles, const Places& places) {
  const ImageFeatures& like = *places.begin()->second.image;
  ImageFeatures features;
  features.width = like.width;
  for (size_t tile = 0; tile < tiles.count(); ++tile)
    features.rows += static_cast<int64_t>(tiles.feature_rows(tile).size());
  for (size_t level = 0; level < like.tensors.size(); ++level) {
    std::vector<float>& to = features.tensors.emplace_back(static_cast<size_t>(features.rows * features.width));
    for (size_t tile = 0; tile < tiles.count(); ++tile) {
      const TileFeatures::Place& source = places.at(tiles.keys()[tile]);
      const std::vector<float>& from = source.image->tensors[level];
      for (size_t i = 0; i < source.rows.size(); ++i)
        std::copy_n(from.begin() + source.rows[i] * features.width, features.width,
                    to.begin() + tiles.feature_rows(tile)[i] * features.width);
    }
  }
  return features;
}

}  // namespace

void EncodeStep::accept(const RequestPtr& request, EncodeJob job) {
  if (request->state == Request::State::ended) return job.on_error(Error("CANCELLED", "The request has ended."));
  const auto& needed = request->plan.needed;
  const bool listed = std::find(needed.begin(), needed.end(), job.key) != needed.end();
  if (request->state != Request::State::planned || !listed || !state_.model.vision)
    return job.on_error(Error("INVALID_ARGUMENT", "Expected an image that the plan of an idle request lists."));
  request->encode_job = std::move(job);
  request->state = Request::State::encoding;
  state_.turns.join(request);
}

void EncodeStep::run(const RequestPtr& request) {
  EncodeJob job = std::move(request->encode_job);
  const Sequence& sequence = request->timeline->sequence();
  const auto& spans = sequence.prompt().spans;
  const ImageSpan& span = *std::find_if(spans.begin(), spans.end(), [&](const auto& s) { return s.key == job.key; });
  const auto start = Clock::now();
  paused_ms_ = 0;
  try {
    FeatureCache::Held held = state_.features.find(job.key);
    if (!held) held = run_encoder(request, job, span);
    check_features(sequence, job.key, *held);
    request->features[job.key] = std::move(held);
    state_.store.adopt(sequence, job.key, state_.tiles.most_alike(job.key));
  } catch (const Preempted&) {
    request->encode_job = std::move(job);
    return state_.turns.go_first(request);
  } catch (...) {
    const Error error = error_of(std::current_exception());
    if (error.is("CANCELLED")) ++state_.counters.runs_cancelled;
    request->encode_job.on_error = std::move(job.on_error);
    return state_.requests.fail(request, error);
  }
  if (!rows_fit_beside()) state_.model.vision->executor().release_scratch();
  const double spent = milliseconds_since(start) - paused_ms_;
  request->plan.cache.encode_ms += spent;
  state_.counters.encode_ms += spent;
  std::erase(request->plan.needed, job.key);
  request->state = Request::State::planned;
  job.on_encoded();
}

FeatureCache::Held EncodeStep::run_encoder(const RequestPtr& request, const EncodeJob& job, const ImageSpan& span) {
  Interrupt::Subject* subject = request.get();
  const InterruptibleRun run(state_.interrupt, {&subject, 1});
  if (!run.begun()) throw Error("CANCELLED", "The request was cancelled.");
  make_scratch_room(span.symbols);
  const auto tiles = ImageTiles::find(state_.model.vision->executor().program(), job.inputs);
  ImageFeatures features = tiles ? encode_unseen(request, job.inputs, *tiles) : encode(request, job.inputs);
  state_.model.require_intact();
  auto held = state_.features.insert(job.key, std::move(features));
  ++state_.counters.images_encoded;
  if (!tiles) return held;
  state_.tiles.tidy();
  for (size_t tile = 0; tile < tiles->count(); ++tile)
    state_.tiles.insert(tiles->keys()[tile], held, tiles->feature_rows(tile));
  state_.tiles.insert_image(job.key, held, tiles->runs());
  return held;
}

ImageFeatures EncodeStep::encode(const RequestPtr& request, const std::vector<NamedInput>& inputs) {
  return state_.model.vision->encode(
      inputs, state_.options.pause_every, [&] { pause(request); }, state_.interrupt.flag());
}

// Runs the tiles that no image had, each once and few at a time, so that scratch does not grow with the picture; the
// others' rows are taken from where they stand.
ImageFeatures EncodeStep::encode_unseen(const RequestPtr& request, const std::vector<NamedInput>& inputs,
                                        const ImageTiles& tiles) {
  Places places;
  std::vector<size_t> unseen;
  for (size_t tile = 0; tile < tiles.count(); ++tile) {
    const auto [place, first] = places.try_emplace(tiles.keys()[tile], state_.tiles.find(tiles.keys()[tile]));
    if (first && !place->second.image) unseen.push_back(tile);
  }
  request->plan.cache.tiles += static_cast<int32_t>(tiles.count());
  request->plan.cache.tiles_reused += static_cast<int32_t>(tiles.count() - unseen.size());
  state_.counters.tiles_reused += tiles.count() - unseen.size();
  for (const std::vector<size_t>& run : runs_of(tiles, unseen)) {
    const bool all = run.size() == tiles.count();
    auto features = encode(request, all ? inputs : tiles.inputs_of(run));
    if (all) return features;
    note_places(tiles, run, std::make_shared<const ImageFeatures>(std::move(features)), places);
  }
  return assembled(tiles, places);
}

void EncodeStep::pause(const RequestPtr& request) {
  const auto begun = Clock::now();
  on_pause(request);
  paused_ms_ += milliseconds_since(begun);
  // The runs of the others had the interrupt for themselves.
  Interrupt::Subject* subject = request.get();
  if (!state_.interrupt.begin({&subject, 1})) throw Error("CANCELLED", "The request was cancelled.");
}

// Each program fits the scratch budget alone; the idle one gives its memory back where both do not.
void EncodeStep::make_scratch_room(const std::map<std::string, int64_t>& symbols) {
  Executor& decoder = state_.model.decoder->executor();
  Vision& vision = *state_.model.vision;
  const size_t wanted = symbols.empty() ? vision.executor().scratch_bytes() : vision.predict_bytes(symbols);
  if (wanted + decoder.scratch_bytes() > state_.options.budgets.scratch_bytes) decoder.release_scratch();
}

bool EncodeStep::rows_fit_beside() const {
  const size_t rows = std::max(decoder_scratch_, state_.model.decoder->executor().scratch_bytes());
  return state_.model.vision->executor().scratch_bytes() + rows <= state_.options.budgets.scratch_bytes;
}

}  // namespace afterimage
