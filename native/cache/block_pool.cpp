#include "cache/block_pool.h"

#include <cstring>

namespace afterimage {

BlockRef::BlockRef(const BlockRef& other) noexcept : pool_(other.pool_), index_(other.index_) {
  if (pool_) ++pool_->slots_[index_].references;
}

BlockRef& BlockRef::operator=(BlockRef other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(index_, other.index_);
  return *this;
}

BlockRef::~BlockRef() {
  if (pool_) pool_->release(index_);
}

Memory& BlockRef::memory() const noexcept { return *pool_->slots_[index_].memory; }

BlockPool::BlockPool(Backend& backend, size_t block_bytes, size_t budget_bytes)
    : backend_(backend), block_bytes_(block_bytes), budget_bytes_(budget_bytes) {}

BlockRef BlockPool::allocate() {
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    if (bytes_held() + block_bytes_ > budget_bytes_) return {};
    auto memory = backend_.allocate(block_bytes_);
    if (empty_.empty()) {
      slots_.emplace_back();
      empty_.push_back(static_cast<uint32_t>(slots_.size() - 1));
      free_.reserve(slots_.size());  // release() and release_free() must not throw
      empty_.reserve(slots_.size());
    }
    index = empty_.back();
    empty_.pop_back();
    slots_[index].memory = std::move(memory);
  }
  std::memset(slots_[index].memory->host(), 0, block_bytes_);
  slots_[index].references = 1;
  ++in_use_;
  return BlockRef(this, index);
}

void BlockPool::release(uint32_t index) noexcept {
  if (--slots_[index].references > 0) return;
  free_.push_back(index);
  --in_use_;
}

std::unique_ptr<Memory> BlockPool::allocate_state(size_t bytes) {
  if (bytes_held() + bytes > budget_bytes_) release_free();
  if (bytes_held() + bytes > budget_bytes_) return nullptr;
  auto state = backend_.allocate(bytes);
  state_bytes_ += state->bytes();
  return state;
}

bool BlockPool::release_free() noexcept {
  const bool any = !free_.empty();
  for (uint32_t index : free_) {
    slots_[index].memory.reset();
    empty_.push_back(index);
  }
  free_.clear();
  return any;
}

}  // namespace afterimage
