#include "cpu/aligned_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "graph/error.h"

namespace afterimage {
namespace {

// From this size on memory is mapped by itself and asks for huge pages; below, the allocator's reuse is cheaper.
constexpr size_t kMappedBytes = size_t{4} << 20;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

[[noreturn]] void refuse(size_t size) {
  throw Error("OUT_OF_MEMORY", "The system refused " + std::to_string(size >> 20) +
                                   " MiB of memory; close other programs or choose a smaller model or image.");
}

// mmap aligned to a huge page: maps one page more and gives the ends back.
uint8_t* map_aligned(size_t size) {
  const size_t mapped = size + kHugePage;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const auto first = reinterpret_cast<uintptr_t>(start), aligned = round_up(first, kHugePage);
  if (aligned > first) munmap(start, aligned - first);
  munmap(reinterpret_cast<void*>(aligned + size), first + mapped - aligned - size);
#if defined(MADV_HUGEPAGE)
  madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
#endif
  return reinterpret_cast<uint8_t*>(aligned);
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  if (size == 0) return;
  if (size > SIZE_MAX / 2) refuse(size);
  size_ = round_up(size, size_t{64});
  if (size_ >= kMappedBytes) {
    size_ = round_up(size_, size_t{65536});
    data_ = map_aligned(size_);
  } else {
    data_ = static_cast<uint8_t*>(std::aligned_alloc(64, size_));
    if (data_) std::memset(data_, 0, size_);
  }
  if (!data_) refuse(size);
}

AlignedBytes::~AlignedBytes() {
  if (!data_) return;
  if (size_ >= kMappedBytes)
    munmap(data_, size_);
  else
    std::free(data_);
}

AlignedBytes::AlignedBytes(AlignedBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBytes& AlignedBytes::operator=(AlignedBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

uint8_t* Scratch::reserve(size_t size) {
  if (size > bytes_.size()) {
    bytes_ = AlignedBytes();
    bytes_ = AlignedBytes(size + size / 4);
  }
  return bytes_.data();
}

}  // namespace afterimage
