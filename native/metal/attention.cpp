#include <algorithm>

#include "metal/attention_params.h"
#include "metal/joined.h"
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
  p.start = static_cast<uint32_t>(a.start);
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
  const int64_t begin = first_seen(a, sequence.first_position + first);
  return 2.0 * static_cast<double>((end - begin) * tile.count * (a.k_dim + a.v_dim) * a.kv_heads);
}

QueryTiles query_tiles(const Dispatch& d, const BatchTables& tables, uint32_t queries) {
  const RowBatch& batch = *d.batch;
  const auto group = static_cast<uint32_t>(d.attrs->heads / d.attrs->kv_heads);
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

void store(Encoder& encoder, const Dispatch& d, const BatchTables& tables, const AttentionParams& params) {
  encoder.kernel("attention", std::string("kv_store_") + name_of(d.batch->kv->type()), 32);
  encoder.bind(0, d.in[1]).bind(1, d.in[2]).bind(2, tables.places).bind(3, tables.blocks).constants(4, params);
  use_blocks(encoder, *d.batch);
  encoder.dispatch(static_cast<uint32_t>(d.in[0].rows), params.kv_heads, 2);
  encoder.barrier();
}

// q, places, tiles from `first` on, blocks and `y`.
void bind_attention(Encoder& encoder, const Dispatch& d, const BatchTables& tables, Placement tiles, uint32_t first,
                    Placement y, const AttentionParams& params) {
  encoder.bind(0, d.in[0])
      .bind(1, tables.places)
      .bind(2, Placement{tiles.buffer, tiles.offset + first * sizeof(QueryTile)})
      .bind(3, tables.blocks)
      .bind(4, y)
      .constants(5, params);
  use_blocks(encoder, *d.batch);
}

Placement placement_of(const Tensor& tensor) { return {&buffer_of(tensor.memory), tensor.offset}; }

// One dispatch for as many tiles as its limits allow, of all kv heads or, where one tile is too much, of as many as go.
template <class Encode>
void for_heads(Encoder& encoder, std::vector<double> work, double rate, AttentionParams& params, Encode encode) {
  const double largest = work.empty() ? 0 : *std::max_element(work.begin(), work.end());
  const auto heads = static_cast<uint32_t>(units_at_once(params.kv_heads, largest, rate, 1));
  for (uint32_t first = 0; first < params.kv_heads; first += heads) {
    const uint32_t count = std::min(heads, params.kv_heads - first);
    std::vector<double> part = work;
    for (double& flop : part) flop *= static_cast<double>(count) / params.kv_heads;
    params.first_kv_head = first;
    for_parts(encoder, part, rate, [&](uint32_t first_tile, uint32_t tiles) { encode(first_tile, tiles, count); });
  }
}

// Whole queries a threadgroup: of `queries` of them with `threads` threads.
void attend(Encoder& encoder, const Dispatch& d, const BatchTables& tables, AttentionParams params,
            const KernelName& kernel, uint32_t queries, uint32_t threads, double rate) {
  const QueryTiles tiles = query_tiles(d, tables, queries);
  const Placement uploaded = encoder.upload(tiles.tiles);
  for_heads(encoder, tiles.work, rate, params, [&](uint32_t first, uint32_t count, uint32_t kv_heads) {
    encoder.kernel(kernel, threads);
    bind_attention(encoder, d, tables, uploaded, first, placement_of(d.out[0]), params);
    encoder.dispatch(count, kv_heads);
  });
}

// Spans that the batch's queries see.
void find_spans(const Dispatch& d, AttentionParams& params) {
  int64_t lowest = INT64_MAX, highest = 0;
  for (const SequenceRows& sequence : d.batch->sequences) {
    if (sequence.rows == 0) continue;
    lowest = std::min(lowest, first_seen(*d.attrs, sequence.first_position));
    highest = std::max(highest, sequence.first_position + sequence.rows);
    if (!d.attrs->causal)
      for (int32_t r = 0; r < sequence.rows; ++r)
        highest = std::max<int64_t>(highest, d.batch->visible_end[static_cast<size_t>(sequence.first_row + r)]);
  }
  params.first_span = static_cast<uint32_t>(lowest / kSpan);
  params.spans = static_cast<uint32_t>((highest + kSpan - 1) / kSpan) - params.first_span;
}

// Few queries with many positions leave the device idle where each is computed as a whole.
constexpr uint32_t kMostSplitTiles = 64;  // of all kv heads
constexpr size_t kMostPartialBytes = size_t{16} << 20;

void attend_on_matrices(Encoder& encoder, const Dispatch& d, const BatchTables& tables, AttentionParams params,
                        const KernelSet& kernels) {
  find_spans(d, params);
  const QueryTiles tiles = query_tiles(d, tables, 8);
  const size_t tile_bytes = size_t{params.kv_heads} * params.spans * 8 * (params.v_dim + 2) * 4;
  const bool splits = params.spans > 1 && tiles.tiles.size() * params.kv_heads <= kMostSplitTiles &&
                      tile_bytes * tiles.tiles.size() <= kMostPartialBytes;
  if (!splits) return attend(encoder, d, tables, params, kernels[0], 32, 128, kMatrixAttentionRate);
  const Placement uploaded = encoder.upload(tiles.tiles), partial = encoder.scratch(tile_bytes * tiles.tiles.size());
  const auto encode = [&](uint32_t first, uint32_t count, uint32_t kv_heads) {
    encoder.barrier();  // what was kept of the part before is done with
    encoder.kernel(kernels[1], 64);
    bind_attention(encoder, d, tables, uploaded, first, partial, params);
    encoder.dispatch(tiles_of(params.spans, 2), kv_heads, count);
    encoder.barrier();
    encoder.kernel(kernels[2], 256);
    bind_attention(encoder, d, tables, uploaded, first, placement_of(d.out[0]), params);
    encoder.bind(0, partial);
    encoder.dispatch(8, kv_heads, count);
  };
  for_heads(encoder, tiles.work, kMatrixAttentionRate, params, encode);
}

// Of the kernel on matrices; 0 where there is none.
int32_t padded_dim(int32_t dim) { return dim <= 64 ? 64 : dim <= 128 ? 128 : dim <= kMaxDim ? 256 : 0; }

}  // namespace

