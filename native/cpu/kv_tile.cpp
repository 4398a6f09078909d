#include "cpu/kv_tile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "graph/error.h"
#include "weights/number_formats.h"

namespace afterimage {

void check_head_width(const OpAttrs& attrs) {
  if (attrs.k_dim <= kMaxKeyDim && attrs.v_dim <= kMaxValueDim) return;
  throw Error("INVALID_PROGRAM",
              "Attention heads of " + std::to_string(attrs.k_dim) + " and " + std::to_string(attrs.v_dim) +
                  " columns are wider than the cpu backend's limit of " + std::to_string(kMaxKeyDim) + ".");
}

TileSize tile_size(int k_dim, int v_dim, TileForm form) {
  const bool whole = form == TileForm::f32, scaled = form == TileForm::pairs;
  const auto keys = static_cast<size_t>(whole ? k_dim : (k_dim + 1) / 2) + (scaled ? 1 : 0),
             rows = static_cast<size_t>(whole ? kBlockPositions : kBlockPositions / 2) + (scaled ? 1 : 0);
  return {keys * kBlockPositions * 4, static_cast<size_t>(padded_width(v_dim)) * rows * 4};
}

void store_kv(uint8_t* tile, KvType type, int position, int dim, const float* x) {
  const size_t first = static_cast<size_t>(position) * static_cast<size_t>(dim);
  if (type == KvType::f32) {
    std::memcpy(tile + first * 4, x, static_cast<size_t>(dim) * 4);
    return;
  }
  if (type == KvType::q8) {
    float largest = 0;
    for (int d = 0; d < dim; ++d) largest = std::max(largest, std::abs(x[d]));
    const float scale = largest / 127.0f, inverse = largest > 0x1p-110f ? 127.0f / largest : 0.0f;
    for (int d = 0; d < dim; ++d)
      tile[first + static_cast<size_t>(d)] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(x[d] * inverse)));
    std::memcpy(tile + static_cast<size_t>(kBlockPositions * dim) + static_cast<size_t>(position) * 4, &scale, 4);
    return;
  }
  uint8_t* to = tile + first * 2;
  for (int d = 0; d < dim; ++d, to += 2) {
    // f16 saturates: an infinite key would turn every later softmax of the sequence into NaN.
    const uint16_t bits =
        type == KvType::bf16 ? float_to_bf16(x[d]) : float_to_f16(std::clamp(x[d], -65504.0f, 65504.0f));
    std::memcpy(to, &bits, 2);
  }
}

void load_kv(const KernelTable& kernels, const uint8_t* tile, KvType type, int count, int dim, float* buffer,
             const float** rows) {
  for (int j = 0; j < kBlockPositions; ++j) {
    rows[j] = nullptr;
    if (j >= count) continue;
    const size_t first = static_cast<size_t>(j) * static_cast<size_t>(dim);
    float* to = buffer + first;
    rows[j] = to;
    if (type == KvType::f32) {
      rows[j] = reinterpret_cast<const float*>(tile) + first;
    } else if (type == KvType::q8) {
      float scale;
      std::memcpy(&scale, tile + static_cast<size_t>(kBlockPositions * dim) + static_cast<size_t>(j) * 4, 4);
      kernels.widen_q8(reinterpret_cast<const int8_t*>(tile) + first, scale, dim, to);
    } else if (type == KvType::bf16) {
      kernels.widen_bf16(reinterpret_cast<const uint16_t*>(tile) + first, dim, to);
    } else {
      kernels.widen_f16(reinterpret_cast<const uint16_t*>(tile) + first, dim, to);
    }
  }
}

}  // namespace afterimage
