#include "graph/fusion.h"

namespace afterimage {
namespace {

class Fusion {
 public:
  Fusion(const Program& program, const std::vector<char>& kept)
      : program_(program), kept_(kept), readers_(program.values.size()), writer_(program.values.size(), -1) {
    for (const OpNode& op : program.ops) {
      for (int32_t value : op.in) {
        if (value >= 0) ++readers_[value];
      }
    }
  }

  std::vector<OpNode> run() {
    for (const OpNode& op : program_.ops) {
      if (join_activation(op) || join_residual(op)) continue;
      append(op);
    }
    return std::move(ops_);
  }

 private:
  void append(const OpNode& op) {
    for (int32_t value : op.out) writer_[value] = static_cast<int32_t>(ops_.size());
    ops_.push_back(op);
  }

  // The Linear whose output only this reader sees; null where there is none.
  OpNode* open_linear(int32_t value) {
    if (kept_[value] || readers_[value] != 1 || writer_[value] < 0) return nullptr;
    OpNode& op = ops_[writer_[value]];
    return op.op == Op::Linear && op.in[1] < 0 ? &op : nullptr;
  }

  void redirect(OpNode& linear, const OpNode& joined) {
    writer_[joined.out[0]] = writer_[linear.out[0]];
    linear.out = joined.out;
  }

  bool join_activation(const OpNode& op) {
    if (op.op != Op::Activation || op.attrs.scale != 1) return false;
    OpNode* linear = open_linear(op.in[0]);
    if (!linear || linear->attrs.activation != Activation::none) return false;
    linear->attrs.activation = op.attrs.activation;
    redirect(*linear, op);
    return true;
  }

  // The joined Linear stays where it is, so the other summand must be there before it.
  bool join_residual(const OpNode& op) {
    if (op.op != Op::Add || op.in[1] < 0) return false;
    for (int side : {0, 1}) {
      const int32_t residual = op.in[1 - side];
      OpNode* linear = open_linear(op.in[side]);
      if (!linear || writer_[residual] >= writer_[op.in[side]]) continue;
      if (program_.values[residual].width != program_.values[op.in[side]].width) continue;  // broadcast over columns
      linear->in[1] = residual;
      redirect(*linear, op);
      return true;
    }
    return false;
  }

  const Program& program_;
  const std::vector<char>& kept_;
  std::vector<int32_t> readers_, writer_;  // by value; writer: index into ops_, -1 for inputs
  std::vector<OpNode> ops_;
};

}  // namespace

std::vector<OpNode> fuse(const Program& program, const std::vector<char>& kept) { return Fusion(program, kept).run(); }

}  // namespace afterimage
