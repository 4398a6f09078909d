// 8×8 matrices spread over a simdgroup. How a GPU spreads them is not documented, so only load, store and multiply
// exist. Lane 0 holds all 64 elements here and does all the work; what the other lanes hold is never read. Every lane
// notes the operation, and the next exchange verifies that all lanes executed the same ones.
#pragma once

namespace metal {

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8);
  T rig_elements[8][8];
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;

template <class T, int Columns, int Rows>
simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value, int line = __builtin_LINE()) {
  rig::simd_note(line);
  simdgroup_matrix<T, Columns, Rows> matrix;
  if (rig::place().lane == 0)
    for (auto& row : matrix.rig_elements)
      for (T& element : row) element = value;
  return matrix;
}

template <class T, class Pointer>
void simdgroup_load(simdgroup_matrix<T, 8, 8>& matrix, Pointer source, ulong stride = 8, ulong2_t origin = ulong2(0, 0),
                    bool transpose = false, int line = __builtin_LINE()) {
  rig::simd_note(line);
  if (rig::place().lane != 0) return;
  Pointer at = source + origin.y * stride + origin.x;
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column)
      matrix.rig_elements[row][column] = transpose ? at[column * stride + row] : at[row * stride + column];
}

template <class T, class Pointer>
void simdgroup_store(const simdgroup_matrix<T, 8, 8>& matrix, Pointer target, ulong stride = 8,
                     ulong2_t origin = ulong2(0, 0), bool transpose = false, int line = __builtin_LINE()) {
  rig::simd_note(line);
  if (rig::place().lane != 0) return;
  Pointer at = target + origin.y * stride + origin.x;
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column)
      at[transpose ? column * stride + row : row * stride + column] = matrix.rig_elements[row][column];
}

// d = a·b + c, each element's products added in ascending order.
template <class T>
void simdgroup_multiply_accumulate(simdgroup_matrix<T, 8, 8>& d, const simdgroup_matrix<T, 8, 8>& a,
                                   const simdgroup_matrix<T, 8, 8>& b, const simdgroup_matrix<T, 8, 8>& c,
                                   int line = __builtin_LINE()) {
  rig::simd_note(line);
  if (rig::place().lane != 0) return;
  simdgroup_matrix<T, 8, 8> result = c;
  for (int row = 0; row < 8; ++row)
    for (int k = 0; k < 8; ++k)
      for (int column = 0; column < 8; ++column)
        result.rig_elements[row][column] += a.rig_elements[row][k] * b.rig_elements[k][column];
  d = result;
}

template <class T>
void simdgroup_multiply(simdgroup_matrix<T, 8, 8>& d, const simdgroup_matrix<T, 8, 8>& a,
                        const simdgroup_matrix<T, 8, 8>& b, int line = __builtin_LINE()) {
  simdgroup_matrix<T, 8, 8> zero = {};
  simdgroup_multiply_accumulate(d, a, b, zero, line);
}

}  // namespace metal
