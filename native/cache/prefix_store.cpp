#include "cache/prefix_store.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace afterimage {

namespace {

PrefixItems items_of(const Sequence& sequence, size_t image) {
  const auto& ends = sequence.image_ends();
  std::string label;  // the last image's, where a file holds several
  for (const ImageSpan& span : sequence.prompt().spans)
    if (span.end <= ends[image]) label = span.label;
  return {sequence.identity(ends[image]), image == 0 ? 0 : ends[image - 1] / kBlockPositions, ends[image],
          std::move(label)};
}

}  // namespace

std::vector<PrefixItems> PrefixStore::wanted(const Sequence& sequence, int32_t evaluated_at_least) {
  std::vector<PrefixItems> files;
  if (!disk_.enabled() || sequence.image_ends().empty()) return files;
  const Match match = kv_.tree().match(sequence, kv_.recurrent());
  int32_t have = match.length;
  if (kv_.recurrent()) {
    const Snapshot* snapshot = kv_.tree().snapshot(match, sequence.reusable(match.length, evaluated_at_least));
    have = snapshot ? snapshot->position : 0;
  }
  for (size_t image = 0; image < sequence.image_ends().size(); ++image)
    if (sequence.image_ends()[image] > have) files.push_back(items_of(sequence, image));
  return files;
}

int32_t PrefixStore::restore(const Sequence& sequence, const std::vector<PrefixItems>& wanted,
                             const DiskTier::Found& found) {
  int32_t restored = 0;
  for (size_t i = 0; i < found.size() && restore_file(sequence, wanted[i], *found[i]); ++i) restored = wanted[i].end;
  return restored;
}

bool PrefixStore::restore_file(const Sequence& sequence, const PrefixItems& prefix, const PrefixFile& file) {
  // The tree may have lost blocks since the look-up began.
  const Match match = kv_.tree().match(sequence, false);
  if (match.length < prefix.first_block * kBlockPositions) return false;
  Pin tip(prefix.first_block > 0 ? match.path[static_cast<size_t>(prefix.first_block) - 1] : nullptr);
  for (int32_t block = prefix.first_block; block * kBlockPositions < prefix.end; ++block) {
    BlockRef copy = kv_.try_block();
    if (!copy) return false;
    std::memcpy(copy.memory().host(), file.block(block - prefix.first_block), kv_.layout().block_bytes());
    if (!file.whole()) return false;
    const int32_t end = std::min(prefix.end, (block + 1) * kBlockPositions);
    tip = Pin(kv_.tree().insert(tip.node(), sequence.block_items(block, end), copy));
  }
  if (!kv_.recurrent()) return true;
  auto state = kv_.try_state();
  if (!state) return false;
  std::memcpy(state->host(), file.state(), kv_.states().bytes);
  if (!file.whole()) return false;
  kv_.tree().add_snapshot(tip.node(), prefix.end, std::move(state));
  return true;
}

void PrefixStore::adopt(const Sequence& sequence, const ImageKey& image, const TileFeatures::Alike& alike) {
  // A state is kept at the end of an image, and items that see each other hold something of every tile.
  if (alike.rows == 0 || kv_.recurrent() || !sequence.causal()) return;
  const Match source = kv_.tree().match(sequence.with_image(image, alike.image), false);
  const int32_t end = std::min(source.length, sequence.shared_end(image, alike.rows));
  const Match known = kv_.tree().match(sequence, false);
  if (known.length >= end) return;
  const Pin kept(source.path.back());
  const int32_t first = known.length / kBlockPositions;
  Pin tip(first > 0 ? known.path[static_cast<size_t>(first) - 1] : nullptr);
  for (int32_t block = first; block * kBlockPositions < end; ++block) {
    BlockRef copy = kv_.try_block();
    if (!copy) return;
    const int32_t to = std::min(end, (block + 1) * kBlockPositions);
    kv_.copy_positions(copy.memory().host(), source.path[static_cast<size_t>(block)]->block.memory().host(),
                       to - block * kBlockPositions);
    tip = Pin(kv_.tree().insert(tip.node(), sequence.block_items(block, to), copy));
  }
}

void PrefixStore::stage(const Sequence& sequence, const std::vector<BlockRef>& blocks, Memory* state, int32_t from,
                        int32_t end) {
  if (!disk_.enabled()) return;
  const size_t block_bytes = kv_.layout().block_bytes();
  for (size_t image = 0; image < sequence.image_ends().size(); ++image) {
    const int32_t at = sequence.image_ends()[image];
    if (at <= from || at > end) continue;
    StagedPrefix staged{items_of(sequence, image), {}, {}};
    const auto count = static_cast<size_t>(staged.prefix.block_count());
    if (!disk_.accepts(count * block_bytes + kv_.states().bytes)) return;
    try {
      staged.blocks.resize(count * block_bytes);  // what lies beyond the prefix stays zero
      staged.state.resize(state ? kv_.states().bytes : 0);
    } catch (const std::bad_alloc&) {
      return disk_.skip("There was no memory left to keep an image's prefix on disk.");
    }
    for (size_t i = 0; i < count; ++i) {
      const auto block = static_cast<int32_t>(i) + staged.prefix.first_block;
      kv_.copy_positions(staged.blocks.data() + i * block_bytes, blocks[block].memory().host(),
                         std::min(kBlockPositions, at - block * kBlockPositions));
    }
    if (state) std::memcpy(staged.state.data(), state->host(), staged.state.size());
    disk_.stage(std::move(staged));
  }
}

}  // namespace afterimage
