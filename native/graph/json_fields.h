// Typed access to the members of a program's JSON. Every miss is INVALID_PROGRAM naming the place and the member.
#pragma once
#include <string>
#include <vector>

#include "graph/error.h"
#include "graph/json.h"

namespace afterimage {

class JsonFields {
 public:
  // `place` opens every sentence: "operator 3 (linear)". Members outside `known` are refused: they are misspelt.
  JsonFields(const Json& object, std::string place, std::initializer_list<std::string_view> known);

  const Json* find(std::string_view key) const { return object_.find(key); }
  const Json& at(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t low, int64_t high) const;
  std::string text(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key, int64_t low, int64_t high) const;
  const Json::Array& array(std::string_view key) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  const Json& object_;
  std::string place_;
};

// Throws INVALID_PROGRAM with the sentence completed by its next step.
[[noreturn]] void fail_program(const std::string& sentence);

}  // namespace afterimage
