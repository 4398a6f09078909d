#include "metal/encoder.h"

#include <algorithm>
#include <cstring>

#include "graph/error.h"
#include "metal/attention_params.h"
#include "metal/work.h"

namespace afterimage::metal {
namespace {

constexpr int kOperatorsPerCommit = 96;  // a few decoder layers: how soon a cancelled run ends
constexpr size_t kInFlight = 3;
constexpr size_t kArenaBytes = 1 << 20;

[[noreturn]] void fail(const Outcome& outcome, bool lost) {
  if (lost)
    throw Error("BACKEND_LOST", "The GPU takes no more work of this process (" + outcome.error +
                                    "); restart afterimage, with --backend cpu if it happens again.");
  if (outcome.out_of_memory)
    throw Error("OUT_OF_MEMORY",
                "The GPU ran out of memory (" + outcome.error + "); close other sessions or use a smaller image.");
  throw Error("BACKEND_FAILED", "A GPU command failed (" + outcome.error +
                                    "); ask again, and run `afterimage doctor --metal` if it happens again.");
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
    // The system orders command buffers.
    read_.clear();
    written_.clear();
    under_way_ = false;
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

void Encoder::operands(std::vector<Range> reads, std::vector<Range> writes) {
  reads_ = std::move(reads);
  writes_ = std::move(writes);
  under_way_ = false;
}

void Encoder::order() {
  if (under_way_) return;
  const auto meets = [](const std::vector<Range>& some, const std::vector<Range>& others) {
    for (const Range& one : some)
      for (const Range& other : others)
        if (one.meets(other)) return true;
    return false;
  };
  if (meets(reads_, written_) || meets(writes_, written_) || meets(writes_, read_)) barrier();
  read_.insert(read_.end(), reads_.begin(), reads_.end());
  written_.insert(written_.end(), writes_.begin(), writes_.end());
  under_way_ = true;
}

void Encoder::barrier() {
  commands().barrier();
  read_.clear();
  written_.clear();
  under_way_ = false;
}

void Encoder::dispatch(uint32_t x, uint32_t y, uint32_t z) {
  order();
  commands().dispatch({x, y, z}, threads_);
}

Placement Encoder::scratch(size_t bytes) {
  if (!scratch_ || scratch_->bytes() < bytes) {
    scratch_ = device_.allocate(std::max(bytes, kArenaBytes));
    if (!scratch_)
      throw Error("OUT_OF_MEMORY",
                  "The GPU has no room for " + std::to_string(bytes) + " bytes of attention; close other sessions.");
  }
  return {scratch_.get(), 0};
}

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

void Encoder::make_room(double seconds) {
  if (seconds_ > 0 && seconds_ + seconds > kMostSeconds) commit();
  seconds_ += seconds;
}

void Encoder::operator_done() {
  if (++operators_ >= kOperatorsPerCommit) commit();
}

void Encoder::commit() {
  operators_ = 0;
  seconds_ = 0;
  if (!current_) return;
  while (in_flight_.size() >= kInFlight) wait_oldest();
  current_->commit();
  in_flight_.push_back(std::move(current_));
}

// Memory that ran out says nothing against the queue.
void Encoder::note(const Outcome& outcome) noexcept {
  gpu_seconds_ += outcome.gpu_seconds;
  if (outcome.error.empty()) {
    renewed_ = false;
  } else if (!outcome.out_of_memory) {
    lost_ = lost_ || renewed_;
    failed_ = true;
  }
}

void Encoder::wait_oldest() {
  const Outcome outcome = in_flight_.front()->wait();
  in_flight_.pop_front();
  note(outcome);
  if (!outcome.error.empty()) fail(outcome, lost_);
}

void Encoder::drain() {
  commit();
  while (!in_flight_.empty()) wait_oldest();
}

void Encoder::abandon() noexcept {
  current_.reset();
  operators_ = 0;
  seconds_ = 0;
  // What follows a failure was ignored because of it.
  for (auto& commands : in_flight_)
    if (const Outcome outcome = commands->wait(); !failed_) note(outcome);
  in_flight_.clear();
  if (!failed_) return;
  failed_ = false;
  renewed_ = true;
  lost_ = lost_ || !device_.renew_queue();
}

void Encoder::end_run() {
  arena_index_ = arena_used_ = 0;
  tables_of_ = nullptr;
  tables_.reset();
}

}  // namespace afterimage::metal
