// Counts what kernels load, store and compute. Kernels built for counting call in here at every access; the fake
// device says which memory a dispatch may reach. One JSON line per dispatch goes to the file $RIG_TRAFFIC, and one per
// command buffer with the operations of each of its products, from their shapes: that one also where nothing is
// computed.
//
// `lanes`: bytes that lanes ask for. `fetched`: 64-byte lines that a threadgroup touches, each once per threadgroup:
// what must come from the cache that threadgroups share. `moved`: lines that the dispatch touches, each once: what must
// cross the memory bus if that cache holds everything a dispatch uses twice.
#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace rig::traffic {

// mapped: weights in place; linked: reached through addresses in a table (KV blocks); bound: all other buffers.
enum Class { mapped, linked, bound, constants, kClasses };

struct Region {
  const std::byte* begin;
  size_t bytes;
  Class kind;
};

void begin_dispatch(std::vector<Region> regions);
void begin_group();
void end_dispatch(const char* kernel);

using CommandBuffer = std::vector<std::pair<std::string, double>>;  // kernels
void note_command_buffer(const CommandBuffer& dispatches);

}  // namespace rig::traffic
