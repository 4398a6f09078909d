// Checks that count and print failures; a test ends with `return afterimage::test::finish();`.
#pragma once
#include <cstdio>
#include <string>

#include "graph/error.h"

namespace afterimage::test {

inline int passed = 0, failed = 0;

inline bool check(bool condition, const std::string& what, const char* file, int line) {
  ++(condition ? passed : failed);
  if (!condition) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  return condition;
}

// Runs `action` and checks that it throws Error with this code and a sentence that contains `fragment`.
template <class Action>
void check_error(const std::string& code, const std::string& fragment, Action action, const char* file, int line) {
  try {
    action();
    check(false, "expected " + code + " \"" + fragment + "\" but nothing was thrown", file, line);
  } catch (const Error& error) {
    const bool matches = error.code() == code && std::string(error.what()).find(fragment) != std::string::npos;
    check(matches,
          "expected " + code + " \"" + fragment + "\" but received " + error.code() + " \"" + error.what() + "\"", file,
          line);
  }
}

inline int finish() {
  std::printf("%d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace afterimage::test

#define CHECK(condition) afterimage::test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_ERROR(code, fragment, action) \
  afterimage::test::check_error(            \
      code, fragment, [&] { action; }, __FILE__, __LINE__)
