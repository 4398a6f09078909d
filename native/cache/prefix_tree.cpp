#include "cache/prefix_tree.h"

#include <algorithm>
#include <array>
#include <span>

namespace afterimage {

namespace {

int32_t latest_snapshot(const Node& node, int32_t limit) noexcept {
  int32_t latest = 0;
  for (const Snapshot& snapshot : node.snapshots)
    if (snapshot.position <= limit) latest = std::max(latest, snapshot.position);
  return latest;
}

bool holds_used_snapshot(const Node& node) noexcept {
  return std::any_of(node.snapshots.begin(), node.snapshots.end(),
                     [](const Snapshot& snapshot) { return snapshot.state.use_count() > 1; });
}

template <class T>
void append_bytes(const std::vector<T>& values, std::vector<std::byte>& out) {
  const auto bytes = std::as_bytes(std::span(values));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::vector<std::byte> identity(const std::vector<const Node*>& path, int32_t end) {
  const int32_t axes = path.front()->items.stride - 2;
  std::vector<int32_t> ids, features, positions;
  std::vector<std::pair<std::array<int32_t, 3>, ImageKey>> ranges;  // begin, end, offset
  for (const Node* node : path) {
    const BlockItems& items = node->items;
    const int32_t base = node->block_index * kBlockPositions, count = std::min(items.count, end - base);
    for (int32_t i = 0; i < count; ++i) {
      const auto row = items.rows.begin() + static_cast<ptrdiff_t>(i) * items.stride;
      ids.push_back(row[0]);
      features.push_back(row[1]);
      positions.insert(positions.end(), row + 2, row + items.stride);
    }
    for (const BlockItems::Piece& piece : items.pieces) {
      if (piece.begin >= count) break;
      const int32_t stop = base + std::min(piece.end, count);
      if (piece.offset > 0)
        ranges.back().first[1] = stop;  // goes on from the block before
      else
        ranges.push_back({{base + piece.begin, stop, 0}, piece.key});
    }
  }
  std::vector<std::byte> out;
  append_bytes(std::vector<int32_t>{end, axes}, out);
  append_bytes(ids, out);
  append_bytes(features, out);
  append_bytes(positions, out);
  for (const auto& [place, key] : ranges) {
    append_bytes(std::vector<int32_t>(place.begin(), place.end()), out);
    append_bytes(std::vector<uint8_t>(key.begin(), key.end()), out);
  }
  return out;
}

Match PrefixTree::match(const Sequence& sequence, bool snapshots) {
  Match match;
  ++clock_;
  for (Node* node = &root_; match.length < sequence.size();) {
    const auto block = static_cast<int32_t>(match.path.size());
    const int32_t begin = block * kBlockPositions;
    const BlockItems wanted = sequence.block_items(block, std::min(begin + kBlockPositions, sequence.size()));
    Node* best = nullptr;
    int32_t best_count = 0, best_snapshot = 0;
    for (const auto& child : node->children) {
      const int32_t count = common_prefix(child->items, wanted);
      const int32_t at = snapshots ? latest_snapshot(*child, begin + count) : 0;
      const bool whole = count == kBlockPositions;
      if (count == 0 || (!whole && std::pair(at, count) <= std::pair(best_snapshot, best_count))) continue;
      best = child.get();
      best_count = count;
      best_snapshot = at;
      if (whole) break;
    }
    if (!best) break;
    best->last_used = clock_;
    match.path.push_back(best);
    match.length += best_count;
    if (best_count < kBlockPositions) break;
    node = best;
  }
  return match;
}

const Snapshot* PrefixTree::snapshot(const Match& match, int32_t limit) {
  for (auto node = match.path.rbegin(); node != match.path.rend(); ++node) {
    const int32_t at = latest_snapshot(**node, std::min(limit, match.length));
    if (at == 0) continue;
    for (Snapshot& snapshot : (*node)->snapshots)
      if (snapshot.position == at) {
        snapshot.last_used = clock_;
        return &snapshot;
      }
  }
  return nullptr;
}

Node* PrefixTree::insert(Node* parent, BlockItems items, const BlockRef& block) {
  if (!parent) parent = &root_;
  std::vector<Node*> continued;
  for (const auto& child : parent->children) {
    const int32_t same = common_prefix(child->items, items);
    if (same == items.count) {
      child->last_used = clock_;
      return child.get();
    }
    if (same == child->items.count) continued.push_back(child.get());
  }
  auto node = std::make_unique<Node>();
  node->parent = parent;
  node->block_index = parent == &root_ ? 0 : parent->block_index + 1;
  node->items = std::move(items);
  node->block = block;
  node->last_used = ++clock_;
  for (Node* shorter : continued) {
    if (shorter->pins > 0 || holds_used_snapshot(*shorter)) continue;
    for (Snapshot& snapshot : shorter->snapshots) {
      --snapshots_;  // add_snapshot() counts it again
      add_snapshot(node.get(), snapshot.position, std::move(snapshot.state));
    }
    shorter->snapshots.clear();
    drop(shorter);
  }
  ++nodes_;
  ++version_;
  parent->children.push_back(std::move(node));
  return parent->children.back().get();
}

void PrefixTree::add_snapshot(Node* node, int32_t position, std::shared_ptr<Memory> state) {
  for (const Snapshot& snapshot : node->snapshots)
    if (snapshot.position == position) return pool_.forget_state(*state);
  node->snapshots.push_back({position, clock_, std::move(state)});
  ++snapshots_;
  ++version_;
}

void PrefixTree::find_victim(Node& node, Victim& best) const {
  for (const auto& child : node.children) find_victim(*child, best);
  if (&node == &root_) return;
  const bool free = node.children.empty() && node.pins == 0 && !holds_used_snapshot(node);
  if (free && node.last_used < best.last_used) best = {&node, SIZE_MAX, node.last_used};
  for (size_t i = 0; i < node.snapshots.size(); ++i) {
    const Snapshot& snapshot = node.snapshots[i];
    if (snapshot.state.use_count() == 1 && snapshot.last_used < best.last_used) best = {&node, i, snapshot.last_used};
  }
}

bool PrefixTree::evict_one() {
  Victim victim;
  find_victim(root_, victim);
  if (!victim.node) return false;
  if (victim.snapshot == SIZE_MAX) {
    evicted_snapshots_ += victim.node->snapshots.size();
    ++evicted_nodes_;
    drop(victim.node);
  } else {
    ++evicted_snapshots_;
    drop_snapshot(*victim.node, victim.snapshot);
  }
  return true;
}

void PrefixTree::drop(Node* node) {
  while (!node->snapshots.empty()) drop_snapshot(*node, node->snapshots.size() - 1);
  auto& siblings = node->parent->children;
  --nodes_;
  siblings.erase(std::find_if(siblings.begin(), siblings.end(), [&](const auto& s) { return s.get() == node; }));
}

void PrefixTree::drop_snapshot(Node& node, size_t index) {
  pool_.forget_state(*node.snapshots[index].state);
  node.snapshots.erase(node.snapshots.begin() + static_cast<ptrdiff_t>(index));
  --snapshots_;
}

void PrefixTree::clear() { prune(root_); }

bool PrefixTree::prune(Node& node) {
  std::erase_if(node.children, [&](const auto& child) { return prune(*child); });
  if (&node == &root_ || !node.children.empty() || node.pins > 0 || holds_used_snapshot(node)) return false;
  while (!node.snapshots.empty()) drop_snapshot(node, node.snapshots.size() - 1);
  --nodes_;
  return true;
}

PrefixTree::Evictable PrefixTree::evictable() const {
  Evictable sum;
  for (const auto& child : root_.children) count_evictable(*child, sum);
  return sum;
}

// Returns whether the node can go: nothing below it, nor it itself, is in use.
bool PrefixTree::count_evictable(const Node& node, Evictable& sum) {
  bool free = node.pins == 0;
  for (const auto& child : node.children) free = count_evictable(*child, sum) && free;
  for (const Snapshot& snapshot : node.snapshots) {
    if (snapshot.state.use_count() == 1)
      ++sum.snapshots;
    else
      free = false;
  }
  if (free) ++sum.nodes;
  return free;
}

}  // namespace afterimage
