// Lines of text in pixels, as JavaScript calls it: both functions return at once and work in a thread of Node's pool.
#pragma once
#include <napi.h>

namespace afterimage::addon {

// (map: Float32Array, width, height, threshold) → Promise<{corners: Int32Array of x, y; ends: Int32Array; scores:
// Float64Array}>: a component's hull is what lies between its end and the one before, counted in numbers.
Napi::Value find_components(const Napi::CallbackInfo& info);

// ({width, height, data}, [{quad: [{x, y} × 4], level}], known hashes) → Promise<lines>, a line being a list of
// {hash, placement, view?: {crop, ink}}.
Napi::Value cut_lines(const Napi::CallbackInfo& info);

}  // namespace afterimage::addon
