// Attributes of an operator, read from the program's JSON.
#pragma once
#include <string>

#include "graph/json.h"
#include "graph/op_signature.h"

namespace afterimage {

// Throws INVALID_PROGRAM where an attribute is unknown to the operator, missing, of the wrong type or out of range.
OpAttrs read_attrs(const Json& json, const OpSignature& op, const std::string& place);

}  // namespace afterimage
