// The prefix tree: a radix tree whose edges are KV blocks. A node holds the items of one block and the block that has
// their keys and values; only a full node has children, and siblings may begin alike (they part inside the block).
// Nodes never change, so a block in the tree is read by anyone and written by no one. Not thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/block_pool.h"
#include "cache/sequence.h"

namespace afterimage {

// Recurrent state after `position` items of a path.
struct Snapshot {
  int32_t position = 0;
  uint64_t last_used = 0;
  std::shared_ptr<Memory> state;  // not evicted while someone else holds it
};

struct Node {
  Node* parent = nullptr;
  int32_t block_index = 0;
  BlockItems items;
  BlockRef block;
  std::vector<std::unique_ptr<Node>> children;
  std::vector<Snapshot> snapshots;
  uint64_t last_used = 0;
  uint32_t pins = 0;
  std::vector<std::string> files;  // names of the files that end here, once they were listed

  int32_t end() const noexcept { return block_index * kBlockPositions + items.count; }
};

// Keeps a node, and with it its ancestors, from being evicted.
class Pin {
 public:
  Pin() = default;
  explicit Pin(Node* node) noexcept : node_(node) {
    if (node_) ++node_->pins;
  }
  Pin(Pin&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Pin& operator=(Pin other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Pin() {
    if (node_) --node_->pins;
  }
  Node* node() const noexcept { return node_; }

 private:
  Node* node_ = nullptr;
};

// The longest cached path that a sequence begins with: `path` covers [0, length), its last node perhaps only in part.
struct Match {
  int32_t length = 0;
  std::vector<Node*> path;
};

// Sequence::identity(end) of every sequence that begins with this path from the root.
std::vector<std::byte> identity(const std::vector<const Node*>& path, int32_t end);

class PrefixTree {
 public:
  explicit PrefixTree(BlockPool& pool) : pool_(pool) {}
  ~PrefixTree() { clear(); }
  PrefixTree(const PrefixTree&) = delete;

  // With `snapshots`, of equally good nodes the one with the latest usable snapshot is preferred.
  Match match(const Sequence& sequence, bool snapshots);
  // Latest snapshot at or before `limit` on the matched path; null if none. Marks it as used.
  const Snapshot* snapshot(const Match& match, int32_t limit);
  // The node below `parent` (null: the root) that holds `items`: one that was there, or a new one with `block`.
  // A shorter sibling that it continues is dropped.
  Node* insert(Node* parent, BlockItems items, const BlockRef& block);
  // Takes the state; it is freed where the node has a snapshot at this position.
  void add_snapshot(Node* node, int32_t position, std::shared_ptr<Memory> state);
  // Drops the least recently used leaf or snapshot that is not pinned; false if there is none.
  bool evict_one();
  // Drops whatever is not pinned.
  void clear();

  // Holds nothing itself; its children begin the prompts.
  const Node& root() const noexcept { return root_; }
  size_t nodes() const noexcept { return nodes_; }
  size_t snapshots() const noexcept { return snapshots_; }
  struct Evictable {
    size_t nodes = 0, snapshots = 0;
  };
  // What repeated eviction could free now.
  Evictable evictable() const;
  // Grows with every insertion: a reader that saw the same version need not match again.
  uint64_t version() const noexcept { return version_; }
  uint64_t evicted_nodes() const noexcept { return evicted_nodes_; }
  uint64_t evicted_snapshots() const noexcept { return evicted_snapshots_; }

 private:
  struct Victim {
    Node* node = nullptr;
    size_t snapshot = SIZE_MAX;  // SIZE_MAX: the node itself
    uint64_t last_used = UINT64_MAX;
  };
  void find_victim(Node& node, Victim& best) const;
  static bool count_evictable(const Node& node, Evictable& sum);
  bool prune(Node& node);
  void drop(Node* node);
  void drop_snapshot(Node& node, size_t index);

  BlockPool& pool_;
  Node root_;
  uint64_t clock_ = 0, version_ = 0;
  size_t nodes_ = 0, snapshots_ = 0;
  uint64_t evicted_nodes_ = 0, evicted_snapshots_ = 0;
};

}  // namespace afterimage
