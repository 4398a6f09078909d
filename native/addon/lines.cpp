#include "addon/lines.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "addon/arguments.h"
#include "addon/errors.h"
#include "lines/components.h"
#include "lines/line_cut.h"

namespace afterimage::addon {
namespace {

// Work in a thread of Node's pool, and a promise of what it makes. `held` is not collected before.
template <class Result>
class PooledWork final : public Napi::AsyncWorker {
 public:
  using Show = std::function<Napi::Value(Napi::Env, const Result&)>;

  static Napi::Promise start(const Napi::Object& held, std::function<Result()> work, Show show) {
    auto* pooled = new PooledWork(held, std::move(work), std::move(show));  // deletes itself
    const Napi::Promise promise = pooled->promise_.Promise();
    pooled->Queue();
    return promise;
  }

 private:
  PooledWork(const Napi::Object& held, std::function<Result()> work, Show show)
      : AsyncWorker(held.Env()),
        promise_(held.Env()),
        held_(Napi::Persistent(held)),
        work_(std::move(work)),
        show_(std::move(show)) {}

  void Execute() override {
    try {
      result_ = work_();
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (error_) return promise_.Reject(to_js_error(env, error_));
    promise_.Resolve(show_(env, result_));
  }

  Napi::Promise::Deferred promise_;
  Napi::ObjectReference held_;
  std::function<Result()> work_;
  Show show_;
  Result result_;
  std::exception_ptr error_;
};

template <class Array>
Array array_of_type(const Napi::Value& value, napi_typedarray_type type, const char* what, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    expected(value.Env(), what, name, value);
  return value.As<Array>();
}

constexpr int kMostSide = 1 << 20;

int side_of(const Napi::Value& value, const std::string& name) {
  const int64_t side = integer_of(value, name);
  if (side < 1 || side > kMostSide) expected(value.Env(), "a number of pixels", name, value);
  return static_cast<int>(side);
}

void require_length(const Napi::TypedArray& array, size_t wanted, const std::string& name) {
  if (array.ElementLength() != wanted)
    expected(array.Env(), std::to_string(wanted) + " elements", name,
             Napi::Number::New(array.Env(), static_cast<double>(array.ElementLength())));
}

// A small picture is grown before the detector sees it, so its boxes may lie outside.
double coordinate_of(const Napi::Value& value, const std::string& name) {
  const double at = number_of(value, name);
  if (!(std::abs(at) <= 2.0 * kMostSide)) expected(value.Env(), "a place in pixels", name, value);
  return at;
}

TextBox box_of(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = object_of(value, name);
  const Napi::Array quad = array_of(object.Get("quad"), name + ".quad");
  TextBox box{{}, boolean_of(object.Get("level"), name + ".level")};
  for (uint32_t i = 0; i < 4; ++i) {
    const std::string corner = name + ".quad[" + std::to_string(i) + "]";
    const Napi::Object point = object_of(quad.Get(i), corner);
    box.quad[i] = {coordinate_of(point.Get("x"), corner + ".x"), coordinate_of(point.Get("y"), corner + ".y")};
  }
  return box;
}

Napi::Object to_js(Napi::Env env, const Point& point) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("x", point.x);
  object.Set("y", point.y);
  return object;
}

Napi::Object to_js(Napi::Env env, int width, int height, const char* name, const std::vector<uint8_t>& pixels) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Uint8Array data = Napi::Uint8Array::New(env, pixels.size());
  std::memcpy(data.Data(), pixels.data(), pixels.size());
  object.Set("width", width);
  object.Set("height", height);
  object.Set(name, data);
  return object;
}

Napi::Object to_js(Napi::Env env, const Cut& cut) {
  Napi::Object object = Napi::Object::New(env), placement = Napi::Object::New(env);
  placement.Set("origin", to_js(env, cut.placement.origin));
  placement.Set("along", to_js(env, cut.placement.along));
  placement.Set("across", to_js(env, cut.placement.across));
  object.Set("placement", placement);
  object.Set("hash", cut.hash);
  if (cut.crop.data.empty()) return object;
  Napi::Object view = Napi::Object::New(env);
  view.Set("crop", to_js(env, cut.crop.width, cut.crop.height, "data", cut.crop.data));
  view.Set("ink", to_js(env, cut.ink.width, cut.ink.height, "contrast", cut.ink.contrast));
  object.Set("view", view);
  return object;
}

using Lines = std::vector<std::vector<Cut>>;

Napi::Value to_js(Napi::Env env, const Lines& lines) {
  Napi::Array array = Napi::Array::New(env, lines.size());
  for (uint32_t i = 0; i < lines.size(); ++i) {
    Napi::Array ways = Napi::Array::New(env, lines[i].size());
    for (uint32_t j = 0; j < lines[i].size(); ++j) ways.Set(j, to_js(env, lines[i][j]));
    array.Set(i, ways);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<Component>& components) {
  size_t corners = 0;
  for (const Component& component : components) corners += component.hull.size();
  Napi::Int32Array places = Napi::Int32Array::New(env, 2 * corners),
                   ends = Napi::Int32Array::New(env, components.size());
  Napi::Float64Array scores = Napi::Float64Array::New(env, components.size());
  size_t at = 0;
  for (size_t i = 0; i < components.size(); ++i) {
    for (const Corner& corner : components[i].hull) places[at++] = corner.x, places[at++] = corner.y;
    ends[i] = static_cast<int32_t>(at);
    scores[i] = components[i].score;
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("corners", places);
  object.Set("ends", ends);
  object.Set("scores", scores);
  return object;
}

}  // namespace

Napi::Value find_components(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto map = array_of_type<Napi::Float32Array>(info[0], napi_float32_array, "a Float32Array", "map");
    const int width = side_of(info[1], "width"), height = side_of(info[2], "height");
    require_length(map, static_cast<size_t>(width) * height, "map");
    const double threshold = number_of(info[3], "threshold");
    const float* data = map.Data();
    return PooledWork<std::vector<Component>>::start(
        map, [=] { return afterimage::find_components(data, width, height, threshold); },
        [](Napi::Env env, const std::vector<Component>& found) { return to_js(env, found); });
  });
}

Napi::Value cut_lines(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = object_of(info[0], "picture");
    const auto data =
        array_of_type<Napi::Uint8Array>(object.Get("data"), napi_uint8_array, "a Uint8Array", "picture.data");
    const RgbView picture{side_of(object.Get("width"), "picture.width"),
                          side_of(object.Get("height"), "picture.height"), data.Data()};
    require_length(data, static_cast<size_t>(picture.width) * picture.height * 3, "picture.data");
    const Napi::Array listed = array_of(info[1], "boxes");
    std::vector<TextBox> boxes;
    for (uint32_t i = 0; i < listed.Length(); ++i)
      boxes.push_back(box_of(listed.Get(i), "boxes[" + std::to_string(i) + "]"));
    const std::vector<std::string> hashes = strings_of(info[2], "known");
    const std::unordered_set<std::string> known(hashes.begin(), hashes.end());
    const auto work = [=] {
      Lines lines;
      for (const TextBox& box : boxes)
        for (std::vector<Cut>& ways : afterimage::cut_lines(picture, box, known)) lines.push_back(std::move(ways));
      return lines;
    };
    return PooledWork<Lines>::start(data, work, [](Napi::Env env, const Lines& lines) { return to_js(env, lines); });
  });
}

}  // namespace afterimage::addon
