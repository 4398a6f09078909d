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

std::vector<QueryTile> query_tiles(const RowBatch& batch, const BatchTables& tables, uint32_t group, uint32_t queries) {
  std::vector<QueryTile> tiles;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const uint32_t count = static_cast<uint32_t>(batch.sequences[s].rows) * group;
    for (uint32_t first = 0; first < count; first += queries)
      tiles.push_back({static_cast<uint32_t>(batch.sequences[s].first_row), tables.first_block[s], first,
                       std::min(queries, count - first)});
  }
  return tiles;
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
  const auto tiles = query_tiles(batch, tables, group, queries);
  encoder.kernel("attention", name, queries == 8 ? 256 : 128);
  encoder.bind(0, d.in[0])
      .bind(1, tables.places)
      .bind(2, encoder.upload(tiles))
      .bind(3, tables.blocks)
      .bind(4, d.out[0]);
  encoder.constants(5, params);
  use_blocks(encoder, batch);
  encoder.dispatch(static_cast<uint32_t>(tiles.size()), params.kv_heads);
}

}  // namespace afterimage::metal
