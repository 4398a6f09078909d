// Argument checks of the boundary: everything becomes a plain C++ value here, or a TypeError
// "Expected X for Y but received Z".
#pragma once
#include <napi.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "addon/js_queue.h"
#include "weights/checkpoint.h"

namespace afterimage::addon {

[[noreturn]] void expected(Napi::Env env, const std::string& what, const std::string& name,
                           const Napi::Value& received);

std::string string_of(const Napi::Value& value, const std::string& name);
double number_of(const Napi::Value& value, const std::string& name);
int64_t integer_of(const Napi::Value& value, const std::string& name);  // whole number within ±2^53
bool boolean_of(const Napi::Value& value, const std::string& name);
Napi::Object object_of(const Napi::Value& value, const std::string& name);
Napi::Array array_of(const Napi::Value& value, const std::string& name);
Napi::Function function_of(const Napi::Value& value, const std::string& name);
std::vector<std::string> strings_of(const Napi::Value& value, const std::string& name);
// {path: {json, start}} or nothing: headers given in place of files' own.
FileHeaders headers_of(const Napi::Value& value, const std::string& name);
std::vector<int32_t> int32s_of(const Napi::Value& value, const std::string& name);  // Int32Array
std::vector<float> floats_of(const Napi::Value& value, const std::string& name);    // array of numbers
std::vector<uint8_t> bytes_of(const Napi::Value& value, const std::string& name);   // Uint8Array

// 4-byte elements of a Float32Array or Int32Array, copied, so that JavaScript may reuse its buffer.
struct Elements {
  std::vector<std::byte> bytes;
  bool is_float = true;
  int64_t count() const noexcept { return static_cast<int64_t>(bytes.size() / 4); }
};
Elements elements_of(const Napi::Value& value, const std::string& name);

// The memory of a typed array where it is. `owner` keeps it; whichever thread drops the last copy of `owner`, the array
// is let go on the JavaScript thread. Until then JavaScript neither writes to it nor hands it over.
struct Borrowed {
  std::span<const std::byte> bytes;
  napi_typedarray_type type;
  std::shared_ptr<const void> owner;
};
Borrowed borrowed_of(const Napi::Value& value, const std::string& name, std::shared_ptr<JsQueue> queue);

// Property `key` of `object`, named `object_name.key` in errors; `has` is false where it is undefined.
struct Field {
  Napi::Value value;
  std::string name;
  bool has() const { return !value.IsUndefined() && !value.IsNull(); }
};
Field field(const Napi::Object& object, const char* key, const std::string& object_name);

}  // namespace afterimage::addon
