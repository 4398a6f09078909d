// Elements of KV tiles, see native/graph/kv_layout.h. A q8 tile's 64 scales follow its 64·dim codes.

struct KvF32 {
  static float load(device const uchar* tile, uint dim, uint position, uint column) {
    return ((device const float*)tile)[position * dim + column];
  }
};
struct KvF16 {
  static float load(device const uchar* tile, uint dim, uint position, uint column) {
    return float(((device const half*)tile)[position * dim + column]);
  }
};
struct KvBF16 {
  static float load(device const uchar* tile, uint dim, uint position, uint column) {
    return float(((device const bfloat*)tile)[position * dim + column]);
  }
};
struct KvQ8 {
  static float load(device const uchar* tile, uint dim, uint position, uint column) {
    int code = int(as_type<char>(tile[position * dim + column]));
    return float(code) * ((device const float*)(tile + 64 * dim))[position];
  }
};
