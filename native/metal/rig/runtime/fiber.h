// A stack and a saved stack pointer. Sanitizers are told of every switch; under ThreadSanitizer each fiber is a
// thread of its own, and a switch orders nothing.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rig {

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  ~Fiber();
  // A fiber that runs `entry(argument)`, which must never return.
  void create(void (*entry)(void*), void* argument);
  // Starts `entry` anew at the next switch; the old frames are forgotten.
  void reset();
  bool created() const { return stack_ != nullptr; }

  // Leaves `from` and continues `to`. The first fiber of an OS thread is a default-constructed one.
  static void switch_to(Fiber& from, Fiber& to);

 private:
  friend struct FiberStart;
  static void started(Fiber* self);

  void* stack_pointer_ = nullptr;
  std::byte* stack_ = nullptr;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* sanitizer_thread_ = nullptr;
  void* fake_stack_ = nullptr;
};

}  // namespace rig
