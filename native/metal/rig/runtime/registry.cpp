#include "emulator.h"

namespace rig {

const Kernel* Library::find(const std::string& name) const {
  for (const Kernel& kernel : kernels)
    if (name == kernel.name) return &kernel;
  return nullptr;
}

const Library* find_library(uint64_t source_hash) {
  for (const Library* library : compiled_libraries())
    if (library->source_hash == source_hash) return library;
  return nullptr;
}

const Library* find_library(const std::string& family) {
  for (const Library* library : compiled_libraries())
    if (family == library->family) return library;
  return nullptr;
}

// FNV-1a, 64 bit.
uint64_t hash_source(const char* text, size_t size) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(text[i])) * 0x100000001b3ull;
  return hash;
}

}  // namespace rig
