#include "graph/shape_rules.h"

#include "graph/json_fields.h"
#include "graph/op_signature.h"
#include "graph/shape_text.h"

namespace afterimage {
namespace {

class ShapeRules {
 public:
  ShapeRules(const Program& program, const OpNode& op, const std::string& place)
      : program_(program), op_(op), attrs_(op.attrs), place_(place) {}

  void verify() const {
    rows();
    widths();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_program(place_ + ": " + what); }

  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }

  bool has(size_t operand) const { return op_.in[operand] >= 0; }
  bool has_weight(size_t operand) const { return op_.weights[operand] >= 0; }
  const Value& in(size_t operand) const { return program_.values[op_.in[operand]]; }
  const Value& out(size_t operand = 0) const { return program_.values[op_.out[operand]]; }
  int64_t width(size_t operand) const { return in(operand).width; }

  void expect_width(const Value& value, int64_t expected) const {
    require(value.width == expected, "value \"" + value.name + "\" has width " + std::to_string(value.width) +
                                         "; expected " + std::to_string(expected));
  }

  void expect_rows(const Value& value, const RowCount& expected) const {
    require(value.rows == expected,
            "value \"" + value.name + "\" has " + value.rows.text() + " rows; expected " + expected.text());
  }

  // -1 stands for any length.
  void expect_weight(size_t operand, const std::vector<int64_t>& expected) const {
    if (!has_weight(operand)) return;
    const WeightRecipe& weight = program_.weights[op_.weights[operand]];
    bool equal = weight.shape.size() == expected.size();
    for (size_t i = 0; equal && i < expected.size(); ++i) equal = expected[i] == -1 || weight.shape[i] == expected[i];
    require(equal, "weight \"" + weight.name + "\" has shape " + shape_text(weight.shape) + "; expected " +
                       shape_text(expected));
  }

  int64_t grouped(const Value& value, int64_t groups) const {
    require(value.width % groups == 0, "value \"" + value.name + "\" of width " + std::to_string(value.width) +
                                           " is not " + std::to_string(groups) + " groups");
    return value.width / groups;
  }

  // Operands that are not addressed by index have the output's rows.
  void rows() const {
    const OpSignature& spec = signature(op_.op);
    for (size_t i = 0; i < spec.in.size(); ++i) {
      if (has(i) && !spec.in[i].whole) expect_rows(in(i), out().rows);
    }
    for (size_t i = 1; i < spec.out.size(); ++i) expect_rows(out(i), out().rows);
    if (is_windowed()) expect_rows(out(), in(0).rows.divided(int64_t{attrs_.stride_y} * attrs_.stride_x));
    if (op_.op == Op::ImageMean) expect_rows(out(), in(1).rows);
    if (op_.op == Op::ScaleImages) expect_rows(in(2), in(1).rows);
    if (op_.op == Op::Spread) expect_rows(out(), in(0).rows.multiplied(int64_t{attrs_.factor} * attrs_.factor));
    if (op_.op == Op::Regroup) expect_rows(out(), in(0).rows.multiplied(attrs_.split).divided(attrs_.factor));
  }

  bool is_windowed() const {
    return op_.op == Op::Convolution || op_.op == Op::DepthwiseConvolution || op_.op == Op::SeparableConvolution;
  }

  void heads() const {
    const int64_t heads = attrs_.heads, kv_heads = attrs_.kv_heads;
    require(heads % kv_heads == 0,
            std::to_string(heads) + " heads cannot share " + std::to_string(kv_heads) + " key heads");
    expect_width(in(0), heads * attrs_.k_dim);
    if (has(1)) expect_width(in(1), kv_heads * attrs_.k_dim);
    if (has(2)) expect_width(in(2), kv_heads * attrs_.v_dim);
    expect_width(out(), heads * attrs_.v_dim);
  }

  void segment_attention() const {
    heads();
    expect_width(in(3), 1);
    if (has(4)) expect_width(in(4), 1);
  }

  void linear() const {
    expect_weight(0, {out().width, width(0)});
    expect_weight(1, {out().width});
    if (has(1)) expect_width(in(1), out().width);
  }

  void norm() const {
    const int64_t d = grouped(in(0), attrs_.groups);
    expect_weight(0, {d});
    if (op_.op == Op::LayerNorm) expect_weight(1, {d});
    expect_width(out(), width(0));
  }

