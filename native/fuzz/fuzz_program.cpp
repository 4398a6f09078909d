// Arbitrary text as a program: either INVALID_PROGRAM, or a program that can be fused, planned and written out as
// dispatches whose tensors lie inside scratch and whose outputs overlap no input.
#include <cstdlib>
#include <map>
#include <numeric>

#include "graph/dispatch_list.h"
#include "graph/error.h"
#include "graph/fusion.h"
#include "graph/program.h"

using namespace afterimage;

namespace {

constexpr int64_t kMostRows = 1000;  // larger constants are planned, but not written out tile by tile

void require(bool condition) {
  if (!condition) std::abort();
}

struct FakeMemory : Memory {
  explicit FakeMemory(size_t size) : size(size) {}
  void* host() noexcept override { return nullptr; }
  size_t bytes() const noexcept override { return size; }
  size_t size;
};

void check(const Dispatch& dispatch, size_t scratch) {
  for (const Tensor& out : dispatch.out) {
    if (!out) continue;
    require(out.offset + out.bytes() <= scratch);
    for (const Tensor& in : dispatch.in) {
      if (in) require(in.offset + in.bytes() <= scratch);
      if (in && in.bytes() > 0) require(in.offset + in.bytes() <= out.offset || out.offset + out.bytes() <= in.offset);
    }
  }
}

void plan(const Program& program, const std::vector<char>& kept, int64_t count, int64_t tile) {
  std::map<std::string, int64_t> counts;
  for (const Value& value : program.values) counts[value.rows.symbol] = count;
  const std::vector<OpNode> ops = fuse(program, kept);
  const std::vector<char> external(program.values.size(), 0);
  const MemoryPlan plan = plan_memory({program, ops, kept, external, counts, tile});
  for (int64_t rows : plan.rows) {
    if (rows > kMostRows) return;
  }
  FakeMemory scratch(plan.bytes);
  const std::vector<std::shared_ptr<Weight>> weights(program.weights.size());
  const std::vector<Tensor> inputs(program.values.size());
  const DispatchContext context{program, ops, plan, weights, inputs, &scratch, nullptr, Precision::exact};
  for_each_dispatch(context, [&](std::span<const Dispatch> dispatches) {
    for (const Dispatch& dispatch : dispatches) check(dispatch, plan.bytes);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Program program;
  try {
    program = parse_program({reinterpret_cast<const char*>(data), size});
  } catch (const Error& error) {
    require(error.code() == "INVALID_PROGRAM");
    return 0;
  }
  std::vector<char> outputs(program.values.size(), 0), all(program.values.size(), 1);
  for (int32_t output : program.outputs) outputs[static_cast<size_t>(output)] = 1;
  for (int64_t count : {0, 1, 12, 720}) {
    for (int64_t tile : {5, 256}) {
      try {
        plan(program, outputs, count, tile);
        plan(program, all, count, tile);
      } catch (const Error& error) {
        require(error.code() == "INVALID_ARGUMENT" || error.code() == "OUT_OF_MEMORY");
      }
    }
  }
  return 0;
}
