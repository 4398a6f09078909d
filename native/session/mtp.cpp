#include "session/mtp.h"

#include <algorithm>

namespace afterimage {

Mtp::Mtp(std::unique_ptr<Executor> executor, const KvCache& kv, int32_t position_axes)
    : executor_(std::move(executor)), kv_(kv), position_axes_(position_axes) {}

Mtp::Guess Mtp::run(const Timeline& timeline, int32_t item, int32_t token, std::span<const float> hidden,
                    const std::atomic<bool>& cancel) {
  RowBatch batch;
  batch.kv = &kv_.layout();
  batch.states = &kv_.states();
  batch.sequences.push_back(timeline.row_at(item));
  batch.visible_end.push_back(item + 1);
  // A row turns as the item does whose state it is given; behind the last item stand guesses.
  const Sequence& sequence = timeline.sequence();
  std::vector<int32_t> positions(static_cast<size_t>(position_axes_), item - 1 + sequence.prompt().rope_delta);
  if (item - 1 < sequence.size())
    std::copy_n(sequence.positions(item - 1).begin(), positions.size(), positions.begin());
  RunRequest request;
  request.batch = &batch;
  request.inputs = {
      {"input_ids", 1, &token, {}}, {"position_ids", 1, positions.data(), {}}, {"hidden.before", 1, hidden.data(), {}}};
  std::vector<HostTensor> outputs = executor_->run(request, cancel);
  return {std::move(outputs[0].data), std::move(outputs[1].data)};
}

}  // namespace afterimage
