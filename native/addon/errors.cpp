#include "addon/errors.h"

#include "session/failure.h"

namespace afterimage::addon {

Napi::Value to_js_error(Napi::Env env, std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Napi::Error& own) {
    return own.Value();
  } catch (...) {
    const Error native = error_of(std::current_exception());
    Napi::Error error = Napi::Error::New(env, native.what());
    error.Set("code", Napi::String::New(env, native.code()));
    return error.Value();
  }
}

}  // namespace afterimage::addon
