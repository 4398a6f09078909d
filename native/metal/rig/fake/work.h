// What a dispatch costs, from what is bound and from its grid alone: the fake's own judgement of the host's estimates.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace rig::fake {

struct Cost {
  double operations = 0;
  double seconds = 0;  // on an M1, by the rates of public measurements of such kernels
};
// `buffers`: where each binding begins, by index.
Cost cost_of(const std::string& kernel, const std::array<uint32_t, 3>& groups, const std::byte* const* buffers);

}  // namespace rig::fake
