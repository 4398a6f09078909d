// Tiles of all layers lie one after the other, aligned, without overlap and inside the block.
#include <algorithm>
#include <vector>

#include "graph/kv_layout.h"
#include "graph_check.h"

using namespace afterimage;

namespace {

struct Range {
  size_t first, last;
};

void covers(const std::vector<KvLayer>& layers, KvType type, size_t element, size_t scale) {
  const KvLayout layout(layers, type);
  std::vector<Range> tiles;
  for (int32_t layer = 0; layer < static_cast<int32_t>(layers.size()); ++layer) {
    for (int32_t head = 0; head < layers[layer].kv_heads; ++head) {
      tiles.push_back({layout.key_offset(layer, head),
                       layout.key_offset(layer, head) + 64 * (layers[layer].k_dim * element + scale)});
    }
    for (int32_t head = 0; head < layers[layer].kv_heads; ++head) {
      tiles.push_back({layout.value_offset(layer, head),
                       layout.value_offset(layer, head) + 64 * (layers[layer].v_dim * element + scale)});
    }
  }
  CHECK(std::is_sorted(tiles.begin(), tiles.end(), [](const Range& a, const Range& b) { return a.first < b.first; }));
  for (size_t i = 0; i < tiles.size(); ++i) {
    const size_t end = i + 1 < tiles.size() ? tiles[i + 1].first : layout.block_bytes();
    CHECK(tiles[i].first % 64 == 0);
    CHECK(tiles[i].last <= end && end - tiles[i].last < 64);
  }
}

}  // namespace

int main() {
  const std::vector<KvLayer> layers = {{2, 80, 80}, {1, 7, 33}, {5, 64, 128}, {3, 1, 1}};
  covers(layers, KvType::f32, 4, 0);
  covers(layers, KvType::f16, 2, 0);
  covers(layers, KvType::bf16, 2, 0);
  covers(layers, KvType::q8, 1, 4);
  CHECK(KvLayout(std::vector<KvLayer>{}, KvType::f16).block_bytes() == 0);
  CHECK(KvLayout::tile_bytes(128, KvType::f16) == 64 * 128 * 2);
  CHECK(KvLayout::tile_bytes(128, KvType::q8) == 64 * 128 + 64 * 4);

  const StateLayout states({0, 10, 3 * 16, 0});
  CHECK((states.offsets == std::vector<size_t>{0, 0, 64, 256}));
  CHECK(states.bytes == 256);
  return afterimage::test::finish();
}
