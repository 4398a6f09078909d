// The backend by its name on the command line.
#pragma once
#include <memory>
#include <string>

#include "graph/backend.h"

namespace afterimage::addon {

// "cpu" or "metal"; throws INVALID_ARGUMENT where this build or machine has none of that name. threads 0: all cores.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads);
// What `afterimage doctor --metal` shows, as JSON.
std::string metal_report_json();
Precision precision_of(const std::string& name);
KvType kv_type_of(const std::string& name);

}  // namespace afterimage::addon
