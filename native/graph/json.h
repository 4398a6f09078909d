// A small strict JSON reader (RFC 8259) for safetensors headers and programs. Text is validated UTF-8, integers that
// fit 64 bits are exact, nesting is bounded, and a repeated key is an error.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace afterimage {

class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the order of the text

  Json() = default;
  explicit Json(bool value) : value_(value) {}
  explicit Json(int64_t value) : value_(value) {}
  explicit Json(double value) : value_(value) {}
  explicit Json(std::string value) : value_(std::move(value)) {}
  explicit Json(Array value) : value_(std::move(value)) {}
  explicit Json(Object value) : value_(std::move(value)) {}

  // Null unless the value has that type; a number written without fraction or exponent is an integer.
  const bool* boolean() const noexcept { return std::get_if<bool>(&value_); }
  const int64_t* integer() const noexcept { return std::get_if<int64_t>(&value_); }
  const std::string* string() const noexcept { return std::get_if<std::string>(&value_); }
  const Array* array() const noexcept { return std::get_if<Array>(&value_); }
  const Object* object() const noexcept { return std::get_if<Object>(&value_); }
  // Any number; false where it is none.
  bool number(double& out) const noexcept;
  // Member of an object by key; null where absent or no object.
  const Json* find(std::string_view key) const noexcept;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Throws JsonError: "unexpected character at byte 12". White space may surround the value.
Json parse_json(std::string_view text);

}  // namespace afterimage
