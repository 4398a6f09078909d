#include "session/decoder.h"

#include <algorithm>

namespace afterimage {

struct Decoder::Inputs {
  std::vector<int32_t> ids;            // [rows]
  std::vector<int32_t> positions;      // [rows][axes]
  std::vector<int32_t> before;         // [rows][axes]: positions of the item before; zeros before the first
  std::vector<int32_t> feature_index;  // [rows]: row of `features`
  std::vector<int32_t> logit_rows;
  std::vector<std::vector<float>> features;  // of each level: [features][hidden]
  RowBatch batch;
};

Decoder::Decoder(std::unique_ptr<Executor> executor, const KvCache& kv, int32_t deepstack, int64_t hidden)
    : executor_(std::move(executor)), kv_(kv), deepstack_(deepstack), hidden_(hidden) {}

size_t Decoder::predict_bytes(int64_t rows, int64_t logits) const {
  return executor_->predict_bytes({{"rows", rows}, {"features", rows}, {"logits", logits}});
}

DecoderResult Decoder::run(std::span<const DecoderRows> parts, const std::atomic<bool>& cancel) {
  Inputs inputs;
  inputs.features.resize(static_cast<size_t>(deepstack_) + 1);
  inputs.batch.kv = &kv_.layout();
  inputs.batch.states = &kv_.states();
  for (const DecoderRows& part : parts) append(part, inputs);
  // A run has at least one row of each kind: a chunk in the middle of a prompt computes logits that nobody reads.
  if (inputs.logit_rows.empty()) inputs.logit_rows.push_back(0);
  for (auto& level : inputs.features)
    if (level.empty()) level.resize(static_cast<size_t>(hidden_));

  RunRequest request;
  request.batch = &inputs.batch;
  const auto rows = static_cast<int64_t>(inputs.ids.size());
  bind("input_ids", rows, inputs.ids.data(), request.inputs);
  bind("position_ids", rows, inputs.positions.data(), request.inputs);
  bind("position_ids_before", rows, inputs.before.data(), request.inputs);
  bind("feature_index", rows, inputs.feature_index.data(), request.inputs);
  for (int32_t level = 0; level <= deepstack_; ++level) {
    const auto& values = inputs.features[level];
    bind(level == 0 ? "features" : "features." + std::to_string(level), static_cast<int64_t>(values.size()) / hidden_,
         values.data(), request.inputs);
  }
  bind("logit_rows", static_cast<int64_t>(inputs.logit_rows.size()), inputs.logit_rows.data(), request.inputs);
  std::vector<HostTensor> outputs = executor_->run(request, cancel);
  return {std::move(outputs[0]), outputs.size() > 1 ? std::move(outputs[1]) : HostTensor{}};
}

void Decoder::bind(const std::string& name, int64_t rows, const void* host, std::vector<Binding>& bindings) const {
  const Program& program = executor_->program();
  const int32_t value = program.value_index(name);
  const bool declared = value >= 0 && std::count(program.inputs.begin(), program.inputs.end(), value) > 0;
  if (declared) bindings.push_back({name, rows, host, {}});
}

void Decoder::append(const DecoderRows& part, Inputs& inputs) const {
  const Sequence& sequence = part.timeline->sequence();
  const auto first_row = static_cast<int32_t>(inputs.ids.size());
  inputs.batch.sequences.push_back(part.timeline->rows(first_row, part.count()));
  for (int32_t item = part.timeline->computed(); item < part.end; ++item) {
    inputs.ids.push_back(sequence.id(item));
    const auto positions = sequence.positions(item);
    inputs.positions.insert(inputs.positions.end(), positions.begin(), positions.end());
    if (item > 0) {
      const auto before = sequence.positions(item - 1);
      inputs.before.insert(inputs.before.end(), before.begin(), before.end());
    } else {
      inputs.before.resize(inputs.positions.size(), 0);
    }
    inputs.batch.visible_end.push_back(sequence.visible_end(item));
    append_features(part, item, inputs);
    if (item >= part.logits_from) inputs.logit_rows.push_back(static_cast<int32_t>(inputs.ids.size()) - 1);
  }
}

void Decoder::append_features(const DecoderRows& part, int32_t item, Inputs& inputs) const {
  const Sequence& sequence = part.timeline->sequence();
  const int32_t row = sequence.feature_row(item);
  if (row < 0) return inputs.feature_index.push_back(-1);
  const ImageFeatures& image = *part.features->at(sequence.span_at(item)->key);
  inputs.feature_index.push_back(static_cast<int32_t>(inputs.features.front().size() / static_cast<size_t>(hidden_)));
  for (size_t level = 0; level < inputs.features.size(); ++level) {
    const float* values = image.tensors[level].data() + static_cast<int64_t>(row) * hidden_;
    inputs.features[level].insert(inputs.features[level].end(), values, values + hidden_);
  }
}

}  // namespace afterimage
