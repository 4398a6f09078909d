#include "graph/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "graph/error.h"
#include "graph/op_signature.h"

namespace afterimage {
namespace {

constexpr size_t kAlignment = 64;
constexpr int64_t kFewRows = 8;
constexpr size_t kNeighbours = 3;
constexpr int64_t kMaxValueBytes = int64_t{1} << 42;

bool changes_cache(const OpNode& op) {
  return op.op == Op::ShortConv || op.op == Op::GatedDelta || (op.op == Op::Attention && op.in[1] >= 0);
}

// Time is the index of the running operator; a lifetime is closed on both sides.
struct Lifetime {
  size_t first = SIZE_MAX, last = 0;
  void extend(size_t from, size_t to) {
    first = std::min(first, from);
    last = std::max(last, to);
  }
};

class Planner {
 public:
  explicit Planner(const PlanRequest& request)
      : request_(request),
        program_(request.program),
        ops_(request.ops),
        stretch_of_(ops_.size()),
        lives_(program_.values.size()) {}

  MemoryPlan run() {
    resolve_rows();
    find_roots();
    find_needed();
    find_stretches();
    find_tiled();
    find_lifetimes();
    place();
    return std::move(plan_);
  }

 private:
  void resolve_rows() {
    for (const Value& value : program_.values) {
      const int64_t rows = value.rows.resolve(request_.counts);
      if (rows > 0 && value.width > kMaxValueBytes / 4 / rows) {
        throw Error("OUT_OF_MEMORY", "Value \"" + value.name + "\" would have " + std::to_string(rows) + " rows of " +
                                         std::to_string(value.width) + "; use a smaller image or prompt.");
      }
      plan_.rows.push_back(rows);
    }
  }

  void find_roots() {
    plan_.root.resize(program_.values.size());
    std::iota(plan_.root.begin(), plan_.root.end(), 0);
    for (const OpNode& op : ops_) {
      if (op.op == Op::Regroup) plan_.root[op.out[0]] = plan_.root[op.in[0]];
    }
  }

  // Backwards from what is kept; a stretch whose rows are 0 (no logits wanted) and what only it reads is skipped.
  void find_needed() {
    std::vector<char> wanted = request_.kept;
    plan_.needed.assign(ops_.size(), 0);
    for (size_t i = ops_.size(); i-- > 0;) {
      const OpNode& op = ops_[i];
      const bool any = std::any_of(op.out.begin(), op.out.end(), [&](int32_t value) { return wanted[value]; });
      if (plan_.rows[op.out[0]] == 0 || !(any || changes_cache(op))) continue;
      plan_.needed[i] = 1;
      for (int32_t value : op.in) {
        if (value >= 0) wanted[value] = 1;
      }
    }
  }

  // A Regroup is a view: nothing runs.
  bool runs(size_t op) const { return plan_.needed[op] && ops_[op].op != Op::Regroup; }

  bool continues(const Stretch& stretch, const OpNode& op) const {
    const OpSignature& spec = signature(op.op);
    const Op before = ops_[stretch.last - 1].op;
    if (!spec.row_local || !signature(before).row_local || plan_.rows[op.out[0]] != stretch.rows) return false;
    for (size_t i = 0; i < spec.in.size(); ++i) {
      if (!spec.in[i].whole || op.in[i] < 0) continue;
      const int32_t root = plan_.root[op.in[i]];
      for (size_t j = stretch.first; j < stretch.last; ++j) {
        if (std::count(ops_[j].out.begin(), ops_[j].out.end(), root)) return false;
      }
    }
    return true;
  }

  void find_stretches() {
    std::vector<Stretch>& stretches = plan_.stretches;
    for (size_t i = 0; i < ops_.size(); ++i) {
      if (!runs(i)) continue;
      if (stretches.empty() || !continues(stretches.back(), ops_[i])) {
        const int64_t rows = plan_.rows[ops_[i].out[0]];
        stretches.push_back({i, i + 1, rows, rows});
      }
      stretches.back().last = i + 1;
      stretch_of_[i] = stretches.size() - 1;
    }
  }

  template <class Visit>  // visit(value, operator) for every value that a needed operator reads
  void for_each_read(Visit visit) const {
    for (size_t i = 0; i < ops_.size(); ++i) {
      if (!plan_.needed[i]) continue;
      for (int32_t value : ops_[i].in) {
        if (value >= 0) visit(value, i);
      }
    }
  }

