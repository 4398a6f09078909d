// Executes threadgroups: fibers, the schedule, barriers, simdgroup exchange, threadgroup memory. In a
// ThreadSanitizer build this file is not instrumented; it tells the sanitizer which operations order memory.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "emulator.h"
#include "fiber.h"
#include "sanitizer.h"
#include "thread.h"
#if RIG_TRAFFIC
#include "../traffic/traffic.h"
#endif

namespace rig {
namespace {

// A loop of ours: the sanitizer watches memcpy even when it is called from code that is not instrumented.
void copy_bytes(void* to, const void* from, size_t size) {
  for (size_t i = 0; i < size; ++i) static_cast<volatile std::byte*>(to)[i] = static_cast<const std::byte*>(from)[i];
}

void exchange_copy(void* to, const void* from, size_t size) {
  if (RIG_TSAN)
    copy_bytes(to, from, size);
  else
    std::memcpy(to, from, size);
}

// NaN as f32, −1 as an integer.
void poison(void* memory, size_t size) {
  for (size_t i = 0; i < size; i += 8)
    *reinterpret_cast<volatile uint64_t*>(static_cast<std::byte*>(memory) + i) = ~uint64_t{0};
}

constexpr size_t kSlotBytes = 64;
constexpr size_t kRedzone = 64;
constexpr size_t kArenaBytes = 128 * 1024;  // a multiple of 64 KiB: the sanitizer forgets whole granules on unmap
constexpr int kMaxArrays = 16;
// Consecutive threadgroups use different fiber sets, so that a race between groups is a race between threads.
constexpr uint32_t kSets = RIG_TSAN ? 2 : 1;

enum class Waiting : uint8_t { nothing, barrier, simd, done };

struct Lane {
  Fiber fiber;
  Place place{};
  Waiting waiting = Waiting::nothing;
  uint32_t collectives = 0;  // running hash of simd_note lines
};

// One exchange: two phases alternate, so that a fast lane's next operation cannot overwrite what a slow one reads.
struct Simdgroup {
  uint32_t lanes = 0, arrived = 0, phase = 0, collectives = 0;
  int line = 0;
  bool barrier = false;
  char token = 0;
  alignas(64) std::byte slots[2][kSimdWidth][kSlotBytes];
  alignas(64) std::byte result[2][kSlotBytes];
};

struct FiberSet {
  std::unique_ptr<Lane[]> lanes{new Lane[kMaxThreads]};
  char token = 0;
};

class Ready {
 public:
  void clear(Schedule schedule, uint64_t seed) {
    head_ = tail_ = 0;
    schedule_ = schedule;
    random_ = seed * 0x9e3779b97f4a7c15ull | 1;
  }
  bool empty() const { return head_ == tail_; }
  void push(uint16_t index) { ring_[tail_++ & kMask] = index; }
  uint16_t pop() {
    if (schedule_ == Schedule::fifo) return ring_[head_++ & kMask];
    if (schedule_ == Schedule::random)
      std::swap(ring_[(head_ + next() % (tail_ - head_)) & kMask], ring_[(tail_ - 1) & kMask]);
    return ring_[--tail_ & kMask];
  }

 private:
  static constexpr uint32_t kMask = 2 * kMaxThreads - 1;
  // xorshift64*, Vigna 2016.
  uint32_t next() {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return static_cast<uint32_t>((random_ * 0x2545f4914f6cdd1dull) >> 32);
  }
  uint16_t ring_[2 * kMaxThreads];
  uint32_t head_ = 0, tail_ = 0;
  Schedule schedule_ = Schedule::fifo;
  uint64_t random_ = 1;
};

class Group {
 public:
  Group() { map_arena(); }
  ~Group() { unmap_arena(); }

  void run(const Launch& launch, const LaunchOptions& options, const uint32_t group[3], uint32_t set, uint64_t seed);
  Lane& current() { return *current_; }
  void barrier(uint32_t flags, int line);
  void simd_arrive(const void* value, size_t size, Combine combine, bool is_barrier, int line);
  Simdgroup& simdgroup() { return simdgroups_[current_->place.simdgroup]; }
  void* memory(int id, size_t bytes);
  [[noreturn]] void fail(std::string message);

