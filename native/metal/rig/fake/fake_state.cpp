#include "fake_state.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <sstream>

namespace rig::fake {
namespace {

std::set<std::string> listed_in(const char* variable) {
  const char* text = std::getenv(variable);
  std::istringstream list(text ? text : "");
  std::set<std::string> names;
  for (std::string name; std::getline(list, name, ',');) names.insert(name);
  return names;
}

Settings first_settings() {
  Settings settings;
  settings.broken_families = listed_in("RIG_BROKEN_FAMILIES");
  settings.leaky_families = listed_in("RIG_LEAKY_FAMILIES");
  settings.dry = std::getenv("RIG_DRY") != nullptr;
  if (settings.dry) settings.working_set = size_t{64} << 30;  // of a Mac that holds any model whose work is counted
  return settings;
}

struct State {
  std::mutex mutex;
  Settings settings = first_settings();
  Counters counters;
  std::vector<std::string> violations;
  std::vector<Extent> extents;
  int64_t allocations = 0, commands = 0, queues = 0, command_buffers = 0, encoders = 0;
};

State& state() {
  static State* one = new State;  // outlives every object that reports its end
  return *one;
}

}  // namespace

Settings& settings() { return state().settings; }

Counters counters() {
  std::lock_guard lock(state().mutex);
  return state().counters;
}

void reset() {
  std::lock_guard lock(state().mutex);
  State& s = state();
  s.settings = Settings{};
  auto live = s.counters.live;
  const size_t allocated = s.counters.allocated;
  s.counters = Counters{};
  s.counters.live = live;
  s.counters.allocated = s.counters.peak_allocated = allocated;
  s.violations.clear();
  s.allocations = s.commands = s.queues = s.command_buffers = s.encoders = 0;
}

int64_t live_objects() {
  int64_t total = 0;
  for (const auto& [kind, count] : counters().live) total += count;
  return total;
}

std::vector<std::string> violations() {
  std::lock_guard lock(state().mutex);
  return state().violations;
}

void born(const char* kind) {
  std::lock_guard lock(state().mutex);
  Counters& c = state().counters;
  ++c.live[kind];
  c.most_command_buffers = std::max(c.most_command_buffers, c.live["command buffer"]);
}

void died(const char* kind) {
  std::lock_guard lock(state().mutex);
  --state().counters.live[kind];
}

void violation(const std::string& text) {
  std::lock_guard lock(state().mutex);
  state().violations.push_back(text);
}

void count_launch(const std::string& kernel) {
  std::lock_guard lock(state().mutex);
  ++state().counters.dispatches;
  ++state().counters.launches[kernel];
}

void count_library() {
  std::lock_guard lock(state().mutex);
  ++state().counters.libraries;
}

void count_barrier() {
  std::lock_guard lock(state().mutex);
  ++state().counters.barriers;
}

void count_lapse() {
  std::lock_guard lock(state().mutex);
  ++state().counters.lapses;
}

void note_resident(int64_t buffers) {
  std::lock_guard lock(state().mutex);
  state().counters.resident = buffers;
}

void count_command_buffer() {
  std::lock_guard lock(state().mutex);
  ++state().counters.command_buffers;
}

// Whether the one of this number is among the `count` that fail from `first` on.
static bool fails(int64_t number, int64_t first, int64_t count) {
  return first >= 0 && number >= first && (count < 0 || number < first + count);
}

bool admit(size_t bytes, bool no_copy) {
  std::lock_guard lock(state().mutex);
  State& s = state();
  if (bytes > s.settings.max_buffer) return false;
  if (no_copy && s.settings.refuse_no_copy) return false;
  if (!no_copy && fails(s.allocations++, s.settings.fail_allocation, s.settings.fail_allocations)) return false;
  ++s.counters.buffers;
  if (no_copy) ++s.counters.no_copy;
  s.counters.allocated += bytes;
  s.counters.peak_allocated = std::max(s.counters.peak_allocated, s.counters.allocated);
  return true;
}

void release_bytes(size_t bytes) {
  std::lock_guard lock(state().mutex);
  state().counters.allocated -= bytes;
}

bool command_fails() {
  std::lock_guard lock(state().mutex);
  State& s = state();
  if (s.settings.fail_command < 0) return false;
  return fails(s.commands++, s.settings.fail_command, s.settings.fail_commands);
}

namespace {

bool give(int64_t limit, int64_t& given) { return limit < 0 || given++ < limit; }

}  // namespace

bool give_queue() {
  std::lock_guard lock(state().mutex);
  return give(state().settings.refuse_queue, state().queues);
}

bool give_command_buffer() {
  std::lock_guard lock(state().mutex);
  return give(state().settings.nil_command, state().command_buffers);
}

bool give_encoder() {
  std::lock_guard lock(state().mutex);
  return give(state().settings.nil_encoder, state().encoders);
}

void count_cost(double operations, double seconds) {
  std::lock_guard lock(state().mutex);
  Counters& c = state().counters;
  c.most_operations = std::max(c.most_operations, operations);
  c.most_seconds = std::max(c.most_seconds, seconds);
}

void add_extent(const void* memory, size_t bytes) {
  std::lock_guard lock(state().mutex);
  state().extents.push_back({memory, bytes});
}

void remove_extent(const void* memory, size_t bytes) {
  std::lock_guard lock(state().mutex);
  auto& all = state().extents;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Extent& e) { return e.memory == memory && e.bytes == bytes; });
  if (found != all.end()) all.erase(found);
}

std::vector<Extent> extents() {
  std::lock_guard lock(state().mutex);
  return state().extents;
}

}  // namespace rig::fake
