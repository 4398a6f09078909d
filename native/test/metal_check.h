// Checks of the Metal tests: a failed one is printed and counted, and the process ends with its count.
#pragma once
#include <cstdio>
#include <string>

namespace metal_test {

inline int failures = 0;

inline void expect(bool condition, const std::string& what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
}

inline int finish(const char* name) {
  std::printf("%s: %s\n", name, failures ? "failed" : "passed");
  return failures ? 1 : 0;
}

}  // namespace metal_test