 private:
  static void lane_main(void* lane);
  void place_lanes(const Launch& launch, const uint32_t group[3]);
  void finish();
  void continue_next();
  void release_barrier();
  std::string stuck() const;
  void map_arena();
  void unmap_arena() {
    RIG_ASAN_UNPOISON(arena_, kArenaBytes);
    munmap(arena_, kArenaBytes);
  }
  void clear_arena(const LaunchOptions& options);

  FiberSet sets_[kSets];
  FiberSet* set_ = nullptr;
  Fiber main_;
  Ready ready_;
  Lane* current_ = nullptr;
  const Launch* launch_ = nullptr;
  Simdgroup simdgroups_[kMaxThreads / kSimdWidth];
  uint32_t threads_ = 0, finished_ = 0, arrived_ = 0;
  int barrier_line_ = 0;
  char start_token_ = 0, barrier_token_ = 0;
  std::byte* arena_ = nullptr;
  size_t arena_used_ = 0, arena_limit_ = 0, arena_counted_ = 0;
  void* arrays_[kMaxArrays] = {};
  size_t array_bytes_[kMaxArrays] = {};
  std::string failure_;
  friend void rig::launch(const Launch&, const LaunchOptions&);
};

thread_local Group* active = nullptr;

void Group::map_arena() {
  void* memory = mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  arena_ = static_cast<std::byte*>(memory);
}

// Threadgroup memory starts undefined on a GPU: NaN here, and nothing of the last group may be seen.
void Group::clear_arena(const LaunchOptions& options) {
  if (RIG_TSAN) {
    unmap_arena();
    map_arena();
  }
  RIG_ASAN_UNPOISON(arena_, kArenaBytes);
  if (options.poison) poison(arena_, RIG_TSAN ? options.threadgroup_memory : arena_used_);
  RIG_ASAN_POISON(arena_, kArenaBytes);
  arena_used_ = arena_counted_ = 0;
  arena_limit_ = options.threadgroup_memory;
  std::memset(arrays_, 0, sizeof arrays_);
}

void* Group::memory(int id, size_t bytes) {
  if (id < 0 || id >= kMaxArrays) fail("a kernel declares more than 16 threadgroup arrays");
  if (arrays_[id]) {
    if (array_bytes_[id] != bytes) fail("two threadgroup arrays share one identity");
    return arrays_[id];
  }
  const size_t rounded = (bytes + 63) / 64 * 64;
  arena_counted_ += (bytes + 15) / 16 * 16;
  if (arena_counted_ > arena_limit_ || arena_used_ + rounded + kRedzone > kArenaBytes)
    fail("threadgroup memory of " + std::to_string(arena_counted_) + " bytes exceeds the limit of " +
         std::to_string(arena_limit_));
  std::byte* start = arena_ + arena_used_;
  RIG_ASAN_UNPOISON(start, rounded);
  if (!RIG_TSAN) poison(start, rounded);
  RIG_ASAN_POISON(start + bytes, rounded - bytes);
  arena_used_ += rounded + kRedzone;
  array_bytes_[id] = bytes;
  return arrays_[id] = start;
}

void Group::fail(std::string message) {
  if (failure_.empty()) failure_ = std::move(message);
  Fiber::switch_to(current_->fiber, main_);
  std::abort();
}

void Group::lane_main(void* lane) {
  Lane& self = *static_cast<Lane*>(lane);
  for (;;) {
    Group& group = *active;
    RIG_TSAN_ACQUIRE(&group.start_token_);
    group.launch_->kernel->entry(group.launch_->buffers.data());
    RIG_TSAN_RELEASE(&group.set_->token);
    self.waiting = Waiting::done;
    group.finish();
  }
}

void Group::finish() {
  ++finished_;
  Simdgroup& simd = simdgroup();
  if (simd.arrived > 0) fail("a thread ended while others of its simdgroup wait at line " + std::to_string(simd.line));
  if (arrived_ > 0) fail("a thread ended while others wait at the barrier of line " + std::to_string(barrier_line_));
  continue_next();
}

void Group::continue_next() {
  Lane& from = *current_;
  if (ready_.empty()) {
    if (finished_ != threads_ && failure_.empty()) failure_ = stuck();
    Fiber::switch_to(from.fiber, main_);
    return;
  }
  Lane& to = set_->lanes[ready_.pop()];
  if (&to == &from) return;
  current_ = &to;
  Fiber::switch_to(from.fiber, to.fiber);
}

std::string Group::stuck() const {
  std::string text = "threads of one group wait at different places:";
  for (uint32_t i = 0; i < threads_; i += kSimdWidth) {
    const Lane& lane = set_->lanes[i];
    const Simdgroup& simd = simdgroups_[i / kSimdWidth];
    text += " simdgroup " + std::to_string(i / kSimdWidth);
    if (simd.arrived)
      text += " at a simdgroup operation of line " + std::to_string(simd.line) + ";";
    else if (lane.waiting == Waiting::done)
      text += " ended;";
    else
      text += " at the barrier of line " + std::to_string(barrier_line_) + ";";
  }
  return text;
}

void Group::release_barrier() {
  for (uint32_t i = 0; i < threads_; ++i) {
    Lane& lane = set_->lanes[i];
    lane.waiting = Waiting::nothing;
    ready_.push(static_cast<uint16_t>(i));
  }
  arrived_ = 0;
}

void Group::barrier(uint32_t flags, int line) {
  if (arrived_ > 0 && barrier_line_ != line)
    fail("divergent barrier: lines " + std::to_string(barrier_line_) + " and " + std::to_string(line));
  if (finished_ > 0) fail("a thread ended before the barrier of line " + std::to_string(line));
  barrier_line_ = line;
  current_->waiting = Waiting::barrier;
  if (flags) RIG_TSAN_RELEASE(&barrier_token_);
  if (++arrived_ == threads_) release_barrier();
  continue_next();
  if (flags) RIG_TSAN_ACQUIRE(&barrier_token_);
}

void Group::simd_arrive(const void* value, size_t size, Combine combine, bool is_barrier, int line) {
  Simdgroup& simd = simdgroup();
  Lane& self = *current_;
  if (simd.arrived == 0) {
    simd.line = line;
    simd.barrier = is_barrier;
    simd.collectives = self.collectives;
  } else if (simd.line != line || simd.barrier != is_barrier || simd.collectives != self.collectives) {
    fail("non-uniform simdgroup operation: lines " + std::to_string(simd.line) + " and " + std::to_string(line));
  }
  const uint32_t phase = simd.phase & 1;
  if (size) exchange_copy(simd.slots[phase][self.place.lane], value, size);
  if (++simd.arrived < simd.lanes) {
    self.waiting = Waiting::simd;
    continue_next();
    return;
  }
  simd.arrived = 0;
  ++simd.phase;
  if (combine) combine(simd.slots[phase][0], simd.result[phase]);
  const uint32_t first = self.place.simdgroup * kSimdWidth;
  for (uint32_t i = first; i < first + simd.lanes; ++i) {
    Lane& lane = set_->lanes[i];
    if (&lane == &self) continue;
    lane.waiting = Waiting::nothing;
    ready_.push(static_cast<uint16_t>(i));
  }
}

void Group::place_lanes(const Launch& launch, const uint32_t group[3]) {
  const uint32_t simdgroups = (threads_ + kSimdWidth - 1) / kSimdWidth;
  for (uint32_t i = 0; i < threads_; ++i) {
    Lane& lane = set_->lanes[i];
    if (!lane.fiber.created()) lane.fiber.create(&lane_main, &lane);
    Place& place = lane.place;
    place.local[0] = i % launch.threads[0];
    place.local[1] = i / launch.threads[0] % launch.threads[1];
    place.local[2] = i / launch.threads[0] / launch.threads[1];
    for (int axis = 0; axis < 3; ++axis) {
      place.group[axis] = group[axis];
      place.threads[axis] = launch.threads[axis];
      place.groups[axis] = launch.groups[axis];
    }
    place.index = i;
    place.lane = i % kSimdWidth;
    place.simdgroup = i / kSimdWidth;
    place.simdgroups = simdgroups;
    lane.waiting = Waiting::nothing;
    lane.collectives = 0;
    ready_.push(static_cast<uint16_t>(i));
  }
  for (uint32_t s = 0; s < simdgroups; ++s) {
    simdgroups_[s].lanes = std::min(kSimdWidth, threads_ - s * kSimdWidth);
    simdgroups_[s].arrived = 0;
  }
}

void Group::run(const Launch& launch, const LaunchOptions& options, const uint32_t group[3], uint32_t set,
                uint64_t seed) {
  launch_ = &launch;
  set_ = &sets_[set % kSets];
  threads_ = launch.threads[0] * launch.threads[1] * launch.threads[2];
  finished_ = arrived_ = 0;
  failure_.clear();
  ready_.clear(options.schedule, seed);
  clear_arena(options);
  RIG_TSAN_RELEASE(&start_token_);  // the mapping counts as a write of this thread
  place_lanes(launch, group);
  current_ = &set_->lanes[ready_.pop()];
  Fiber::switch_to(main_, current_->fiber);
  if (failure_.empty()) return;
  for (uint32_t i = 0; i < threads_; ++i) set_->lanes[i].fiber.reset();
  throw Fault(std::string(launch.kernel->name) + ": " + failure_);
}

Group& group_of_thread() {
  thread_local std::unique_ptr<Group> group = std::make_unique<Group>();
  return *group;
}

}  // namespace

void launch(const Launch& launch, const LaunchOptions& options) {
  const uint64_t threads = uint64_t{launch.threads[0]} * launch.threads[1] * launch.threads[2];
  if (threads == 0 || threads > kMaxThreads)
    throw Fault(std::string(launch.kernel->name) + ": threadgroup of " + std::to_string(threads) + " threads");
  Group& group = group_of_thread();
  active = &group;
  RIG_TSAN_RELEASE(&group.start_token_);
  uint64_t number = 0;
  for (uint32_t z = 0; z < launch.groups[2]; ++z)
    for (uint32_t y = 0; y < launch.groups[1]; ++y)
      for (uint32_t x = 0; x < launch.groups[0]; ++x, ++number) {
        const uint32_t at[3] = {x, y, z};
#if RIG_TRAFFIC
        traffic::begin_group();
#endif
        group.run(launch, options, at, static_cast<uint32_t>(number), options.seed + number);
      }
  for (FiberSet& set : group.sets_) RIG_TSAN_ACQUIRE(&set.token);
}

const Place& place() noexcept { return active->current().place; }

void group_barrier(uint32_t flags, int line) { active->barrier(flags, line); }

void simd_barrier(uint32_t flags, int line) {
  Simdgroup& simd = active->simdgroup();
  if (flags) RIG_TSAN_RELEASE(&simd.token);
  active->simd_arrive(nullptr, 0, nullptr, true, line);
  if (flags) RIG_TSAN_ACQUIRE(&simd.token);
}

void simd_combine(const void* value, size_t size, Combine combine, void* out, size_t out_size, int line) {
  Simdgroup& simd = active->simdgroup();
  const uint32_t phase = simd.phase & 1;
  active->simd_arrive(value, size, combine, false, line);
  exchange_copy(out, simd.result[phase], out_size);
}

void simd_read(const void* value, size_t size, uint32_t source, void* out, int line) {
  Simdgroup& simd = active->simdgroup();
  const uint32_t phase = simd.phase & 1;
  active->simd_arrive(value, size, nullptr, false, line);
  exchange_copy(out, simd.slots[phase][source % kSimdWidth], size);
}

void simd_note(int line) noexcept {
  Lane& lane = active->current();
  lane.collectives = lane.collectives * 31 + static_cast<uint32_t>(line);
}

void* group_memory(int id, size_t bytes) { return active->memory(id, bytes); }

}  // namespace rig
