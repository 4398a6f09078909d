#include "addon/arguments.h"

#include <cmath>
#include <cstring>

namespace afterimage::addon {

namespace {
std::string shown(const Napi::Value& value) {
  if (value.IsString()) return "\"" + value.As<Napi::String>().Utf8Value().substr(0, 60) + "\"";
  if (value.IsObject()) return value.IsArray() ? "an array" : "an object";
  return value.ToString().Utf8Value();
}
}  // namespace

void expected(Napi::Env env, const std::string& what, const std::string& name, const Napi::Value& received) {
  throw Napi::TypeError::New(env, "Expected " + what + " for " + name + " but received " + shown(received));
}

std::string string_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) expected(value.Env(), "a string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

double number_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) expected(value.Env(), "a number", name, value);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_of(const Napi::Value& value, const std::string& name) {
  const double number = number_of(value, name);
  if (std::floor(number) != number || std::abs(number) > 9007199254740992.0) {
    expected(value.Env(), "a whole number", name, value);
  }
  return static_cast<int64_t>(number);
}

bool boolean_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) expected(value.Env(), "a boolean", name, value);
  return value.As<Napi::Boolean>().Value();
}

Napi::Object object_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) expected(value.Env(), "an object", name, value);
  return value.As<Napi::Object>();
}

Napi::Array array_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) expected(value.Env(), "an array", name, value);
  return value.As<Napi::Array>();
}

Napi::Function function_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsFunction()) expected(value.Env(), "a function", name, value);
  return value.As<Napi::Function>();
}

std::vector<std::string> strings_of(const Napi::Value& value, const std::string& name) {
  const Napi::Array array = array_of(value, name);
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); i++) {
    strings.push_back(string_of(array.Get(i), name + "[" + std::to_string(i) + "]"));
  }
  return strings;
}

FileHeaders headers_of(const Napi::Value& value, const std::string& name) {
  FileHeaders headers;
  if (value.IsUndefined() || value.IsNull()) return headers;
  const Napi::Object object = object_of(value, name);
  const Napi::Array paths = object.GetPropertyNames();
  for (uint32_t i = 0; i < paths.Length(); i++) {
    const std::string path = paths.Get(i).As<Napi::String>();
    const std::string place = name + "." + path;
    const Napi::Object given = object_of(object.Get(path), place);
    const int64_t start = integer_of(given.Get("start"), place + ".start");
    if (start < 0) expected(value.Env(), "a number of bytes of at least 0", place + ".start", given.Get("start"));
    headers[path] = {string_of(given.Get("json"), place + ".json"), static_cast<size_t>(start)};
  }
  return headers;
}

std::vector<int32_t> int32s_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    expected(value.Env(), "an Int32Array", name, value);
  }
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<float> floats_of(const Napi::Value& value, const std::string& name) {
  const Napi::Array array = array_of(value, name);
  std::vector<float> floats;
  for (uint32_t i = 0; i < array.Length(); i++)
    floats.push_back(static_cast<float>(number_of(array.Get(i), name + "[" + std::to_string(i) + "]")));
  return floats;
}

std::vector<uint8_t> bytes_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    expected(value.Env(), "a Uint8Array", name, value);
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Elements elements_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray()) expected(value.Env(), "a Float32Array or Int32Array", name, value);
  const auto array = value.As<Napi::TypedArray>();
  const auto type = array.TypedArrayType();
  if (type != napi_float32_array && type != napi_int32_array) {
    expected(value.Env(), "a Float32Array or Int32Array", name, value);
  }
  Elements elements{std::vector<std::byte>(array.ByteLength()), type == napi_float32_array};
  const auto* data = static_cast<const std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (!elements.bytes.empty()) std::memcpy(elements.bytes.data(), data, elements.bytes.size());
  return elements;
}

Borrowed borrowed_of(const Napi::Value& value, const std::string& name, std::shared_ptr<JsQueue> queue) {
  if (!value.IsTypedArray()) expected(value.Env(), "a typed array", name, value);
  const auto array = value.As<Napi::TypedArray>();
  void* data = nullptr;  // shared memory is no ArrayBuffer, but has its place
  napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  auto* reference = new Napi::Reference<Napi::TypedArray>(Napi::Persistent(array));
  // Where the environment goes first, the array goes with it and the reference means nothing any more.
  reference->SuppressDestruct();
  const auto let_go = [reference, queue = std::move(queue)](const void*) {
    queue->post([reference](Napi::Env) {
      reference->Reset();
      delete reference;
    });
  };
  return {{static_cast<const std::byte*>(data), array.ByteLength()},
          array.TypedArrayType(),
          std::shared_ptr<const void>(data, let_go)};
}

Field field(const Napi::Object& object, const char* key, const std::string& object_name) {
  return {object.Get(key), object_name + "." + key};
}

}  // namespace afterimage::addon
