// Native errors as JavaScript sees them: an Error with the stable `code`.
#pragma once
#include <napi.h>

#include <exception>

#include "graph/error.h"

namespace afterimage::addon {

// Whatever was thrown; what JavaScript threw itself stays as it is.
Napi::Value to_js_error(Napi::Env env, std::exception_ptr error);

// Runs what Node calls: nothing but a JavaScript exception leaves it.
template <class F>
auto guarded(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error(env, to_js_error(env, std::current_exception()));
  }
}

}  // namespace afterimage::addon