  void rope_table() const {
    const int64_t n = static_cast<int64_t>(attrs_.inv_freq.size());
    require(attrs_.axis.size() == attrs_.inv_freq.size(),
            std::to_string(n) + " frequencies need as many axes, not " + std::to_string(attrs_.axis.size()));
    for (int32_t axis : attrs_.axis) {
      require(axis < width(0),
              "axis " + std::to_string(axis) + " is outside positions of width " + std::to_string(width(0)));
    }
    expect_width(out(), 2 * n);
  }

  void rope() const {
    const int64_t d = grouped(in(0), attrs_.groups);
    require(width(1) % 2 == 0 && attrs_.start + width(1) <= d, "a table of width " + std::to_string(width(1)) +
                                                                   " from column " + std::to_string(attrs_.start) +
                                                                   " does not fit groups of " + std::to_string(d));
    expect_width(out(), width(0));
  }

  void broadcast() const {
    require(has(1) != has_weight(0), "needs b either as a value or as a weight");
    expect_width(out(), width(0));
    expect_weight(0, {width(0)});
    if (has(1) && width(1) != 1) expect_width(in(1), width(0));
  }

  void same_width(size_t operands) const {
    for (size_t i = 0; i < operands; ++i) expect_width(in(i), out().width);
  }

  void indexed_rows() const {
    same_width(2);
    expect_width(in(2), 1);
  }

  void weighted_rows() const {
    require(has(0) != has_weight(0), "needs x either as a value or as a weight");
    expect_width(in(2), width(1));
    expect_weight(0, {-1, out().width});
    if (has(0)) expect_width(in(0), out().width);
  }

  void regroup() const {
    require(width(0) * attrs_.factor % attrs_.split == 0, "width " + std::to_string(width(0)) + " · " +
                                                              std::to_string(attrs_.factor) + " is not " +
                                                              std::to_string(attrs_.split) + " equal parts");
    expect_width(out(), width(0) * attrs_.factor / attrs_.split);
  }

  void slice() const {
    const int64_t d = grouped(in(0), attrs_.groups);
    require(attrs_.start + attrs_.count <= d, "columns " + std::to_string(attrs_.start) + " to " +
                                                  std::to_string(attrs_.start + attrs_.count) +
                                                  " are outside groups of " + std::to_string(d));
    expect_width(out(), int64_t{attrs_.groups} * attrs_.count);
  }

  void concat() const {
    grouped(in(0), attrs_.groups);
    grouped(in(1), attrs_.groups);
    expect_width(out(), width(0) + width(1));
  }

  void short_conv() const {
    expect_weight(0, {width(0), -1});
    expect_weight(1, {width(0)});
    expect_width(out(), width(0));
  }

  void gated_delta() const {
    const int64_t value_heads = attrs_.heads;
    require(value_heads % attrs_.kv_heads == 0, std::to_string(value_heads) + " value heads cannot share " +
                                                    std::to_string(attrs_.kv_heads) + " key heads");
    const int64_t key_width = int64_t{attrs_.kv_heads} * attrs_.k_dim, value_width = value_heads * attrs_.v_dim;
    const int64_t widths[] = {key_width, key_width, value_width, value_heads, value_heads};
    for (size_t i = 0; i < 5; ++i) expect_width(in(i), widths[i]);
    expect_weight(0, {value_heads});
    expect_weight(1, {value_heads});
    expect_width(out(), value_width);
  }

  void route() const {
    const int64_t members = grouped(in(0), attrs_.groups);
    require(attrs_.topk_groups <= attrs_.groups, "topkGroups exceeds groups");
    require(attrs_.groups == 1 || members >= 2, "groups of one expert have no two best");
    require(attrs_.k <= members * attrs_.topk_groups, "k exceeds the number of eligible experts");
    expect_weight(0, {width(0)});
    expect_width(out(0), attrs_.k);
    expect_width(out(1), attrs_.k);
  }

  void expert_linear() const {
    const int64_t k = attrs_.k;
    expect_width(in(1), k);
    const int64_t columns = attrs_.per_expert ? grouped(in(0), k) : width(0);
    expect_weight(0, {-1, grouped(out(), k), columns});
  }

