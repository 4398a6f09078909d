// A compiled program: weights prepared by the backend, operators fused, scratch planned by liveness. One executor
// serves one run at a time and holds one scratch buffer that grows to the largest run seen (up to a limit).
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "graph/program.h"
#include "weights/checkpoint.h"

namespace afterimage {

// Host bytes bound to an input by name: rows × width elements of 4 bytes, copied before the run starts; or memory
// of the backend that is used in place.
struct Binding {
  std::string name;
  int64_t rows = 0;
  const void* host = nullptr;
  Tensor device;
};

struct RunRequest {
  std::vector<Binding> inputs;
  const RowBatch* batch = nullptr;                 // decoder programs
  std::span<const std::string> taps;               // names of values to copy out beside the outputs
};

struct HostTensor {
  std::string name;
  int64_t rows = 0, width = 0;
  std::vector<float> data;
};

class Executor {
 public:
  // Reads weights through `checkpoint` (recipes checked against the files: INVALID_CHECKPOINT names tensor, found and
  // expected shape). `progress(done_bytes, total_bytes)` is called while weights are prepared.
  Executor(Program program, Checkpoint& checkpoint, Backend& backend, Precision precision,
           const std::function<void(size_t, size_t)>& progress);
  ~Executor();

  const Program& program() const noexcept;
  // Scratch bytes a run with these row counts by symbol needs; nothing is allocated.
  size_t predict_bytes(const std::map<std::string, int64_t>& counts) const;
  size_t weight_bytes() const noexcept;
  size_t scratch_bytes() const noexcept;
  // Row-local stretches of operators run in tiles of `rows` rows, so that scratch and cache use stay bounded (default 256).
  void set_row_tile(int64_t rows);
  // Outputs, then taps. Throws INVALID_ARGUMENT, OUT_OF_MEMORY, CANCELLED, BACKEND_FAILED; after any of them the
  // executor can run again.
  std::vector<HostTensor> run(const RunRequest& request, const std::atomic<bool>& cancel);
  void release_scratch();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace afterimage
