// Encodes dispatches into command buffers and keeps the queue filled: a command buffer is committed every hundred
// operators or so, or sooner where their work is large (work.h); at most three are in flight. Operators run at the same
// time where none reads or writes what another writes; a barrier stands between the others. Small tables of a run are
// uploaded through an arena that lives until its end.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "metal/kernel_names.h"
#include "metal/memory.h"
#include "metal/pipelines.h"
#include "metal/weight.h"

namespace afterimage::metal {

struct BatchTables;

// Bytes of a buffer, or of anything else that has an address of its own.
struct Range {
  const void* of;
  size_t first, last;
  bool meets(const Range& other) const { return of == other.of && first < other.last && other.first < last; }
};

class Encoder {
 public:
  Encoder(Device& device, Pipelines& pipelines);
  ~Encoder();

  bool has(const KernelName& name) const { return !pipelines_.lacks(name.kernel); }
  // A copy: the list of sets may be a temporary.
  KernelSet choose(const std::vector<KernelSet>& sets) const { return pipelines_.choose(sets); }
  // Starts a dispatch. Throws KernelUnavailable.
  Encoder& kernel(const std::string& family, const std::string& name, uint32_t threads);
  Encoder& kernel(const KernelName& name, uint32_t threads) { return kernel(name.family, name.kernel, threads); }
  Encoder& bind(uint32_t index, const Tensor& tensor);
  Encoder& bind(uint32_t index, const Placement& placement);
  // Something must be bound even where the kernel's flags say that it is not read.
  Encoder& bind_unused(uint32_t index);
  template <class T>
  Encoder& constants(uint32_t index, const T& value) {
    commands().constants(index, &value, sizeof value);
    return *this;
  }
  Encoder& use(Memory& memory);
  void dispatch(uint32_t x, uint32_t y = 1, uint32_t z = 1);
  // One thread per element in threadgroups of 256.
  void dispatch_elements(int64_t count) { dispatch(static_cast<uint32_t>((count + threads_ - 1) / threads_)); }

  // What the operator that follows reads and writes; a barrier is set where that meets what is under way.
  void operands(std::vector<Range> reads, std::vector<Range> writes);
  // Between dispatches of one operator of which the later needs the earlier.
  void barrier();

  // Memory for what the dispatches of one operator tell each other.
  Placement scratch(size_t bytes);
  Placement upload(const void* data, size_t bytes);
  template <class T>
  Placement upload(const std::vector<T>& values) {
    return upload(values.data(), values.size() * sizeof(T));
  }
  // Row places, block table and query tiles of a batch, made once per run.
  const BatchTables& tables(const RowBatch& batch);

  // Called before a dispatch that takes `seconds`: commits what is encoded where both together are too much.
  void make_room(double seconds);
  // Called after each operator; commits when enough of them are encoded.
  void operator_done();
  // Commits and waits for everything. Throws BACKEND_FAILED, BACKEND_LOST or OUT_OF_MEMORY.
  void drain();
  // Time that command buffers took on the device since it was opened.
  double gpu_seconds() const noexcept { return gpu_seconds_; }
  // No later command can succeed.
  bool lost() const noexcept { return lost_; }
  // After a failure: forgets encoded work that was not committed, waits for the rest, forgets its errors, and renews
  // the queue where the device failed. A device that fails again before anything succeeded is lost.
  void abandon() noexcept;
  // The run is over: uploads are reused by the next.
  void end_run();

 private:
  Commands& commands();
  void commit();
  // A barrier where the operator needs one.
  void order();
  void wait_oldest();
  void note(const Outcome& outcome) noexcept;

  Device& device_;
  Pipelines& pipelines_;
  std::unique_ptr<Commands> current_;
  std::deque<std::unique_ptr<Commands>> in_flight_;
  std::set<const Buffer*> used_;  // in the current command buffer
  std::vector<std::unique_ptr<Buffer>> arena_;
  size_t arena_index_ = 0, arena_used_ = 0;
  std::unique_ptr<Buffer> unused_, scratch_;
  std::vector<Range> reads_, writes_;  // of the operator
  bool under_way_ = false;             // they are among the next two
  std::vector<Range> read_, written_;  // since the last barrier
  const RowBatch* tables_of_ = nullptr;
  std::unique_ptr<BatchTables> tables_;
  uint32_t threads_ = 0;
  int operators_ = 0;
  double seconds_ = 0;  // of what is encoded
  double gpu_seconds_ = 0;
  bool failed_ = false, renewed_ = false, lost_ = false;
};

// What attention and state operators upload of a batch: RowPlace of each row, KvBlock of each block, the sequence's
// number of each row.
struct BatchTables {
  Placement places, blocks, row_sequences;
  std::vector<uint32_t> first_block;  // of each sequence, in the block table
};

}  // namespace afterimage::metal
