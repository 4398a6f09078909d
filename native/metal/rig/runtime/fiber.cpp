#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <new>

#include "sanitizer.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "The kernel emulator needs x86-64 or aarch64."
#endif

namespace rig {
namespace {

#if RIG_ASAN || RIG_TSAN
constexpr size_t kStackBytes = 256 * 1024;
#else
constexpr size_t kStackBytes = 64 * 1024;
#endif
constexpr size_t kGuardBytes = 16 * 1024;  // below and above; traffic.cpp relies on nothing else being that near

#if RIG_ASAN
struct ThreadStack {
  void* bottom = nullptr;
  size_t size = 0;
};

ThreadStack thread_stack() {
  ThreadStack stack;
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &stack.bottom, &stack.size);
  pthread_attr_destroy(&attributes);
  return stack;
}
#endif

}  // namespace

// Saves the callee-saved registers on the old stack and restores them from the new one.
extern "C" void rig_switch_stack(void** save, void* load);
extern "C" void rig_fiber_start();

#if defined(__x86_64__)
asm(R"(
.text
.globl rig_switch_stack
rig_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.globl rig_fiber_start
rig_fiber_start:
  andq $-16, %rsp
  movq %r12, %rdi
  callq *%r13
  ud2
)");
constexpr int kFrameWords = 8;  // r15 r14 r13 r12 rbx rbp, return address, alignment
constexpr int kSelfWord = 3, kEntryWord = 2, kReturnWord = 6;
#else
asm(R"(
.text
.globl rig_switch_stack
rig_switch_stack:
  sub sp, sp, #176
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #176
  ret
.globl rig_fiber_start
rig_fiber_start:
  mov x0, x19
  blr x20
  brk #1
)");
constexpr int kFrameWords = 22;
constexpr int kSelfWord = 0, kEntryWord = 1, kReturnWord = 11;
#endif

struct FiberStart {
  static void run(Fiber* self) { Fiber::started(self); }
};

void Fiber::started(Fiber* self) {
  RIG_ASAN_FINISH_SWITCH(nullptr);
  self->entry_(self->argument_);
}

void Fiber::create(void (*entry)(void*), void* argument) {
  void* memory =
      mmap(nullptr, kStackBytes + 2 * kGuardBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuardBytes, PROT_NONE);
  stack_ = static_cast<std::byte*>(memory) + kGuardBytes;
  mprotect(stack_ + kStackBytes, kGuardBytes, PROT_NONE);
  entry_ = entry;
  argument_ = argument;
  sanitizer_thread_ = RIG_TSAN_CREATE_FIBER();
  reset();
}

void Fiber::reset() {
  RIG_ASAN_UNPOISON(stack_, kStackBytes);
  void** frame = reinterpret_cast<void**>(stack_ + kStackBytes - 16) - kFrameWords;
  for (int i = 0; i < kFrameWords; ++i) frame[i] = nullptr;
  frame[kSelfWord] = this;
  frame[kEntryWord] = reinterpret_cast<void*>(&FiberStart::run);
  frame[kReturnWord] = reinterpret_cast<void*>(&rig_fiber_start);
  stack_pointer_ = frame;
  fake_stack_ = nullptr;
}

Fiber::~Fiber() {
  if (!stack_) return;
  RIG_TSAN_DESTROY_FIBER(sanitizer_thread_);
  RIG_ASAN_UNPOISON(stack_, kStackBytes);
  munmap(stack_ - kGuardBytes, kStackBytes + 2 * kGuardBytes);
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
  if (!from.stack_) from.sanitizer_thread_ = RIG_TSAN_CURRENT_FIBER();
#if RIG_ASAN
  thread_local const ThreadStack own = thread_stack();
  const void* bottom = to.stack_ ? to.stack_ : own.bottom;
  const size_t size = to.stack_ ? kStackBytes : own.size;
  __sanitizer_start_switch_fiber(&from.fake_stack_, bottom, size);
#endif
  RIG_TSAN_SWITCH_FIBER(to.sanitizer_thread_);
  rig_switch_stack(&from.stack_pointer_, to.stack_pointer_);
  RIG_ASAN_FINISH_SWITCH(from.fake_stack_);
}

}  // namespace rig
