// The backend by its name on the command line.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "graph/backend.h"

namespace afterimage::addon {

// "cpu" or "metal"; throws INVALID_ARGUMENT where this build or machine has none of that name, or it has not that
// precision. threads 0: all cores.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads, Precision precision);
// What that backend takes for a weight; it need not be there. Metal reads the checkpoint's bytes where they lie.
size_t weight_bytes(const std::string& name, const WeightSource& described, uint32_t uses, Precision precision);
// What `afterimage doctor --metal` shows, as JSON; with `compile_only` every kernel is compiled and none is run.
// `reached` hears before each step what is known so far.
std::string metal_report_json(bool compile_only, std::function<void(const std::string&)> reached);
Precision precision_of(const std::string& name);
KvType kv_type_of(const std::string& name);

}  // namespace afterimage::addon
