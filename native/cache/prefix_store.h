// Between the prefix tree and the disk tier: which files continue a sequence, how they come back into the tree, and
// what is copied out for the writer. Runs on the engine thread, between runs.
#pragma once
#include <cstdint>
#include <vector>

#include "cache/disk_tier.h"
#include "cache/kv_cache.h"
#include "cache/sequence.h"
#include "cache/tile_features.h"

namespace afterimage {

class PrefixStore {
 public:
  PrefixStore(KvCache& kv, DiskTier& disk) : kv_(kv), disk_(disk) {}

  // Files that would extend what the tree has of the sequence, in order; empty where there are none to look for.
  std::vector<PrefixItems> wanted(const Sequence& sequence, int32_t evaluated_at_least);
  // Puts the files into the tree, as far as memory allows that is neither used nor reserved. Returns the end of what
  // was restored, 0 for nothing.
  int32_t restore(const Sequence& sequence, const std::vector<PrefixItems>& wanted, const DiskTier::Found& found);
  // What is in the tree of this sequence with another image in the place of `image` holds for it, too, up to the first
  // feature row that the two do not share. It is copied, as far as memory allows that is neither used nor reserved.
  void adopt(const Sequence& sequence, const ImageKey& image, const TileFeatures::Alike& alike);
  // Copies each image prefix that ends in (from, end] out for the writer. `state` is the recurrent state at `end`.
  void stage(const Sequence& sequence, const std::vector<BlockRef>& blocks, Memory* state, int32_t from, int32_t end);

 private:
  bool restore_file(const Sequence& sequence, const PrefixItems& prefix, const PrefixFile& file);

  KvCache& kv_;
  DiskTier& disk_;
};

}  // namespace afterimage
