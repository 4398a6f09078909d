// The mapped files of this process. Where one is cut short behind its back, or its disk is gone, the system raises a
// fault at whoever reads what is missing; here that thread reads zeros instead, and the file is known as damaged.
#pragma once
#include <atomic>
#include <cstddef>
#include <span>

namespace afterimage {

// One mapping, from its making to its end.
class MappedRange {
 public:
  MappedRange(const std::byte* data, size_t size);  // throws IO_FAILED where too many are mapped
  ~MappedRange();
  MappedRange(const MappedRange&) = delete;
  MappedRange& operator=(const MappedRange&) = delete;
  // The mapping that holds this address; empty where none does.
  static std::span<const std::byte> around(const void* address);
  // Whether anybody has read zeros for what was gone. What was computed before a `false` is sound.
  bool damaged() const noexcept;

 private:
  struct Slot;
  friend struct Slots;
  Slot* slot_;
};

}  // namespace afterimage
