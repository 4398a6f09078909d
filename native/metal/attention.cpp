#include <algorithm>

#include "metal/attention_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

constexpr int32_t kMaxDim = 256;

AttentionParams params_of(const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const KvLayout& kv = *d.batch->kv;
  AttentionParams p{};
  p.heads = static_cast<uint32_t>(a.heads);
  p.kv_heads = static_cast<uint32_t>(a.kv_heads);
  p.k_dim = static_cast<uint32_t>(a.k_dim);
  p.v_dim = static_cast<uint32_t>(a.v_dim);
  p.window = static_cast<uint32_t>(a.window);
  p.scale = a.scale;
  p.softcap = a.softcap;
  p.causal = a.causal;
  p.key_offset = kv.key_offset(a.layer, 0);
  p.value_offset = kv.value_offset(a.layer, 0);
  p.key_stride = a.kv_heads > 1 ? kv.key_offset(a.layer, 1) - p.key_offset : 0;
  p.value_stride = a.kv_heads > 1 ? kv.value_offset(a.layer, 1) - p.value_offset : 0;
  return p;
}

struct QueryTiles {
  std::vector<QueryTile> tiles;
  std::vector<double> work;  // operations of each, for all kv heads
};

// A tile walks the blocks from the first position that one of its queries sees to the last.
double tile_work(const OpAttrs& a, const RowBatch& batch, const SequenceRows& sequence, const QueryTile& tile,
                 uint32_t group) {
  const int64_t first = tile.first / group, last = (tile.first + tile.count - 1) / group;
  int64_t end = sequence.first_position + last + 1;
  if (!a.causal)
    for (int64_t row = first; row <= last; ++row)
      end = std::max<int64_t>(end, batch.visible_end[tile.first_row + static_cast<size_t>(row)]);
  const int64_t begin = a.window > 0 ? std::max<int64_t>(0, sequence.first_position + first - a.window + 1) : 0;
  return 2.0 * static_cast<double>((end - begin) * tile.count * (a.k_dim + a.v_dim) * a.kv_heads);
}

QueryTiles query_tiles(const Dispatch& d, const BatchTables& tables, uint32_t group, uint32_t queries) {
  const RowBatch& batch = *d.batch;
  QueryTiles all;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const SequenceRows& sequence = batch.sequences[s];
    const uint32_t count = static_cast<uint32_t>(sequence.rows) * group;
    for (uint32_t first = 0; first < count; first += queries) {
      all.tiles.push_back(
          {static_cast<uint32_t>(sequence.first_row), tables.first_block[s], first, std::min(queries, count - first)});
      all.work.push_back(tile_work(*d.attrs, batch, sequence, all.tiles.back(), group));
    }
  }
  return all;
}

void use_blocks(Encoder& encoder, const RowBatch& batch) {
  for (const SequenceRows& sequence : batch.sequences)
    for (Memory* block : sequence.blocks) encoder.use(*block);
}

}  // namespace

void encode_attention(Encoder& encoder, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const RowBatch& batch = *d.batch;
  const std::string type = name_of(batch.kv->type());
  const auto group = static_cast<uint32_t>(a.heads / a.kv_heads);
  const int64_t most = d.in[0].rows * group;  // queries of one kv head
  const uint32_t queries = most == 1 ? 1 : most <= 4 ? 4 : 8;
  const std::string name = "attention_" + type + "_" + std::to_string(queries);
  if (a.k_dim > kMaxDim || a.v_dim > kMaxDim) throw KernelUnavailable(name, "head dimensions above 256 have no kernel");
  const BatchTables& tables = encoder.tables(batch);
  const AttentionParams params = params_of(d);
  if (d.in[1]) {
    encoder.kernel("attention", "kv_store_" + type, 32);
    encoder.bind(0, d.in[1]).bind(1, d.in[2]).bind(2, tables.places).bind(3, tables.blocks).constants(4, params);
    use_blocks(encoder, batch);
    encoder.dispatch(static_cast<uint32_t>(d.in[0].rows), params.kv_heads, 2);
  }
  const QueryTiles tiles = query_tiles(d, tables, group, queries);
  const Placement uploaded = encoder.upload(tiles.tiles);
  for_parts(encoder, tiles.work, kAttentionRate, [&](uint32_t first, uint32_t count) {
    encoder.kernel("attention", name, queries == 8 ? 256 : 128);
    encoder.bind(0, d.in[0])
        .bind(1, tables.places)
        .bind(2, Placement{uploaded.buffer, uploaded.offset + first * sizeof(QueryTile)})
        .bind(3, tables.blocks)
        .bind(4, d.out[0]);
    encoder.constants(5, params);
    use_blocks(encoder, batch);
    encoder.dispatch(count, params.kv_heads);
  });
}

}  // namespace afterimage::metal
