#include "cache/kv_cache.h"

#include <cstring>

#include "graph/error.h"

namespace afterimage {

namespace {

void copy_tile(std::byte* to, const std::byte* from, size_t offset, int32_t dim, KvType type, int32_t count) {
  std::memcpy(to + offset, from + offset, static_cast<size_t>(count) * dim * element_bytes(type));
  if (type != KvType::q8) return;
  const size_t scales = offset + static_cast<size_t>(kBlockPositions) * dim;
  std::memcpy(to + scales, from + scales, static_cast<size_t>(count) * sizeof(float));
}

[[noreturn]] void refuse(const std::string& refusal) {
  throw Error("OUT_OF_MEMORY",
              refusal.empty() ? "The KV budget is spent although memory was reserved; raise the KV budget." : refusal);
}

}  // namespace

KvCache::KvCache(Backend& backend, KvLayout layout, StateLayout states, size_t budget_bytes)
    : layout_(std::move(layout)),
      states_(std::move(states)),
      pool_(backend, layout_.block_bytes(), budget_bytes),
      tree_(pool_) {}

// The machine may have less than the budget: then what is cached makes room as if the budget were spent.
template <class Allocate>
auto KvCache::evicting(Allocate allocate) -> decltype(allocate()) {
  refusal_.clear();
  for (;;) {
    try {
      if (auto memory = allocate()) return memory;
    } catch (const Error& error) {
      refusal_ = error.what();
      if (pool_.release_free()) continue;
    }
    if (!tree_.evict_one()) return {};
  }
}

BlockRef KvCache::block_or_none() {
  return evicting([this] { return pool_.allocate(); });
}

std::unique_ptr<Memory> KvCache::state_or_none() {
  auto state = evicting([this] { return pool_.allocate_state(states_.bytes); });
  if (state) std::memset(state->host(), 0, states_.bytes);
  return state;
}

BlockRef KvCache::take_block() {
  BlockRef block = block_or_none();
  if (!block) refuse(refusal_);
  return block;
}

std::unique_ptr<Memory> KvCache::take_state() {
  auto state = state_or_none();
  if (!state) refuse(refusal_);
  return state;
}

BlockRef KvCache::try_block() {
  if (committed_bytes() + layout_.block_bytes() > pool_.budget_bytes()) return {};
  return block_or_none();
}

std::unique_ptr<Memory> KvCache::try_state() {
  if (committed_bytes() + states_.bytes > pool_.budget_bytes()) return nullptr;
  return state_or_none();
}

size_t KvCache::bytes_for(int64_t blocks, int64_t states) const noexcept {
  return static_cast<size_t>(blocks) * layout_.block_bytes() + static_cast<size_t>(states) * states_.bytes;
}

size_t KvCache::committed_bytes() const {
  const PrefixTree::Evictable evictable = tree_.evictable();
  return pool_.bytes_in_use() + reserved_ -
         bytes_for(static_cast<int64_t>(evictable.nodes), static_cast<int64_t>(evictable.snapshots));
}

void KvCache::copy_positions(void* to, const void* from, int32_t count) const {
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  for (size_t l = 0; l < layout_.layers().size(); ++l) {
    const KvLayer& layer = layout_.layers()[l];
    for (int32_t head = 0; head < layer.kv_heads; ++head) {
      const auto at = static_cast<int32_t>(l);
      copy_tile(target, source, layout_.key_offset(at, head), layer.k_dim, layout_.type(), count);
      copy_tile(target, source, layout_.value_offset(at, head), layer.v_dim, layout_.type(), count);
    }
  }
}

}  // namespace afterimage
