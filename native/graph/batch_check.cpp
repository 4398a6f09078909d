#include "graph/batch_check.h"

#include <algorithm>

#include "graph/error.h"

namespace afterimage {
namespace {

[[noreturn]] void refuse_batch(const std::string& what) {
  throw Error("INVALID_ARGUMENT", "The row batch " + what + ".");
}

void check_blocks(const SequenceRows& sequence, const KvLayout& kv, const std::string& name) {
  const int64_t end = sequence.first_position + sequence.rows;
  if (static_cast<int64_t>(sequence.blocks.size()) * kBlockPositions < end) {
    refuse_batch("gives " + name + " " + std::to_string(sequence.blocks.size()) + " blocks for " + std::to_string(end) +
                 " positions");
  }
  for (Memory* block : sequence.blocks) {
    if (!block || block->bytes() < kv.block_bytes()) refuse_batch("has a KV block that is smaller than its layout");
  }
}

void check_visible(const SequenceRows& sequence, const std::vector<int32_t>& visible_end, const std::string& name) {
  const int64_t end = sequence.first_position + sequence.rows;
  for (int32_t i = 0; i < sequence.rows; ++i) {
    const int64_t visible = visible_end[sequence.first_row + i], position = sequence.first_position + i;
    if (visible <= position || visible > end) {
      refuse_batch("lets row " + std::to_string(sequence.first_row + i) + " at position " + std::to_string(position) +
                   " of " + name + " see up to " + std::to_string(visible) + ", outside " +
                   std::to_string(position + 1) + " to " + std::to_string(end));
    }
  }
}

}  // namespace

void check_batch(const Program& program, const RowBatch* batch, int64_t rows) {
  if (!batch) refuse_batch("is missing, but program \"" + program.name + "\" works on sequences");
  const bool attends = !program.kv_layers.empty(), recurs = !program.state_elements.empty();
  if (attends && (!batch->kv || batch->kv->layers() != program.kv_layers))
    refuse_batch("has a KV layout of another program");
  if (recurs && (!batch->states || batch->states->offsets.size() != program.state_elements.size())) {
    refuse_batch("has a state layout of another program");
  }
  if (static_cast<int64_t>(batch->visible_end.size()) != rows) {
    refuse_batch("has " + std::to_string(batch->visible_end.size()) + " visible ends for " + std::to_string(rows) +
                 " rows");
  }
  int64_t next = 0;
  for (size_t s = 0; s < batch->sequences.size(); ++s) {
    const SequenceRows& sequence = batch->sequences[s];
    const std::string name = "sequence " + std::to_string(s);
    const bool placed = sequence.first_position >= 0 && sequence.first_position <= INT32_MAX;
    if (sequence.first_row != next || sequence.rows < 1 || !placed)
      refuse_batch("does not list " + name + " in order of rows");
    next += sequence.rows;
    if (next > rows) break;
    if (attends) {
      check_blocks(sequence, *batch->kv, name);
      check_visible(sequence, batch->visible_end, name);
    }
    if (recurs && (!sequence.state || sequence.state->bytes() < batch->states->bytes))
      refuse_batch("has no state for " + name);
  }
  if (next != rows) refuse_batch("covers " + std::to_string(next) + " rows of " + std::to_string(rows));
}

}  // namespace afterimage
