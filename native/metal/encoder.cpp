#include "metal/encoder.h"

#include <algorithm>
#include <cstring>

#include "graph/error.h"
#include "metal/attention_params.h"

namespace afterimage::metal {
namespace {

constexpr int kOperatorsPerCommit = 16;  // about one decoder layer: how soon a cancelled run ends
constexpr size_t kInFlight = 2;
constexpr size_t kArenaBytes = 1 << 20;

std::string failure_text(const Outcome& outcome) {
  if (outcome.lost) return "The GPU was lost (" + outcome.error + "); close the session and start again.";
  if (outcome.out_of_memory)
    return "The GPU ran out of memory (" + outcome.error + "); close other sessions or use a smaller image.";
  return "A GPU command failed (" + outcome.error + "); run `afterimage doctor --metal`, or use the cpu backend.";
}

}  // namespace

Encoder::Encoder(Device& device, Pipelines& pipelines) : device_(device), pipelines_(pipelines) {
  unused_ = device.allocate(256);
  if (!unused_) throw Error("OUT_OF_MEMORY", "The GPU refused the first 256 bytes; close other programs that use it.");
}

Encoder::~Encoder() { abandon(); }

Commands& Encoder::commands() {
  if (!current_) {
    current_ = device_.begin();
    used_.clear();
  }
  return *current_;
}

Encoder& Encoder::kernel(const std::string& family, const std::string& name, uint32_t threads) {
  const Pipeline& pipeline = pipelines_.get(family, name, threads);
  threads_ = threads;
  commands().pipeline(pipeline);
  return *this;
}

Encoder& Encoder::bind(uint32_t index, const Tensor& tensor) {
  commands().bind(index, buffer_of(tensor.memory), tensor.offset);
  return *this;
}

Encoder& Encoder::bind(uint32_t index, const Placement& placement) {
  commands().bind(index, *placement.buffer, placement.offset);
  return *this;
}

Encoder& Encoder::bind_unused(uint32_t index) {
  commands().bind(index, *unused_, 0);
  return *this;
}

Encoder& Encoder::use(Memory& memory) {
  const Buffer& buffer = buffer_of(&memory);
  commands();
  if (used_.insert(&buffer).second) commands().use(buffer);
  return *this;
}

void Encoder::dispatch(uint32_t x, uint32_t y, uint32_t z) { commands().dispatch({x, y, z}, threads_); }

Placement Encoder::upload(const void* data, size_t bytes) {
  const size_t rounded = (bytes + 255) / 256 * 256;
  while (arena_index_ < arena_.size() && arena_used_ + rounded > arena_[arena_index_]->bytes()) {
    ++arena_index_;
    arena_used_ = 0;
  }
  if (arena_index_ == arena_.size()) {
    auto buffer = device_.allocate(std::max(rounded, kArenaBytes));
    if (!buffer)
      throw Error("OUT_OF_MEMORY",
                  "The GPU has no room for " + std::to_string(rounded) + " bytes of tables; close other sessions.");
    arena_.push_back(std::move(buffer));
    arena_used_ = 0;
  }
  Buffer& buffer = *arena_[arena_index_];
  std::memcpy(static_cast<std::byte*>(buffer.contents()) + arena_used_, data, bytes);
  const Placement placement{&buffer, arena_used_};
  arena_used_ += rounded;
  return placement;
}

const BatchTables& Encoder::tables(const RowBatch& batch) {
  if (tables_of_ == &batch) return *tables_;
  auto tables = std::make_unique<BatchTables>();
  std::vector<KvBlock> blocks;
  std::vector<RowPlace> places(batch.visible_end.size());
  std::vector<uint32_t> row_sequences(batch.visible_end.size());
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const SequenceRows& sequence = batch.sequences[s];
    tables->first_block.push_back(static_cast<uint32_t>(blocks.size()));
    for (int32_t r = 0; r < sequence.rows; ++r) {
      const int64_t position = sequence.first_position + r;
      const size_t row = static_cast<size_t>(sequence.first_row + r);
      places[row] = {static_cast<uint32_t>(blocks.size() + static_cast<size_t>(position / kBlockPositions)),
                     static_cast<uint32_t>(position % kBlockPositions), static_cast<int32_t>(position),
                     batch.visible_end[row]};
      row_sequences[row] = static_cast<uint32_t>(s);
    }
    for (Memory* block : sequence.blocks) blocks.push_back({buffer_of(block).gpu_address()});
  }
  if (blocks.empty()) blocks.push_back({0});
  tables->places = upload(places);
  tables->row_sequences = upload(row_sequences);
  tables->blocks = upload(blocks);
  tables_ = std::move(tables);
  tables_of_ = &batch;
  return *tables_;
}

void Encoder::operator_done() {
  if (++operators_ >= kOperatorsPerCommit) commit();
}

void Encoder::commit() {
  operators_ = 0;
  if (!current_) return;
  while (in_flight_.size() >= kInFlight) wait_oldest();
  current_->commit();
  in_flight_.push_back(std::move(current_));
}

void Encoder::wait_oldest() {
  const Outcome outcome = in_flight_.front()->wait();
  in_flight_.pop_front();
  if (outcome.error.empty()) return;
  lost_ = lost_ || outcome.lost;
  throw Error(outcome.out_of_memory ? ErrorCode("OUT_OF_MEMORY") : ErrorCode("BACKEND_FAILED"), failure_text(outcome));
}

void Encoder::drain() {
  commit();
  while (!in_flight_.empty()) wait_oldest();
}

void Encoder::abandon() noexcept {
  current_.reset();
  operators_ = 0;
  for (auto& commands : in_flight_) lost_ = commands->wait().lost || lost_;
  in_flight_.clear();
}

void Encoder::end_run() {
  arena_index_ = arena_used_ = 0;
  tables_of_ = nullptr;
  tables_.reset();
}

}  // namespace afterimage::metal
