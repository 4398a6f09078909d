#include "traffic.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace rig::traffic {
namespace {

constexpr size_t kLine = 64;
constexpr ptrdiff_t kNearStack = 16 * 1024;  // a thread's own variables, sorted out early

struct Watched {
  const std::byte* begin;
  size_t bytes;
  Class kind;
  std::vector<uint32_t> read_in, written_in;  // number of the threadgroup that last did, by line; 0: none
};

struct Count {
  uint64_t lanes = 0, fetched = 0, moved = 0;
};

struct State {
  std::vector<Watched> regions;  // by address
  Watched* recent[4] = {};       // where the latest accesses went: kernels alternate between a few buffers
  uint32_t oldest = 0;
  uint32_t group = 0;
  Count loads[kClasses], stores[kClasses];
  uint64_t operations = 0;
};
thread_local State* state = nullptr;  // of the dispatch that this thread runs

bool holds(const Watched* region, const std::byte* address) {
  return region && address >= region->begin && address < region->begin + region->bytes;
}

Watched* find(const std::byte* address) {
  for (Watched* region : state->recent)
    if (holds(region, address)) return region;
  auto after = std::upper_bound(state->regions.begin(), state->regions.end(), address,
                                [](const std::byte* a, const Watched& region) { return a < region.begin; });
  if (after == state->regions.begin() || !holds(&*(after - 1), address)) return nullptr;
  return state->recent[state->oldest++ % 4] = &*(after - 1);
}

// Memory of no region is a thread's own or the threadgroup's.
void touch(const void* at, size_t size, bool store) {
  const auto* address = static_cast<const std::byte*>(at);
  const auto* frame = static_cast<const std::byte*>(__builtin_frame_address(0));
  if (!state || (address > frame && address < frame + kNearStack)) return;
  Watched* region = find(address);
  if (!region) return;
  Count& count = store ? state->stores[region->kind] : state->loads[region->kind];
  std::vector<uint32_t>& seen = store ? region->written_in : region->read_in;
  count.lanes += size;
  const size_t first = static_cast<size_t>(address - region->begin) / kLine;
  const size_t last = static_cast<size_t>(address - region->begin + size - 1) / kLine;
  for (size_t line = first; line <= last; ++line) {
    if (seen[line] == state->group) continue;
    count.moved += seen[line] == 0 ? kLine : 0;
    count.fetched += kLine;
    seen[line] = state->group;
  }
}

void write_counts(FILE* file, const char* name, const Count (&counts)[kClasses]) {
  const char* const kinds[kClasses] = {"mapped", "linked", "bound", "constants"};
  std::fprintf(file, ", \"%s\": {", name);
  for (int k = 0; k < kClasses; ++k)
    std::fprintf(file, "%s\"%s\": {\"lanes\": %llu, \"fetched\": %llu, \"moved\": %llu}", k ? ", " : "", kinds[k],
                 static_cast<unsigned long long>(counts[k].lanes), static_cast<unsigned long long>(counts[k].fetched),
                 static_cast<unsigned long long>(counts[k].moved));
  std::fprintf(file, "}");
}

}  // namespace

void begin_dispatch(std::vector<Region> regions) {
  state = new State;
  std::sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) { return a.begin < b.begin; });
  for (const Region& region : regions) {
    if (!state->regions.empty() && state->regions.back().begin == region.begin) continue;  // bound twice
    const size_t lines = (region.bytes + kLine - 1) / kLine;
    state->regions.push_back({region.begin, region.bytes, region.kind, std::vector<uint32_t>(lines), {}});
    if (region.kind != mapped && region.kind != constants) state->regions.back().written_in.resize(lines);
  }
}

void begin_group() {
  if (state) ++state->group;
}

void end_dispatch(const char* kernel) {
  const std::unique_ptr<State> ended(state);
  state = nullptr;
  const char* path = std::getenv("RIG_TRAFFIC");
  FILE* file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  std::fprintf(file, "{\"kernel\": \"%s\", \"groups\": %u, \"operations\": %llu", kernel, ended->group,
               static_cast<unsigned long long>(ended->operations));
  write_counts(file, "loads", ended->loads);
  write_counts(file, "stores", ended->stores);
  std::fprintf(file, "}\n");
  std::fclose(file);
}

void note_command_buffer(const CommandBuffer& dispatches) {
  const char* path = std::getenv("RIG_TRAFFIC");
  FILE* file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  std::fprintf(file, "{\"commandBuffer\": [");
  for (size_t i = 0; i < dispatches.size(); ++i)
    std::fprintf(file, "%s[\"%s\", %.0f]", i ? ", " : "", dispatches[i].first.c_str(), dispatches[i].second);
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

}  // namespace rig::traffic

// Called by what instrument.ts wrote.
extern "C" {
void rig_load(const void* at, size_t size) { rig::traffic::touch(at, size, false); }
void rig_store(const void* at, size_t size) { rig::traffic::touch(at, size, true); }
void rig_operations(uint32_t count) {
  if (rig::traffic::state) rig::traffic::state->operations += count;
}
}
