// The dot product of a few rows of a float matrix with activations, as quantized_dot is that of quantized ones.

// sums[r][o] = this lane's share of W[first_row_of_matrix + first_out + o] · x[x_rows[r]]: lane l takes columns l, l +
// 32 and so on, ascending.
template <class W, int ROWS, int OUTS>
inline void float_dot(device const W* w, uint outs, uint columns, ulong first_row_of_matrix, uint first_out,
                      device const float* x, thread const uint (&x_rows)[ROWS], uint lane,
                      thread float (&sums)[ROWS][OUTS]) {
  UNROLL for (int r = 0; r < ROWS; ++r) { UNROLL for (int o = 0; o < OUTS; ++o) sums[r][o] = 0.0f; }
  for (uint column = lane; column < columns; column += 32) {
    float weights[OUTS];
    UNROLL for (int o = 0; o < OUTS; ++o) {
      ulong row = first_row_of_matrix + min(first_out + uint(o), outs - 1);
      weights[o] = float(w[row * columns + column]);
    }
    UNROLL for (int r = 0; r < ROWS; ++r) {
      float value = x[ulong(x_rows[r]) * columns + column];
      UNROLL for (int o = 0; o < OUTS; ++o) sums[r][o] = fma(weights[o], value, sums[r][o]);
    }
  }
}
