// SHA-256 (FIPS 180-4) over bytes given in pieces.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace afterimage {

class Sha256 {
 public:
  Sha256& update(const void* bytes, size_t size);
  Sha256& update(std::string_view text) { return update(text.data(), text.size()); }
  // 8 bytes, little-endian: lengths and shapes.
  Sha256& update_integer(uint64_t value);
  // The object must not be used afterwards.
  std::array<uint8_t, 32> digest();
  std::string hex();

 private:
  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_;
  size_t pending_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace afterimage
