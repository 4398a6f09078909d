// Whatever was thrown, as the one error class.
#pragma once
#include <exception>
#include <new>

#include "graph/error.h"

namespace afterimage {

inline Error error_of(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY", "The system has no memory left; close other programs or lower the budgets.");
  } catch (const std::exception& error) {
    return Error("BACKEND_FAILED", std::string("The engine failed: ") + error.what());
  } catch (...) {
    return Error("BACKEND_FAILED", "The engine failed for a reason it does not know; load the model again.");
  }
}

}  // namespace afterimage
