// The flattened kernel texts, embedded at build time by embed.cmake: one library per operator family.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace afterimage::metal {

struct KernelSource {
  std::string_view family;
  std::string_view text;
};

std::span<const KernelSource> kernel_sources();
// Empty where there is no such family.
std::string_view kernel_text(std::string_view family);

// FNV-1a.
constexpr uint64_t text_hash(std::string_view text, uint64_t hash = 0xcbf29ce484222325ull) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace afterimage::metal