std::vector<KernelSet> attention_kernels(const OpAttrs& a, KvType type) {
  const std::string name = name_of(type), padded = std::to_string(padded_dim(std::max(a.k_dim, a.v_dim)));
  KernelSet dots{{"attention", "attention_" + name + "_8"}, {"attention", "kv_store_" + name}};
  const int32_t group = a.heads / a.kv_heads;
  if (group <= 4) dots.push_back({"attention", "attention_" + name + "_4"});
  if (group == 1) dots.push_back({"attention", "attention_" + name + "_1"});
  if (padded == "0") return {dots};
  return {{{"attention_matrix", "attention_matrix_" + name + "_" + padded},
           {"attention_matrix", "attention_split_" + name + "_" + padded},
           {"attention_matrix", "attention_merge"},
           {"attention", "kv_store_" + name}},
          dots};
}

namespace {

void encode_stored(Encoder& encoder, const Dispatch& d, const BatchTables& tables, const AttentionParams& params,
                   const KernelSet& kernels) {
  if (on_matrices(kernels)) return attend_on_matrices(encoder, d, tables, params, kernels);
  const int64_t most = d.in[0].rows * (d.attrs->heads / d.attrs->kv_heads);  // queries of one kv head
  const uint32_t queries = most == 1 ? 1 : most <= 4 ? 4 : 8;
  const std::string name = std::string("attention_") + name_of(d.batch->kv->type()) + "_" + std::to_string(queries);
  attend(encoder, d, tables, params, {"attention", name}, queries, queries == 8 ? 256 : 128, kAttentionRate);
}

KernelSet kernels_for(Encoder& encoder, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  if (a.k_dim > kMaxDim || a.v_dim > kMaxDim)
    throw KernelUnavailable(std::string("attention_") + name_of(d.batch->kv->type()) + "_8",
                            "head dimensions above 256 have no kernel");
  return encoder.choose(attention_kernels(a, d.batch->kv->type()));
}

}  // namespace

void encode_attention(Encoder& encoder, const Dispatch& d) {
  const KernelSet kernels = kernels_for(encoder, d);
  const BatchTables& tables = encoder.tables(*d.batch);
  const AttentionParams params = params_of(d);
  if (d.in[1]) store(encoder, d, tables, params);
  encode_stored(encoder, d, tables, params, kernels);
}

void encode_joined(Encoder& encoder, const JoinedRopes& joined) {
  const Dispatch &q = *joined.queries, &k = *joined.keys, &d = *joined.attention;
  const KernelSet kernels = kernels_for(encoder, d);
  std::vector<Range> reads, writes;
  for (const Dispatch* one : {&q, &k, &d}) add_operands(*one, reads, writes);
  encoder.operands(std::move(reads), std::move(writes));
  const BatchTables& tables = encoder.tables(*d.batch);
  const AttentionParams params = params_of(d);
  encoder.kernel(rope_store_kernel(d.batch->kv->type()), 32);
  encoder.bind(0, q.in[0]).bind(1, k.in[0]).bind(2, d.in[2]).bind(3, q.in[1]).bind(4, q.out[0]).bind(5, k.out[0]);
  encoder.bind(6, tables.places).bind(7, tables.blocks).constants(8, params).constants(9, rope_params(q));
  use_blocks(encoder, *d.batch);
  encoder.dispatch(static_cast<uint32_t>(q.in[0].rows), params.heads + 2 * params.kv_heads);
  encoder.barrier();
  encode_stored(encoder, d, tables, params, kernels);
}

}  // namespace afterimage::metal
