#include "graph/json_fields.h"

#include <algorithm>

namespace afterimage {
namespace {

bool in_range(const Json& json, int64_t low, int64_t high) {
  const int64_t* value = json.integer();
  return value && *value >= low && *value <= high;
}

std::string range_text(int64_t low, int64_t high) { return std::to_string(low) + " to " + std::to_string(high); }

}  // namespace

void fail_program(const std::string& sentence) {
  throw Error("INVALID_PROGRAM", sentence + "; correct the model family that emits this program.");
}

JsonFields::JsonFields(const Json& object, std::string place, std::initializer_list<std::string_view> known)
    : object_(object), place_(std::move(place)) {
  if (!object.object()) fail("must be an object");
  for (const auto& member : *object.object()) {
    if (std::find(known.begin(), known.end(), member.first) == known.end())
      fail("has an unknown member \"" + member.first + "\"");
  }
}

void JsonFields::fail(const std::string& what) const { fail_program(place_ + " " + what); }

const Json& JsonFields::at(std::string_view key) const {
  const Json* found = object_.find(key);
  if (!found) fail("lacks \"" + std::string(key) + "\"");
  return *found;
}

int64_t JsonFields::integer(std::string_view key, int64_t low, int64_t high) const {
  const Json& json = at(key);
  if (!in_range(json, low, high))
    fail("needs \"" + std::string(key) + "\" as an integer from " + range_text(low, high));
  return *json.integer();
}

std::string JsonFields::text(std::string_view key) const {
  const Json& json = at(key);
  if (!json.string() || json.string()->empty())
    fail("needs \"" + std::string(key) + "\" as a string that is not empty");
  return *json.string();
}

const Json::Array& JsonFields::array(std::string_view key) const {
  const Json& json = at(key);
  if (!json.array()) fail("needs \"" + std::string(key) + "\" as an array");
  return *json.array();
}

std::vector<std::string> JsonFields::texts(std::string_view key) const {
  std::vector<std::string> out;
  for (const Json& element : array(key)) {
    if (!element.string()) fail("needs strings in \"" + std::string(key) + "\"");
    out.push_back(*element.string());
  }
  return out;
}

std::vector<int64_t> JsonFields::integers(std::string_view key, int64_t low, int64_t high) const {
  std::vector<int64_t> out;
  for (const Json& element : array(key)) {
    if (!in_range(element, low, high))
      fail("needs integers from " + range_text(low, high) + " in \"" + std::string(key) + "\"");
    out.push_back(*element.integer());
  }
  return out;
}

}  // namespace afterimage
