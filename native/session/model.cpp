#include "session/model.h"

#include <algorithm>

#include "graph/error.h"
#include "weights/sha256.h"

namespace afterimage {

namespace {

using Progress = std::function<void(size_t, size_t)>;

ModelTraits checked(const ModelTraits& traits) {
  const bool sound =
      traits.position_axes >= 1 && traits.deepstack >= 0 && traits.hidden > 0 && traits.vocab > 0 && traits.context > 0;
  if (!sound) throw Error("INVALID_ARGUMENT", "Expected positive position axes, hidden size, vocabulary and context.");
  return traits;
}

const char* name_of(Precision precision) {
  return precision == Precision::exact ? "exact" : precision == Precision::fast ? "fast" : "faster";
}

// Two engines may read each other's files exactly if this text is the same.
std::string identity_of(const std::string& digest, const Backend& backend, const EngineOptions& options,
                        const ModelSource& source, const KvCache& kv) {
  std::string layout;
  for (const KvLayer& layer : kv.layout().layers())
    layout +=
        std::to_string(layer.kv_heads) + "x" + std::to_string(layer.k_dim) + "+" + std::to_string(layer.v_dim) + " ";
  return "engine " AFTERIMAGE_ENGINE "\nweights " + digest + "\nbackend " + backend.identity() + "\nprecision " +
         name_of(options.precision) + "\nkv " + name_of(options.kv_type) + "\nprograms " +
         Sha256().update(source.vision_json).update(source.decoder_json).hex() + "\nlayout " +
         Sha256().update(layout).hex() + "\n";
}

// Throws INVALID_PROGRAM where the decoder does not feed it.
Program mtp_program(const ModelSource& source, const Program& decoder) {
  Program program = parse_program(source.mtp_json);
  if (decoder.outputs.size() != 2 || program.outputs.size() != 2 || program.kv_layers != decoder.kv_layers)
    throw Error(
        "INVALID_PROGRAM",
        "Expected a decoder that also yields its hidden states, and a head over the same KV layers; correct the "
        "model family's file.");
  return program;
}

size_t stored_bytes(const Checkpoint& checkpoint) {
  size_t bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) bytes += tensor.bytes;
  return bytes;
}

}  // namespace

Model::Model(const EngineOptions& options, ModelSource source, Backend& backend, const Progress& progress)
    : traits(checked(source.traits)), checkpoint_(std::make_unique<Checkpoint>(source.files, source.headers)) {
  const size_t whole = stored_bytes(*checkpoint_);
  size_t before = 0, last = 0;
  const Progress part = [&](size_t done, size_t) {
    last = before + done;
    if (progress) progress(std::min(last, whole), whole);
  };
  Program decoder_program = parse_program(source.decoder_json);
  kv = std::make_unique<KvCache>(backend, KvLayout(decoder_program.kv_layers, options.kv_type),
                                 StateLayout(decoder_program.state_elements), options.budgets.kv_bytes);
  digest = checkpoint_->digest();  // first, so that no weight is there twice: what it reads is let go of
  if (!source.vision_json.empty()) {
    vision = std::make_unique<Vision>(
        std::make_unique<Executor>(parse_program(source.vision_json), *checkpoint_, backend, options.precision, part),
        traits.deepstack, traits.hidden);
    before = last;
  }
  decoder = std::make_unique<Decoder>(
      std::make_unique<Executor>(std::move(decoder_program), *checkpoint_, backend, options.precision, part), *kv,
      traits.deepstack, traits.hidden);
  if (!source.mtp_json.empty())
    mtp = std::make_unique<Mtp>(
        std::make_unique<Executor>(mtp_program(source, decoder->executor().program()), *checkpoint_, backend,
                                   options.precision, nullptr, &decoder->executor()),
        *kv, traits.position_axes);
  if (vision) vision->executor().prove(std::nullopt);
  decoder->executor().prove(options.kv_type);
  if (mtp) mtp->executor().prove(options.kv_type);
  checkpoint_->require_intact();
  format = {identity_of(digest, backend, options, source, *kv), kv->layout().block_bytes(), kv->states().bytes};
}

size_t Model::weight_bytes() const noexcept {
  return decoder->executor().weight_bytes() + (mtp ? mtp->executor().weight_bytes() : 0) +
         (vision ? vision->executor().weight_bytes() : 0);
}

size_t Model::scratch_bytes() const noexcept {
  return decoder->executor().scratch_bytes() + (mtp ? mtp->executor().scratch_bytes() : 0) +
         (vision ? vision->executor().scratch_bytes() : 0);
}

}  // namespace afterimage
