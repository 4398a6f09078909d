// KV blocks under a byte budget. A block is one Memory of the backend, because that is what a kernel can address; freed
// blocks are kept for reuse. Not thread-safe: the engine thread owns it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "graph/backend.h"

namespace afterimage {

class BlockPool;

// A counted reference to a block.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other) noexcept;
  BlockRef(BlockRef&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
  BlockRef& operator=(BlockRef other) noexcept;
  ~BlockRef();

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  Memory& memory() const noexcept;
  bool operator==(const BlockRef&) const = default;

 private:
  friend class BlockPool;
  BlockRef(BlockPool* pool, uint32_t index) noexcept : pool_(pool), index_(index) {}
  BlockPool* pool_ = nullptr;
  uint32_t index_ = 0;
};

class BlockPool {
 public:
  BlockPool(Backend& backend, size_t block_bytes, size_t budget_bytes);
  BlockPool(const BlockPool&) = delete;

  // Zeroed: bytes of another conversation never show, and a kernel that reads a whole tile meets no NaN.
  // Empty where the budget is spent. Throws OUT_OF_MEMORY from the backend.
  BlockRef allocate();
  // Memory outside blocks that counts against the same budget (recurrent state); null where the budget is spent.
  std::unique_ptr<Memory> allocate_state(size_t bytes);
  // To be called for each such memory when it is freed.
  void forget_state(const Memory& state) noexcept { state_bytes_ -= state.bytes(); }
  // Gives memory of free blocks back to the backend; false where there was none.
  bool release_free() noexcept;

  size_t block_bytes() const noexcept { return block_bytes_; }
  size_t budget_bytes() const noexcept { return budget_bytes_; }
  size_t blocks_in_use() const noexcept { return in_use_; }
  size_t state_bytes() const noexcept { return state_bytes_; }
  size_t bytes_in_use() const noexcept { return in_use_ * block_bytes_ + state_bytes_; }
  size_t bytes_held() const noexcept { return bytes_in_use() + free_.size() * block_bytes_; }

 private:
  friend class BlockRef;
  struct Slot {
    std::unique_ptr<Memory> memory;
    uint32_t references = 0;
  };
  void release(uint32_t index) noexcept;

  Backend& backend_;
  const size_t block_bytes_, budget_bytes_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;   // slots that keep their memory
  std::vector<uint32_t> empty_;  // slots without memory
  size_t in_use_ = 0, state_bytes_ = 0;
};

}  // namespace afterimage
