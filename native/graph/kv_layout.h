// Where keys, values and recurrent state of every layer lie inside a KV block or a state buffer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace afterimage {

constexpr int32_t kBlockPositions = 64;

// q8: int8 values with one f32 scale per (position, head): x ≈ scale · q, scale = max|x| / 127.
enum class KvType : uint8_t { f32, f16, bf16, q8 };
const char* name_of(KvType type) noexcept;  // "f32", …
size_t element_bytes(KvType type) noexcept;

struct KvLayer {
  int32_t kv_heads = 0, k_dim = 0, v_dim = 0;
  bool operator==(const KvLayer&) const = default;
};

// One block holds 64 positions of all layers, so it has one reference count:
// for each layer, for each kv head: K [64][k_dim], then for each kv head: V [64][v_dim]; a q8 tile is followed by
// its 64 f32 scales. Every tile starts at a multiple of 64 bytes.
class KvLayout {
 public:
  KvLayout() = default;
  KvLayout(std::vector<KvLayer> layers, KvType type);
  const std::vector<KvLayer>& layers() const noexcept { return layers_; }
  KvType type() const noexcept { return type_; }
  size_t block_bytes() const noexcept { return block_bytes_; }
  size_t key_offset(int32_t layer, int32_t head) const noexcept;
  size_t value_offset(int32_t layer, int32_t head) const noexcept;
  static size_t tile_bytes(int32_t dim, KvType type) noexcept;

 private:
  std::vector<KvLayer> layers_;
  std::vector<size_t> offsets_;  // of each layer
  KvType type_ = KvType::f16;
  size_t block_bytes_ = 0;
};

// f32 state per sequence of ShortConv ([C][K−1], oldest first) and GatedDelta ([heads][k_dim][v_dim]) layers, in
// the order of their `layer` attribute. Zeroed at position 0.
struct StateLayout {
  StateLayout() = default;
  explicit StateLayout(const std::vector<int64_t>& elements);  // Program::state_elements; every part 64-byte aligned
  std::vector<size_t> offsets;                                 // bytes, by layer attribute
  size_t bytes = 0;
};

}  // namespace afterimage
