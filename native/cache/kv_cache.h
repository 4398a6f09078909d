// Keys, values and recurrent state of everything computed: the block pool, the prefix tree over it, and the account of
// what is promised to admitted requests. Not thread-safe: the engine thread owns it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "cache/block_pool.h"
#include "cache/prefix_tree.h"
#include "graph/kv_layout.h"

namespace afterimage {

class KvCache {
 public:
  // `states.bytes` is 0 for models without recurrent state.
  KvCache(Backend& backend, KvLayout layout, StateLayout states, size_t budget_bytes);

  const KvLayout& layout() const noexcept { return layout_; }
  const StateLayout& states() const noexcept { return states_; }
  bool recurrent() const noexcept { return states_.bytes > 0; }
  BlockPool& pool() noexcept { return pool_; }
  PrefixTree& tree() noexcept { return tree_; }
  const BlockPool& pool() const noexcept { return pool_; }
  const PrefixTree& tree() const noexcept { return tree_; }

  // These evict what is least recently used. The first two serve memory that was reserved and throw OUT_OF_MEMORY
  // only where the backend has none; the others return null rather than touch what is reserved.
  BlockRef take_block();
  std::unique_ptr<Memory> take_state();
  BlockRef try_block();
  std::unique_ptr<Memory> try_state();

  // Bytes for `blocks` blocks and `states` state buffers.
  size_t bytes_for(int64_t blocks, int64_t states) const noexcept;
  // Bytes that eviction cannot free: pinned, private to requests, or reserved.
  size_t committed_bytes() const;
  size_t reserved_bytes() const noexcept { return reserved_; }
  void reserve(size_t bytes) noexcept { reserved_ += bytes; }
  void unreserve(size_t bytes) noexcept { reserved_ -= bytes; }

  // Copies positions [0, count) of every tile from one block to another.
  void copy_positions(void* to, const void* from, int32_t count) const;

 private:
  BlockRef block_or_none();
  std::unique_ptr<Memory> state_or_none();
  template <class Allocate>
  auto evicting(Allocate allocate) -> decltype(allocate());

  KvLayout layout_;
  StateLayout states_;
  BlockPool pool_;
  PrefixTree tree_;
  size_t reserved_ = 0;
  std::string refusal_;  // the backend's, of the last allocation
};

}  // namespace afterimage
