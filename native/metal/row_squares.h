// RmsNorm's sum of squares, in one order wherever it is taken: 32 threads add up rows of at most 512 columns, 256
// longer ones, each its columns in ascending order; then simdgroups add up their lanes, and the simdgroups' sums are
// added in order.

inline uint norm_simdgroups(uint d) { return d <= 512 ? 1 : 8; }

// What thread `thread_of_row` of a row adds up.
inline float row_squares(device const float* row, uint d, uint thread_of_row) {
  float squares = 0.0f;
  for (uint i = thread_of_row; i < d; i += 32 * norm_simdgroups(d)) squares = fma(row[i], row[i], squares);
  return squares;
}

// From the simdgroups' sums.
inline float norm_factor(threadgroup const float* partial, uint d, float eps) {
  float total = partial[0];
  for (uint i = 1; i < norm_simdgroups(d); ++i) total += partial[i];
  return rsqrt(total / float(d) + eps);
}

inline float normed_value(float x, float factor, float weight) { return x * factor * weight; }
