// One element of a rotary embedding.

// `x` of a head's column; `angles` [cos | sin] of its row.
inline float roped(device const float* x, uint column, device const float* angles, constant RopeParams& p) {
  if (column < p.start || column >= p.start + 2 * p.n) return x[column];
  uint c = column - p.start;
  uint pair = p.interleaved != 0 ? c / 2 : c % p.n;
  bool second = p.interleaved != 0 ? (c & 1) != 0 : c >= p.n;
  uint distance = p.interleaved != 0 ? 1 : p.n;
  float cosine = angles[pair];
  float sine = angles[p.n + pair];
  float other = second ? x[column - distance] : x[column + distance];
  return second ? x[column] * cosine + other * sine : x[column] * cosine - other * sine;
}
