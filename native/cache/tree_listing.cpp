#include "cache/tree_listing.h"

#include <algorithm>
#include <numeric>

namespace afterimage {

namespace {

class Lister {
 public:
  Lister(const DiskTier& disk, size_t block_bytes, size_t state_bytes, HeldTree& held)
      : disk_(disk), block_bytes_(block_bytes), state_bytes_(state_bytes), held_(held) {}

  // The branch that begins with the node, and those below. Returns their bytes.
  uint64_t add(Node* node, int32_t parent) {
    const size_t index = held_.branches.size(), depth = path_.size();
    Branch& begun = held_.branches.emplace_back();
    begun.parent = parent;
    begun.memory = true;
    for (;; node = node->children.front().get()) {
      path_.push_back(node);
      take(*node, index);
      if (node->children.size() != 1) break;
    }
    uint64_t bytes = held_.branches[index].bytes;
    for (const auto& child : node->children) bytes += add(child.get(), static_cast<int32_t>(index));
    path_.resize(depth);
    return held_.branches[index].with_all_below = bytes;
  }

 private:
  void take(Node& node, size_t index) {
    Branch& branch = held_.branches[index];
    branch.tokens += node.items.count;
    branch.bytes += block_bytes_ + node.snapshots.size() * state_bytes_;
    branch.images.insert(branch.images.end(), node.items.images.begin(), node.items.images.end());
    if (!disk_.enabled()) return;
    for (size_t i = node.files.size(); i < node.items.image_ends.size(); ++i)
      node.files.push_back(disk_.file_name({identity(path_, node.items.image_ends[i]), 0, 0}));
    for (const std::string& file : node.files) held_.files.emplace(file, index);
  }

  const DiskTier& disk_;
  const size_t block_bytes_, state_bytes_;
  HeldTree& held_;
  std::vector<const Node*> path_;
};

}  // namespace

HeldTree list_tree(PrefixTree& tree, const DiskTier& disk, size_t block_bytes, size_t state_bytes) {
  HeldTree held;
  Lister lister(disk, block_bytes, state_bytes, held);
  for (const auto& child : tree.root().children) lister.add(child.get(), -1);
  return held;
}

TreeListing largest(HeldTree held, const std::vector<DiskEntry>& files, size_t most) {
  std::vector<Branch>& all = held.branches;
  for (const DiskEntry& entry : files) {
    const auto found = held.files.find(entry.file);
    if (found != held.files.end())
      all[found->second].disk = true;
    else
      all.push_back({-1, entry.tokens, entry.bytes, false, true, {entry.label}, entry.bytes});
  }
  // A parent weighs no less than what is below it and stands before it, so it is taken first.
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return all[a].with_all_below > all[b].with_all_below; });
  TreeListing listing;
  listing.more = all.size() - std::min(all.size(), most);
  order.resize(all.size() - listing.more);
  std::vector<int32_t> place(all.size(), -1);
  for (size_t at : order) {
    place[at] = static_cast<int32_t>(listing.branches.size());
    if (all[at].parent >= 0) all[at].parent = place[static_cast<size_t>(all[at].parent)];
    listing.branches.push_back(std::move(all[at]));
  }
  return listing;
}

}  // namespace afterimage
