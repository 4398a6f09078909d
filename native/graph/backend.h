// What a backend offers the executor. `cpu` and `metal` implement it; nothing above it knows which runs.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/kv_layout.h"
#include "graph/ops.h"
#include "graph/tensor.h"
#include "weights/weight_source.h"

namespace afterimage {

// exact   f32
// fast    quantized weights times rows in integers of 15 bits, other weights as the processor multiplies them fast
// faster  the same in 8 bits; in a program without sequences (an encoder) other weights and keys are bytes too
enum class Precision : uint8_t { exact, fast, faster };

// How operators of the program read a weight; several uses of one weight may be or-ed (tied embeddings).
enum WeightUse : uint32_t {
  kUseMatrix = 1,      // right operand of Linear
  kUseTable = 2,       // rows are looked up: Embedding, WeightedRows
  kUseVector = 4,      // norm weights, biases, per-channel values; f32
  kUseExperts = 8,     // ExpertLinear
  kUseKernel = 16,     // W of Convolution and SeparableConvolution
  kUseKernel3x3 = 32,  // W of a Convolution by windows of 3 × 3, padded by 1, with steps of 1
  kUseInEncoder = 64,  // beside kUseMatrix, where the program has no sequences
};

// A weight in the backend's own layout.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual size_t bytes() const noexcept = 0;
  // Whether runs read the checkpoint's bytes; where not, they are given back once the weight is prepared.
  virtual bool reads_checkpoint() const noexcept { return true; }
};

// Rows of one sequence in a run: consecutive rows at consecutive cache positions.
struct SequenceRows {
  int32_t first_row = 0;
  int32_t rows = 0;
  int64_t first_position = 0;       // cache index of first_row
  std::span<Memory* const> blocks;  // KV blocks covering [0, first_position + rows)
  Memory* state = nullptr;          // recurrent state, laid out by StateLayout; null where unused
};

// What sequence operators (Attention, ShortConv, GatedDelta) know of a run.
struct RowBatch {
  std::vector<SequenceRows> sequences;
  std::vector<int32_t> visible_end;  // per row: first cache index it must not see (position+1 if causal)
  const KvLayout* kv = nullptr;
  const StateLayout* states = nullptr;
};

// One operator on concrete tensors. Absent operands are null.
struct Dispatch {
  Op op;
  const OpAttrs* attrs = nullptr;
  Tensor in[5];
  Tensor out[2];
  const Weight* weights[4] = {};
  const RowBatch* batch = nullptr;
  Precision precision = Precision::exact;  // of the program; operators without a weight need it too (attention)
};

class Backend {
 public:
  virtual ~Backend() = default;
  // "cpu avx512-vnni-bf16, 2 threads"; part of the disk cache's identity, because bits may differ between them.
  virtual std::string identity() const = 0;
  // Throws OUT_OF_MEMORY. Bytes are uninitialised, aligned to 64.
  virtual std::unique_ptr<Memory> allocate(size_t bytes) = 0;
  // Repacks or maps a checkpoint tensor for the given uses. `source` outlives the result
  // where that reads it.
  virtual std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) = 0;
  // Runs the dispatches in order and returns when all are done. Looks at `cancel` between dispatches and
  // throws CANCELLED.
  virtual void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) = 0;
};

}  // namespace afterimage
