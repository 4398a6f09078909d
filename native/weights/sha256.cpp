#include "weights/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "weights/sha256_blocks.h"

namespace afterimage {
namespace {

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

void compress(uint32_t (&state)[8], const uint8_t* blocks, size_t count) {
  static const Sha256Blocks instructions = sha256_instructions();
  (instructions ? instructions : sha256_plain)(state, blocks, count);
}

}  // namespace

void sha256_plain(uint32_t (&state)[8], const uint8_t* blocks, size_t count) {
  for (; count > 0; --count, blocks += 64) {
    uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = big_endian(blocks + 4 * t);
    for (int t = 16; t < 64; ++t) {
      const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
      const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int t = 0; t < 64; ++t) {
      const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kSha256Rounds[t] + w[t];
      const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t next[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += next[i];
  }
}

Sha256& Sha256::update(const void* bytes, size_t size) {
  const auto* p = static_cast<const uint8_t*>(bytes);
  total_bytes_ += size;
  if (pending_bytes_ > 0) {
    const size_t taken = std::min(size, 64 - pending_bytes_);
    if (taken > 0) std::memcpy(pending_.data() + pending_bytes_, p, taken);
    pending_bytes_ += taken, p += taken, size -= taken;
    if (pending_bytes_ < 64) return *this;
    compress(state_, pending_.data(), 1);
    pending_bytes_ = 0;
  }
  compress(state_, p, size / 64);
  pending_bytes_ = size % 64;
  if (pending_bytes_ > 0) std::memcpy(pending_.data(), p + size - pending_bytes_, pending_bytes_);
  return *this;
}

Sha256& Sha256::update_integer(uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(value >> 8 * i);
  return update(bytes, 8);
}

std::array<uint8_t, 32> Sha256::digest() {
  const uint64_t bits = total_bytes_ * 8;
  static constexpr uint8_t kPadding[64] = {0x80};
  update(kPadding, pending_bytes_ < 56 ? 56 - pending_bytes_ : 120 - pending_bytes_);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(bits >> 8 * (7 - i));
  update(length, 8);
  std::array<uint8_t, 32> out;
  for (int i = 0; i < 32; ++i) out[i] = static_cast<uint8_t>(state_[i / 4] >> 8 * (3 - i % 4));
  return out;
}

std::string Sha256::hex() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : digest()) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

}  // namespace afterimage
