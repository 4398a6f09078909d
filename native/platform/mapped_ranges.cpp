#include "platform/mapped_ranges.h"

#include <cstdint>
#include <mutex>
#include <string>

#include "graph/error.h"
#include "platform/faults.h"

namespace afterimage {

// Read while a fault is handled: nothing in it but atomics, and no slot ever goes away.
struct MappedRange::Slot {
  std::atomic<uintptr_t> first{0}, last{0};  // no byte is in it while `last` is 0
  std::atomic<bool> damaged{false};
  bool taken = false;  // guarded by Slots::mutex
};

struct Slots {
  static constexpr size_t kMost = 4096;
  MappedRange::Slot slots[kMost];
  std::mutex mutex;

  static Slots& all() {
    static Slots* const slots = new Slots;  // faults may happen while the process ends
    return *slots;
  }

  Slots() {
    self = this;
    platform::repair_lost_pages(replace);
  }

  static bool replace(uintptr_t address, bool certain) noexcept {
    for (MappedRange::Slot& slot : self->slots) {
      const uintptr_t last = slot.last.load(std::memory_order_acquire);
      const uintptr_t first = slot.first.load(std::memory_order_acquire);
      if (address < first || address >= last) continue;
      if (!certain && !slot.damaged.load(std::memory_order_acquire)) return false;
      slot.damaged.store(true, std::memory_order_release);
      return platform::put_zeros(first, address, last);
    }
    return false;
  }

  static inline Slots* self = nullptr;
};

MappedRange::MappedRange(const std::byte* data, size_t size) {
  Slots& all = Slots::all();
  const std::lock_guard lock(all.mutex);
  for (Slot& slot : all.slots) {
    if (slot.taken) continue;
    slot.taken = true;
    slot.damaged = false;
    slot.first = reinterpret_cast<uintptr_t>(data);
    slot.last = reinterpret_cast<uintptr_t>(data) + size;
    slot_ = &slot;
    return;
  }
  throw Error("IO_FAILED",
              "More than " + std::to_string(Slots::kMost) + " files are mapped; close other models first.");
}

MappedRange::~MappedRange() {
  const std::lock_guard lock(Slots::all().mutex);
  slot_->last = 0;
  slot_->first = 0;
  slot_->taken = false;
}

std::span<const std::byte> MappedRange::around(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  Slots& all = Slots::all();
  const std::lock_guard lock(all.mutex);
  for (const Slot& slot : all.slots)
    if (slot.taken && at >= slot.first && at < slot.last)
      return {reinterpret_cast<const std::byte*>(slot.first.load()), static_cast<size_t>(slot.last - slot.first)};
  return {};
}

bool MappedRange::damaged() const noexcept { return slot_->damaged.load(std::memory_order_acquire); }

}  // namespace afterimage
