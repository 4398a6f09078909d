// What the prefix tree and the disk tier hold, for whoever looks at it: stretches of blocks that nothing parts, with
// the pictures that begin in them. It tells no tokens.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/disk_folder.h"
#include "cache/disk_tier.h"
#include "cache/prefix_tree.h"

namespace afterimage {

struct Branch {
  int32_t parent = -1;  // its index in the listing, before this one's; −1: prompts begin here, or it lies on disk only
  int32_t tokens = 0;   // its own; of a file: of the whole prefix
  uint64_t bytes = 0;   // its blocks and snapshots; of a file: of the file
  bool memory = false, disk = false;
  std::vector<std::string> images;  // labels of the images that begin in it; of a file: of its last image
  uint64_t with_all_below = 0;      // bytes
};

struct HeldTree {
  std::vector<Branch> branches;  // parents first
  // Names of the files that would hold what is in memory, and the branches that these end in.
  std::unordered_map<std::string, size_t> files;
};

// On the engine thread. A file's name is made once and kept at its node.
HeldTree list_tree(PrefixTree& tree, const DiskTier& disk, size_t block_bytes, size_t state_bytes);

struct TreeListing {
  std::vector<Branch> branches;
  size_t more = 0;  // smaller ones that were left out
};

// The largest `most`; no branch without its parent. Marks what is on disk too, and adds what is there alone.
TreeListing largest(HeldTree held, const std::vector<DiskEntry>& files, size_t most);

}  // namespace afterimage
