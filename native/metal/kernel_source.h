// The flattened kernel texts, embedded at build time by embed.cmake: one library per operator family.
#pragma once
#include <span>
#include <string_view>

namespace afterimage::metal {

struct KernelSource {
  std::string_view family;
  std::string_view text;
};

std::span<const KernelSource> kernel_sources();

}  // namespace afterimage::metal
