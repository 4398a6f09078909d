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

TileSize tile_size(int k_dim, int v_dim, TileForms forms) {
  const int quads = (k_dim + 3) / 4;
  const auto keys = static_cast<size_t>(forms.keys == TileForm::f32     ? k_dim
                                        : forms.keys == TileForm::bf16  ? 2 * quads
                                        : forms.keys == TileForm::pairs ? (k_dim + 1) / 2 + 1
                                                                        : quads + 1),
             rows = static_cast<size_t>(forms.values == TileForm::f32    ? kBlockPositions
                                        : forms.values == TileForm::bf16 ? kBlockPositions / 2
                                                                         : kBlockPositions / 2 + 1);
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

namespace {

// `count` stored vectors to f32, `stride` apart.
void widen_rows(const KernelTable& kernels, const uint8_t* from, KvType type, int count, int dim, int stride,
                float* to) {
  if (type != KvType::q8 && stride == dim) dim *= count, stride = dim, count = 1;  // in one go
  for (int j = 0; j < count; ++j, to += stride) {
    const size_t first = static_cast<size_t>(j) * static_cast<size_t>(dim);
    if (type == KvType::f32) {
      std::memcpy(to, from + first * 4, static_cast<size_t>(dim) * 4);
    } else if (type == KvType::f16) {
      kernels.widen_f16(reinterpret_cast<const uint16_t*>(from) + first, dim, to);
    } else if (type == KvType::bf16) {
      kernels.widen_bf16(reinterpret_cast<const uint16_t*>(from) + first, dim, to);
    } else {
      float scale;
      std::memcpy(&scale, from + static_cast<size_t>(kBlockPositions * dim) + static_cast<size_t>(j) * 4, 4);
      kernels.widen_q8(reinterpret_cast<const int8_t*>(from) + first, scale, dim, to);
    }
    for (int d = dim; d < stride; ++d) to[d] = 0;
  }
}

// Rows of f32, where they are stored or in `buffer`; null from `count` on.
void rows_of(const KernelTable& kernels, const uint8_t* from, KvType type, int count, int dim, float* buffer,
             const float** rows) {
  if (type != KvType::f32) widen_rows(kernels, from, type, count, dim, dim, buffer);
  const float* first = type == KvType::f32 ? reinterpret_cast<const float*>(from) : buffer;
  for (int j = 0; j < kBlockPositions; ++j) rows[j] = j < count ? first + j * dim : nullptr;
}

}  // namespace

KvTile pack_tile(const KernelTable& kernels, const StoredTile& s, TileForm form, bool few_rows, uint8_t* packed,
                 float* buffer) {
  const bool half = s.type == KvType::f16 || s.type == KvType::bf16;
  const int v_stride = padded_width(s.v_dim);
  auto *keys = packed, *values = packed + tile_size(s.k_dim, s.v_dim, {form, form}).keys;
  const float* rows[kBlockPositions];
  KvType key_type = KvType::f32;
  if (half && form == TileForm::f32) {
    // Few rows take less time than widening for all of them.
    auto* columns = reinterpret_cast<uint16_t*>(few_rows ? keys : reinterpret_cast<uint8_t*>(buffer));
    // Few rows ask for half of the values here, and for the others and the next keys while they multiply.
    const int key_lines = s.count * s.k_dim / 32, value_lines = s.count * s.v_dim / 32;
    kernels.pack_half_keys(
        reinterpret_cast<const uint16_t*>(s.keys), s.count, s.k_dim,
        {{s.values, few_rows ? value_lines / 2 : value_lines}, {s.next, few_rows || !s.next ? 0 : key_lines}}, columns);
    if (few_rows)
      key_type = s.type;
    else
      widen_rows(kernels, reinterpret_cast<const uint8_t*>(columns), s.type, s.k_dim, kBlockPositions, kBlockPositions,
                 reinterpret_cast<float*>(keys));
  } else {
    rows_of(kernels, s.keys, s.type, s.count, s.k_dim, buffer, rows);
    kernels.pack_keys(rows, s.k_dim, form, keys);
  }
  if (form != TileForm::f32) {
    rows_of(kernels, s.values, s.type, s.count, s.v_dim, buffer, rows);
    kernels.pack_values(rows, s.v_dim, v_stride, form, values);
    return {keys, values};
  }
  const bool in_place = v_stride == s.v_dim && (s.type == KvType::f32 || (half && few_rows));
  if (in_place) {
    // Memory that is in the cache already where nothing follows.
    const uint8_t* rest = s.values + s.count * s.v_dim;
    return {keys, s.values, s.count, key_type, s.type, rest, s.next ? s.next : s.values};
  }
  widen_rows(kernels, s.values, s.type, s.count, s.v_dim, v_stride, reinterpret_cast<float*>(values));
  return {keys, values, s.count, key_type, KvType::f32, keys};
}

}  // namespace afterimage
