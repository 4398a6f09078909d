// Controls and counters of the fake Metal device: plain C++, so that tests need no Objective-C.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/emulator.h"

namespace rig::fake {

struct Settings {
  bool present = true;       // MTLCreateSystemDefaultDevice gives the device
  bool listed = true;        // MTLCopyAllDevices does
  bool apple_family = true;  // it is of Apple silicon
  int64_t system = 15;       // macOS
  size_t working_set = size_t{8} << 30;
  size_t max_buffer = size_t{4} << 30;
  size_t threadgroup_memory = 32768;
  uint32_t threads = 1024;
  // Lowers maxTotalThreadsPerThreadgroup of every pipeline to a random multiple of 32 in [256, threads].
  bool random_limits = false;
  Schedule schedule = Schedule::fifo;
  uint64_t seed = 1;
  // Command buffers run on a thread of their own, this many microseconds after commit; negative: inside commit.
  int64_t delay_us = -1;
  int64_t fail_allocation = -1;   // this many allocations succeed, the next ones do not
  int64_t fail_allocations = -1;  // how many do not; negative: all that follow
  int64_t fail_command = -1;      // this many command buffers complete, the next ones fail
  int64_t fail_commands = -1;     // how many fail; negative: all that follow
  int64_t command_error = 3;      // with this MTLCommandBufferError code
  int64_t refuse_queue = -1;      // this many queues are given, the next ones are not
  int64_t nil_command = -1;       // this many command buffers are given, the next ones are not
  int64_t nil_encoder = -1;       // this many encoders are given, the next ones are not
  bool never_completes = false;   // command buffers end in a state that is neither completed nor an error
  bool ignores_later = false;     // a queue ignores what comes after a failure, as macOS does: with code 4
  bool kills = false;             // work beyond the budget is killed, as by the watchdog; otherwise it is a violation
  bool dry = false;               // nothing is computed, and new memory is not touched
  bool refuse_no_copy = false;
  bool ignores_barriers = false;          // as where none were set
  double residency_seconds = -1;          // without a request or work a set is given up after these; negative: never
  bool refuses_residency = false;         // no residency set is given
  std::set<std::string> broken_families;  // texts that do not compile
  std::set<std::string> leaky_families;   // all kernels of these texts are leaky
  std::set<std::string> broken_kernels;   // pipelines that cannot be made
  std::set<std::string> leaky_kernels;    // the last bit of the first result depends on how many threadgroups there are
  std::set<std::string> leaky_results;    // so does that of every parameter of this name
  std::set<std::string> wrong_kernels;    // pipelines that compute nothing: their output stays as it was
};

struct Counters {
  std::map<std::string, int64_t> live;  // objects by class
  int64_t libraries = 0;                // compiled
  int64_t resident = 0;                 // buffers that the residency set holds
  int64_t lapses = 0;                   // command buffers that waited for memory that was given up
  int64_t barriers = 0;
  int64_t buffers = 0, command_buffers = 0, dispatches = 0, no_copy = 0;
  int64_t most_command_buffers = 0;  // that lived at the same time
  size_t allocated = 0, peak_allocated = 0;
  double most_operations = 0;               // of one dispatch
  double most_seconds = 0;                  // of one command buffer
  std::map<std::string, int64_t> launches;  // by kernel
};

// What a dispatch and a command buffer may cost (work.h): 20 GFLOP, and 50 ms with some room for estimates that differ.
constexpr double kMostOperations = 20e9, kMostSeconds = 0.06;

// Not to be changed while command buffers are in flight. At the start of the process $RIG_BROKEN_FAMILIES and
// $RIG_LEAKY_FAMILIES name families, separated by commas, and $RIG_DRY sets `dry`: how the addon meets such a device.
Settings& settings();
Counters counters();
void reset();
int64_t live_objects();
// What Apple's validation layer would have stopped at, in order.
std::vector<std::string> violations();

}  // namespace rig::fake
