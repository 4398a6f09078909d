// A compiled program: weights prepared by the backend, operators fused, scratch planned by liveness. One executor
// serves one run at a time and holds one scratch buffer that grows to the largest run seen.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "graph/program.h"
#include "weights/checkpoint.h"

namespace afterimage {

// Host bytes bound to an input by name: rows × width elements of 4 bytes, copied before the run starts; or memory
// of the backend that is used in place. `host` may be null where rows is 0.
struct Binding {
  std::string name;
  int64_t rows = 0;
  const void* host = nullptr;
  Tensor device;
  std::function<void(float*)> write = nullptr;  // in place of `host`: writes the rows, which are f32
};

struct RunRequest {
  std::vector<Binding> inputs;
  const RowBatch* batch = nullptr;    // decoder programs
  std::span<const std::string> taps;  // names of values to copy out beside the outputs
  // Called after every `pause_every` operators; other executors may run meanwhile, and what it throws ends the run.
  std::function<void()> pause = nullptr;
  size_t pause_every = 16;
};

struct HostTensor {
  std::string name;
  int64_t rows = 0, width = 0;
  std::vector<float> data;
};

// Time spent in one kind of operator since profiling began.
struct OpTime {
  std::string op;  // "linear"
  int64_t runs = 0;
  double ms = 0;
};

// No method may be called while a run is in flight, but predict_bytes and the two size getters.
class Executor {
 public:
  // Reads weights through `checkpoint` (recipes checked against the files: INVALID_CHECKPOINT names tensor, found and
  // expected shape). `progress(done_bytes, total_bytes)` is called while weights are prepared. Weights that `sharing`
  // has under the same name and for the same uses are its own, and not counted again.
  Executor(Program program, Checkpoint& checkpoint, Backend& backend, Precision precision,
           const std::function<void(size_t, size_t)>& progress, const Executor* sharing = nullptr);
  ~Executor();

  // Has the backend prove what the program uses, where it does that (proof.h). `kv`: as there.
  void prove(std::optional<KvType> kv);

  const Program& program() const noexcept;
  // Scratch bytes that a run with these row counts by symbol needs, exactly; nothing is allocated. Inputs are taken to
  // come from the host, except those named in `device_inputs`, and nothing is tapped.
  size_t predict_bytes(const std::map<std::string, int64_t>& counts,
                       std::span<const std::string> device_inputs = {}) const;
  size_t weight_bytes() const noexcept;
  size_t scratch_bytes() const noexcept;
  // Row-local stretches of operators run in tiles of `rows` rows, so that scratch and cache use stay bounded (default
  // 256).
  void set_row_tile(int64_t rows);
  // Outputs, then taps. Throws INVALID_ARGUMENT, OUT_OF_MEMORY, CANCELLED, BACKEND_FAILED; after any of them the
  // executor can run again.
  std::vector<HostTensor> run(const RunRequest& request, const std::atomic<bool>& cancel);
  void release_scratch();
  // Runs operators one at a time and adds up their time by kind. Also on where AFTERIMAGE_PROFILE is set; the sums then
  // go to stderr when the executor is destroyed.
  void set_profile(bool on);
  std::vector<OpTime> profile() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Scratch bytes of a run, as Executor::predict_bytes says them, of a program whose weights need not be there.
size_t scratch_bytes_of(const Program& program, const std::map<std::string, int64_t>& counts);

}  // namespace afterimage
