// Native errors as JavaScript sees them: an Error with the stable `code`.
#pragma once
#include <napi.h>

#include <exception>

#include "graph/error.h"

namespace afterimage::addon {

Napi::Value to_js_error(Napi::Env env, std::exception_ptr error);

// Runs a synchronous entry point; native errors leave it as JavaScript exceptions.
template <class F>
auto guarded(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (const Error&) {
    throw Napi::Error(env, to_js_error(env, std::current_exception()));
  }
}

}  // namespace afterimage::addon
