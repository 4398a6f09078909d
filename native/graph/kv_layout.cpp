#include "graph/kv_layout.h"

namespace afterimage {
namespace {

constexpr size_t kTileAlignment = 64;

size_t align(size_t bytes) { return (bytes + kTileAlignment - 1) / kTileAlignment * kTileAlignment; }

}  // namespace

const char* name_of(KvType type) noexcept {
  switch (type) {
    case KvType::f32:
      return "f32";
    case KvType::f16:
      return "f16";
    case KvType::bf16:
      return "bf16";
    case KvType::q8:
      return "q8";
  }
  return "";
}

size_t element_bytes(KvType type) noexcept {
  switch (type) {
    case KvType::f32:
      return 4;
    case KvType::f16:
    case KvType::bf16:
      return 2;
    case KvType::q8:
      return 1;
  }
  return 4;
}

size_t KvLayout::tile_bytes(int32_t dim, KvType type) noexcept {
  const size_t codes = kBlockPositions * static_cast<size_t>(dim) * element_bytes(type);
  const size_t scales = type == KvType::q8 ? kBlockPositions * sizeof(float) : 0;
  return align(codes + scales);
}

KvLayout::KvLayout(std::vector<KvLayer> layers, KvType type) : layers_(std::move(layers)), type_(type) {
  for (const KvLayer& layer : layers_) {
    offsets_.push_back(block_bytes_);
    block_bytes_ +=
        static_cast<size_t>(layer.kv_heads) * (tile_bytes(layer.k_dim, type) + tile_bytes(layer.v_dim, type));
  }
}

size_t KvLayout::key_offset(int32_t layer, int32_t head) const noexcept {
  return offsets_[layer] + static_cast<size_t>(head) * tile_bytes(layers_[layer].k_dim, type_);
}

size_t KvLayout::value_offset(int32_t layer, int32_t head) const noexcept {
  const KvLayer& shape = layers_[layer];
  return key_offset(layer, shape.kv_heads) + static_cast<size_t>(head) * tile_bytes(shape.v_dim, type_);
}

StateLayout::StateLayout(const std::vector<int64_t>& elements) {
  for (int64_t count : elements) {
    offsets.push_back(bytes);
    bytes += align(static_cast<size_t>(count) * sizeof(float));
  }
}

}  // namespace afterimage
