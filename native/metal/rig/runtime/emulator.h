// Runs compute kernels written in the Metal shading language on the CPU: every thread of a threadgroup is a fiber,
// so barriers and simdgroup operations behave as on a GPU while the order of threads is chosen by a schedule.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace rig {

constexpr uint32_t kSimdWidth = 32;
constexpr uint32_t kMaxBuffers = 31;
constexpr uint32_t kMaxThreads = 1024;

// What a kernel did that a GPU does not allow: divergent barriers, non-uniform simdgroup operations, too much memory.
class Fault : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A `[[buffer(n)]]` parameter. `size` is sizeof the pointee or of the referenced constant; `writes` is false for
// pointers to const.
struct Parameter {
  const char* name;
  uint32_t index;
  size_t size;
  bool reference;
  bool writes;
};

struct Kernel {
  const char* name;
  void (*entry)(void* const* buffers);
  size_t threadgroup_bytes;
  std::vector<Parameter> parameters;
};

// One compiled library: all kernels of one source text, found again by the text's FNV-1a hash.
struct Library {
  const char* family;
  uint64_t source_hash;
  std::vector<Kernel> kernels;
  const Kernel* find(const std::string& name) const;
};

// All libraries of this build; the definition is generated beside them.
std::vector<const Library*> compiled_libraries();

const Library* find_library(uint64_t source_hash);
const Library* find_library(const std::string& family);
uint64_t hash_source(const char* text, size_t size);

enum class Schedule : uint8_t { fifo, lifo, random };

struct LaunchOptions {
  Schedule schedule = Schedule::fifo;
  uint64_t seed = 1;
  size_t threadgroup_memory = 32768;
  bool poison = true;  // threadgroup memory starts as NaN
};

struct Launch {
  const Kernel* kernel = nullptr;
  std::array<void*, kMaxBuffers> buffers{};
  std::array<uint32_t, 3> groups{1, 1, 1};
  std::array<uint32_t, 3> threads{1, 1, 1};
};

// Runs all threadgroups one after the other on the calling thread. Throws Fault.
void launch(const Launch& launch, const LaunchOptions& options);

}  // namespace rig
