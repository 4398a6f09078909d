// Writes a planned run out as dispatches over concrete tensors.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "graph/backend.h"
#include "graph/memory_plan.h"

namespace afterimage {

struct DispatchContext {
  const Program& program;
  const std::vector<OpNode>& ops;
  const MemoryPlan& plan;
  const std::vector<std::shared_ptr<Weight>>& weights;  // by recipe
  const std::vector<Tensor>& external;                  // by value: inputs in memory of their own, absent otherwise
  Memory* scratch;
  const RowBatch* batch;
  Precision precision;
};

// All rows of a value that is not tiled.
Tensor whole_tensor(const DispatchContext& context, int32_t value);

// Calls `submit` with the dispatches of the run in order, some thousands at a time.
void for_each_dispatch(const DispatchContext& context, const std::function<void(std::span<const Dispatch>)>& submit);

}  // namespace afterimage
