// The sanitizer interfaces that fibers need; each is nothing where its sanitizer is off. RIG_TSAN is set by the build,
// because the runtime itself is compiled without instrumentation in that mode.
#pragma once
#ifndef RIG_TSAN
#define RIG_TSAN 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN 1
#endif
#endif
#ifndef RIG_ASAN
#define RIG_ASAN 0
#endif

#if RIG_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define RIG_ASAN_FINISH_SWITCH(fake) __sanitizer_finish_switch_fiber(fake, nullptr, nullptr)
#define RIG_ASAN_UNPOISON(memory, bytes) __asan_unpoison_memory_region(memory, bytes)
#define RIG_ASAN_POISON(memory, bytes) __asan_poison_memory_region(memory, bytes)
#else
#define RIG_ASAN_FINISH_SWITCH(fake) (void)(fake)
#define RIG_ASAN_UNPOISON(memory, bytes) (void)(memory)
#define RIG_ASAN_POISON(memory, bytes) (void)(memory)
#endif

#if RIG_TSAN
#include <sanitizer/tsan_interface.h>
#define RIG_TSAN_CREATE_FIBER() __tsan_create_fiber(0)
#define RIG_TSAN_DESTROY_FIBER(fiber) __tsan_destroy_fiber(fiber)
#define RIG_TSAN_CURRENT_FIBER() __tsan_get_current_fiber()
#define RIG_TSAN_SWITCH_FIBER(fiber) __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync)
#define RIG_TSAN_RELEASE(token) __tsan_release(token)
#define RIG_TSAN_ACQUIRE(token) __tsan_acquire(token)
#else
#define RIG_TSAN_CREATE_FIBER() nullptr
#define RIG_TSAN_DESTROY_FIBER(fiber) (void)(fiber)
#define RIG_TSAN_CURRENT_FIBER() nullptr
#define RIG_TSAN_SWITCH_FIBER(fiber) (void)(fiber)
#define RIG_TSAN_RELEASE(token) (void)(token)
#define RIG_TSAN_ACQUIRE(token) (void)(token)
#endif
