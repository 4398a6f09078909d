#include "graph/op_attrs.h"

#include <algorithm>
#include <cmath>

#include "graph/json_fields.h"

namespace afterimage {
namespace {

constexpr int32_t kMaxCount = 1 << 24;  // heads, groups, columns: far above any model, small enough to multiply

struct IntAttr {
  std::string_view name;
  int32_t OpAttrs::*field;
  int32_t low;
};
constexpr IntAttr kInts[] = {
    {"layer", &OpAttrs::layer, 0},
    {"heads", &OpAttrs::heads, 1},
    {"kvHeads", &OpAttrs::kv_heads, 1},
    {"kDim", &OpAttrs::k_dim, 1},
    {"vDim", &OpAttrs::v_dim, 1},
    {"window", &OpAttrs::window, 0},
    {"groups", &OpAttrs::groups, 1},
    {"start", &OpAttrs::start, 0},
    {"count", &OpAttrs::count, 1},
    {"factor", &OpAttrs::factor, 1},
    {"split", &OpAttrs::split, 1},
    {"times", &OpAttrs::times, 1},
    {"m", &OpAttrs::m, 1},
    {"k", &OpAttrs::k, 1},
    {"topkGroups", &OpAttrs::topk_groups, 1},
    {"kernelY", &OpAttrs::kernel_y, 1},
    {"kernelX", &OpAttrs::kernel_x, 1},
    {"strideY", &OpAttrs::stride_y, 1},
    {"strideX", &OpAttrs::stride_x, 1},
    {"padY", &OpAttrs::pad_y, 0},
    {"padX", &OpAttrs::pad_x, 0},
};

struct FloatAttr {
  std::string_view name;
  float OpAttrs::*field;
  float low;
};
constexpr FloatAttr kFloatAttrs[] = {
    {"eps", &OpAttrs::eps, 0.f},
    {"scale", &OpAttrs::scale, -INFINITY},
    {"weightOffset", &OpAttrs::weight_offset, -INFINITY},
    {"softcap", &OpAttrs::softcap, 0.f},
    {"shift", &OpAttrs::shift, -INFINITY},
    {"innerScale", &OpAttrs::inner_scale, -INFINITY},
    {"innerShift", &OpAttrs::inner_shift, -INFINITY},
};

struct BoolAttr {
  std::string_view name;
  bool OpAttrs::*field;
};
constexpr BoolAttr kBools[] = {
    {"interleaved", &OpAttrs::interleaved},
    {"normalize", &OpAttrs::normalize},
    {"sigmoidScore", &OpAttrs::sigmoid_score},
    {"perExpert", &OpAttrs::per_expert},
    {"whole", &OpAttrs::whole},
    {"causal", &OpAttrs::causal},
};

constexpr std::string_view kActivations[] = {"none",    "gelu", "gelu_tanh", "quick_gelu", "silu",
                                             "sigmoid", "relu", "tanh",      "hard_swish", "hard_sigmoid"};
constexpr std::string_view kStatistics[] = {"mean", "deviation", "rms", "inverse_rms"};

struct Place {
  const std::string& where;
  std::string_view name;
  [[noreturn]] void fail(const std::string& what) const {
    fail_program(where + " needs attribute \"" + std::string(name) + "\" " + what);
  }
};

float read_float(const Json& json, float low, const Place& place) {
  double value = 0;
  if (!json.number(value) || !std::isfinite(static_cast<float>(value))) place.fail("as a finite number");
  if (value < low) place.fail("of at least 0");
  return static_cast<float>(value);
}

int32_t read_int(const Json& json, int32_t low, int32_t high, const Place& place) {
  const int64_t* value = json.integer();
  if (!value || *value < low || *value > high) {
    place.fail("as an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<int32_t>(*value);
}

template <size_t N>
std::ptrdiff_t read_name(const Json& json, const std::string_view (&names)[N], const Place& place) {
  const auto* found = json.string() ? std::find(std::begin(names), std::end(names), *json.string()) : std::end(names);
  if (found != std::end(names)) return found - std::begin(names);
  std::string list;
  for (std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  place.fail("as one of " + list);
}

const Json::Array& read_array(const Json& json, const Place& place) {
  if (!json.array() || json.array()->empty()) place.fail("as an array that is not empty");
  return *json.array();
}

void read_attr(OpAttrs& attrs, const Json& json, const Place& place) {
  for (const IntAttr& attr : kInts) {
    if (attr.name == place.name) attrs.*attr.field = read_int(json, attr.low, kMaxCount, place);
  }
  for (const FloatAttr& attr : kFloatAttrs) {
    if (attr.name == place.name) attrs.*attr.field = read_float(json, attr.low, place);
  }
  for (const BoolAttr& attr : kBools) {
    if (attr.name != place.name) continue;
    if (!json.boolean()) place.fail("as true or false");
    attrs.*attr.field = *json.boolean();
  }
  if (place.name == "activation") attrs.activation = static_cast<Activation>(read_name(json, kActivations, place));
  if (place.name == "innerActivation")
    attrs.inner_activation = static_cast<Activation>(read_name(json, kActivations, place));
  if (place.name == "statistic") attrs.statistic = static_cast<Statistic>(read_name(json, kStatistics, place));
  if (place.name == "invFreq") {
    for (const Json& element : read_array(json, place)) attrs.inv_freq.push_back(read_float(element, -INFINITY, place));
  }
  if (place.name == "axis") {
    for (const Json& element : read_array(json, place)) attrs.axis.push_back(read_int(element, 0, kMaxCount, place));
  }
}

}  // namespace

OpAttrs read_attrs(const Json& json, const OpSignature& op, const std::string& place) {
  if (!json.object()) fail_program(place + " needs \"attrs\" as an object");
  OpAttrs attrs;
  for (const auto& [name, value] : *json.object()) {
    const auto known =
        std::find_if(op.attrs.begin(), op.attrs.end(), [&](const AttrSpec& spec) { return spec.name == name; });
    if (known == op.attrs.end()) fail_program(place + " has no attribute \"" + name + "\"");
    read_attr(attrs, value, {place, name});
  }
  for (const AttrSpec& spec : op.attrs) {
    if (spec.required && !json.find(spec.name))
      fail_program(place + " lacks attribute \"" + std::string(spec.name) + "\"");
  }
  return attrs;
}

}  // namespace afterimage
