#include "graph/dispatch_list.h"

#include <algorithm>

#include "graph/op_signature.h"

namespace afterimage {
namespace {

constexpr size_t kBatch = 4096;  // dispatches per submission: bounds the list where a tower runs in many tiles

// Rows [first, first + count) of a stretch.
struct Tile {
  int64_t first, count;
};

Tensor tile_tensor(const DispatchContext& context, int32_t value, const Tile& tile) {
  Tensor tensor = whole_tensor(context, value);
  if (!context.plan.tiled[value]) tensor.offset += static_cast<size_t>(tile.first * tensor.width) * 4;
  tensor.rows = tile.count;
  return tensor;
}

Dispatch make_dispatch(const DispatchContext& context, const OpNode& op, const Stretch& stretch, const Tile& tile) {
  const OpSignature& spec = signature(op.op);
  const bool tiles = stretch.tile < stretch.rows;
  Dispatch dispatch{op.op, &op.attrs, {}, {}, {}, context.batch, context.precision};
  for (size_t i = 0; i < op.in.size(); ++i) {
    if (op.in[i] < 0) continue;
    dispatch.in[i] =
        tiles && !spec.in[i].whole ? tile_tensor(context, op.in[i], tile) : whole_tensor(context, op.in[i]);
  }
  for (size_t i = 0; i < op.out.size(); ++i) {
    dispatch.out[i] = tiles ? tile_tensor(context, op.out[i], tile) : whole_tensor(context, op.out[i]);
  }
  for (size_t i = 0; i < op.weights.size(); ++i) {
    if (op.weights[i] >= 0) dispatch.weights[i] = context.weights[op.weights[i]].get();
  }
  return dispatch;
}

}  // namespace

Tensor whole_tensor(const DispatchContext& context, int32_t value) {
  const Value& declared = context.program.values[value];
  const int32_t root = context.plan.root[value];
  const Tensor& external = context.external[root];
  Memory* memory = external ? external.memory : context.scratch;
  const size_t offset = external ? external.offset : context.plan.offset[root];
  return {memory, offset, context.plan.rows[value], declared.width, declared.dtype};
}

void for_each_dispatch(const DispatchContext& context, const std::function<void(std::span<const Dispatch>)>& submit) {
  std::vector<Dispatch> dispatches;
  for (const Stretch& stretch : context.plan.stretches) {
    for (int64_t first = 0; first < stretch.rows; first += stretch.tile) {
      const Tile tile{first, std::min(stretch.tile, stretch.rows - first)};
      for (size_t i = stretch.first; i < stretch.last; ++i) {
        if (!context.plan.needed[i] || context.ops[i].op == Op::Regroup) continue;
        dispatches.push_back(make_dispatch(context, context.ops[i], stretch, tile));
      }
      if (dispatches.size() < kBatch) continue;
      submit(dispatches);
      dispatches.clear();
    }
  }
  if (!dispatches.empty()) submit(dispatches);
}

}  // namespace afterimage