  void expert_sum() const {
    require(attrs_.k == 0 || attrs_.k == width(1), "k differs from the width of weights");
    expect_width(out(), grouped(in(0), width(1)));
  }

  void window(int32_t kernel, int32_t stride, int32_t pad) const {
    constexpr int32_t kMaxKernel = 64;
    require(kernel <= kMaxKernel,
            "a window of " + std::to_string(kernel) + " is wider than " + std::to_string(kMaxKernel));
    const int64_t inside = int64_t{kernel} - 2 * int64_t{pad};
    require(inside > 0 && inside <= stride, "a window of " + std::to_string(kernel) + " with stride " +
                                                std::to_string(stride) + " and padding " + std::to_string(pad) +
                                                " does not divide an image evenly");
  }

  void images() const {
    expect_width(in(1), 2);
    if (!is_windowed()) return;
    window(attrs_.kernel_y, attrs_.stride_y, attrs_.pad_y);
    window(attrs_.kernel_x, attrs_.stride_x, attrs_.pad_x);
    const int64_t taps = int64_t{attrs_.kernel_y} * attrs_.kernel_x, channels = width(0);
    if (op_.op == Op::DepthwiseConvolution) {
      expect_width(out(), channels);
      return expect_weight(0, {taps, channels}), expect_weight(1, {channels});
    }
    const bool separable = op_.op == Op::SeparableConvolution;
    expect_weight(0, {out().width, separable ? channels : taps * channels});
    expect_weight(1, {out().width});
    if (separable) expect_weight(2, {taps, channels}), expect_weight(3, {channels});
  }

  void spread() const {
    const int64_t parts = int64_t{attrs_.factor} * attrs_.factor;
    expect_width(out(), attrs_.whole ? width(0) : grouped(in(0), parts));
  }

  void widths() const {
    switch (op_.op) {
      case Op::Linear:
        return linear();
      case Op::Embedding:
        return expect_width(in(0), 1), expect_weight(0, {-1, out().width});
      case Op::RmsNorm:
      case Op::LayerNorm:
        return norm();
      case Op::RopeTable:
        return rope_table();
      case Op::Rope:
        return rope();
      case Op::Attention:
        return heads();
      case Op::SegmentAttention:
        return segment_attention();
      case Op::Add:
      case Op::Mul:
        return broadcast();
      case Op::Activation:
        return same_width(1);
      case Op::Softcap:
        return require(attrs_.softcap > 0, "softcap must be positive"), same_width(1);
      case Op::Clamp:
        return expect_weight(0, {1}), expect_weight(1, {1}), same_width(1);
      case Op::GatedActivation:
        return same_width(2);
      case Op::RowStatistic:
        return expect_width(out(), 1);
      case Op::ReplaceRows:
      case Op::AddRows:
        return indexed_rows();
      case Op::ChooseRows:
        return same_width(2), expect_width(in(2), 1);
      case Op::GatherRows:
        return expect_width(out(), width(0) * width(1));
      case Op::DepthwiseRows:
        return same_width(1), expect_weight(0, {width(1), width(0)});
      case Op::WeightedRows:
        return weighted_rows();
      case Op::Regroup:
        return regroup();
      case Op::Slice:
        return slice();
      case Op::Concat:
        return concat();
      case Op::Repeat:
        return expect_width(out(), width(0) * attrs_.times);
      case Op::TransposeInner:
        return grouped(in(0), attrs_.m), same_width(1);
      case Op::ShortConv:
        return short_conv();
      case Op::GatedDelta:
        return gated_delta();
      case Op::Route:
        return route();
      case Op::ExpertLinear:
        return expert_linear();
      case Op::ExpertSum:
        return expert_sum();
      case Op::Convolution:
      case Op::DepthwiseConvolution:
      case Op::SeparableConvolution:
        return images();
      case Op::ImageMean:
        return images(), same_width(1);
      case Op::ScaleImages:
        return images(), expect_width(in(0), out().width), expect_width(in(2), out().width);
      case Op::Spread:
        return images(), spread();
      case Op::BestClass:
        return expect_width(out(), 2);
    }
  }

  const Program& program_;
  const OpNode& op_;
  const OpAttrs& attrs_;
  const std::string& place_;
};

}  // namespace

void verify_shapes(const Program& program, const OpNode& op, const std::string& place) {
  ShapeRules(program, op, place).verify();
}

}  // namespace afterimage