  // A value is tiled where it is written and read inside one row-local stretch longer than a tile.
  void find_tiled() {
    std::vector<char>& tiled = plan_.tiled;
    tiled.assign(program_.values.size(), 0);
    std::vector<size_t> writer(program_.values.size(), SIZE_MAX);
    for (size_t s = 0; s < plan_.stretches.size(); ++s) {
      const Stretch& stretch = plan_.stretches[s];
      if (!signature(ops_[stretch.first].op).row_local || stretch.rows <= request_.row_tile) continue;
      for (size_t i = stretch.first; i < stretch.last; ++i) {
        if (!runs(i)) continue;
        for (int32_t value : ops_[i].out) {
          writer[value] = s;
          tiled[value] = !request_.kept[value];
        }
      }
    }
    for_each_read([&](int32_t value, size_t op) {
      if (!runs(op) || stretch_of_[op] != writer[value]) tiled[value] = 0;
    });
    for (size_t value = 0; value < tiled.size(); ++value) {
      if (tiled[value]) plan_.stretches[writer[value]].tile = request_.row_tile;
    }
  }

  // While a stretch runs in tiles, whole values that it touches live through all of it.
  void touch(int32_t value, size_t op) {
    const Stretch& stretch = plan_.stretches[stretch_of_[op]];
    const bool whole = stretch.tile < stretch.rows && !plan_.tiled[value];
    lives_[plan_.root[value]].extend(whole ? stretch.first : op, whole ? stretch.last - 1 : op);
  }

  // Values of few rows live on for the next operators: these may then run at the same time (metal/joined.h).
  void find_lifetimes() {
    for_each_read([&](int32_t value, size_t op) {
      if (!runs(op)) return;
      touch(value, op);
      if (plan_.rows[value] <= kFewRows) lives_[plan_.root[value]].extend(op, std::min(op + kNeighbours, ops_.size()));
    });
    for (size_t i = 0; i < ops_.size(); ++i) {
      if (!runs(i)) continue;
      for (int32_t value : ops_[i].out) touch(value, i);
    }
    for (size_t value = 0; value < lives_.size(); ++value) {
      if (request_.kept[value]) lives_[plan_.root[value]].extend(ops_.size(), ops_.size());
    }
    for (int32_t input : program_.inputs) {
      if (lives_[input].first != SIZE_MAX) lives_[input].extend(0, 0);
    }
  }

  size_t value_bytes(int32_t value) const {
    int64_t rows = plan_.rows[value];
    if (plan_.tiled[value]) rows = std::min(rows, request_.row_tile);
    const size_t bytes = static_cast<size_t>(rows * program_.values[value].width) * 4;
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  // Largest first, each at the lowest offset that is free during its lifetime.
  void place() {
    struct Block {
      int32_t value;
      size_t bytes, offset;
    };
    std::vector<Block> waiting, placed;
    plan_.offset.assign(program_.values.size(), 0);
    plan_.placed.assign(program_.values.size(), 0);
    for (int32_t value = 0; value < static_cast<int32_t>(lives_.size()); ++value) {
      const bool used = plan_.root[value] == value && lives_[value].first != SIZE_MAX && !request_.external[value];
      if (used && plan_.rows[value] > 0) waiting.push_back({value, value_bytes(value), 0});
    }
    std::sort(waiting.begin(), waiting.end(), [](const Block& a, const Block& b) {
      return a.bytes != b.bytes ? a.bytes > b.bytes : a.value < b.value;
    });
    for (Block& block : waiting) {
      const Lifetime& life = lives_[block.value];
      for (const Block& other : placed) {  // in the order of their offsets
        const Lifetime& taken = lives_[other.value];
        if (taken.last < life.first || life.last < taken.first) continue;
        if (block.offset + block.bytes <= other.offset) break;
        block.offset = std::max(block.offset, other.offset + other.bytes);
      }
      const auto after = [](const Block& a, const Block& b) { return a.offset < b.offset; };
      placed.insert(std::upper_bound(placed.begin(), placed.end(), block, after), block);
      plan_.offset[block.value] = block.offset;
      plan_.placed[block.value] = 1;
      plan_.bytes = std::max(plan_.bytes, block.offset + block.bytes);
    }
  }

  const PlanRequest& request_;
  const Program& program_;
  const std::vector<OpNode>& ops_;
  std::vector<size_t> stretch_of_;  // by operator
  std::vector<Lifetime> lives_;     // by root
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const PlanRequest& request) { return Planner(request).run(); }

}  // namespace afterimage
