#include "addon/errors.h"

namespace afterimage::addon {

namespace {
Napi::Value coded(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error.Value();
}
}  // namespace

Napi::Value to_js_error(Napi::Env env, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const Napi::Error& thrown) {
    return thrown.Value();
  } catch (const Error& native) {
    return coded(env, native.code(), native.what());
  } catch (const std::bad_alloc&) {
    return coded(env, "OUT_OF_MEMORY", "The system refused memory; close other programs or use a smaller model.");
  } catch (const std::exception& other) {
    return coded(env, "BACKEND_FAILED", other.what());
  }
}

}  // namespace afterimage::addon
