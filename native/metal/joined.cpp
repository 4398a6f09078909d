#include "metal/joined.h"

#include <algorithm>

namespace afterimage::metal {
namespace {

constexpr size_t kMostLinears = 3;
constexpr int64_t kMostNormedRows = 8;  // each of a dispatch's threadgroups norms them anew

Range range_of(const Tensor& tensor) {
  return tensor ? Range{&buffer_of(tensor.memory), tensor.offset, tensor.offset + tensor.bytes()}
                : Range{nullptr, 0, 0};
}

bool meet(const Tensor& a, const Tensor& b) { return a && b && range_of(a).meets(range_of(b)); }

bool same(const Tensor& a, const Tensor& b) {
  return a && b && a.memory == b.memory && a.offset == b.offset && a.rows == b.rows && a.width == b.width;
}

std::vector<KernelSet> sets_of(const Dispatch& d) { return linear_kernels(*weight_of(d, 0)); }

bool starts_linears(Encoder& encoder, const Dispatch& d) {
  return d.op == Op::Linear && d.out[0].rows > 0 && on_matrices(encoder.choose(sets_of(d))) && !meet(d.out[0], d.in[0]);
}

// Whether `next` may be multiplied with the same x at the same time as `first` and what lies between them.
bool joins(Encoder& encoder, std::span<const Dispatch> before, const Dispatch& next) {
  const Dispatch& first = before.front();
  if (next.op != Op::Linear || !same(next.in[0], first.in[0]) || next.in[1] || meet(next.out[0], next.in[0]))
    return false;
  if (encoder.choose(sets_of(next)).front().kernel != encoder.choose(sets_of(first)).front().kernel) return false;
  return std::none_of(before.begin(), before.end(),
                      [&](const Dispatch& d) { return meet(d.out[0], next.out[0]) || meet(d.in[1], next.out[0]); });
}

// Where rms_norm is replaced, few rows would have other bits than many.
bool may_norm(Encoder& encoder, const Dispatch& linear) {
  return encoder.has(plain_kernel(Op::RmsNorm)) && encoder.has(norm_join(encoder.choose(sets_of(linear))));
}

bool joins_norm(const Dispatch& norm, std::span<const Dispatch> linears) {
  if (norm.op != Op::RmsNorm || norm.attrs->groups != 1 || norm.out[0].rows > kMostNormedRows) return false;
  if (!same(norm.out[0], linears.front().in[0]) || meet(norm.in[0], norm.out[0])) return false;
  return std::none_of(linears.begin(), linears.end(), [&](const Dispatch& d) {
    return meet(d.out[0], norm.in[0]) || meet(d.out[0], norm.out[0]) || meet(d.in[1], norm.out[0]);
  });
}

// Whether `rope` turns what `attention` reads as `heads` heads of its keys' width.
bool turns(const Dispatch& rope, const Dispatch& attention, int operand, int32_t heads) {
  return rope.op == Op::Rope && same(rope.out[0], attention.in[operand]) && rope.attrs->groups == heads &&
         rope.in[0].width == int64_t{heads} * attention.attrs->k_dim && !meet(rope.in[0], rope.out[0]);
}

}  // namespace

JoinedRopes joined_ropes(Encoder& encoder, std::span<const Dispatch> list) {
  if (list.size() < JoinedRopes::kSize) return {};
  const Dispatch &q = list[0], &k = list[1], &attention = list[2];
  if (attention.op != Op::Attention || !attention.in[1]) return {};
  const OpAttrs& a = *attention.attrs;
  if (!turns(q, attention, 0, a.heads) || !turns(k, attention, 1, a.kv_heads)) return {};
  if (!same(q.in[1], k.in[1]) || q.attrs->start != k.attrs->start || q.attrs->interleaved != k.attrs->interleaved)
    return {};
  const Tensor read[] = {q.in[0], k.in[0], q.in[1], attention.in[2]};
  for (const Tensor& tensor : read)
    if (meet(tensor, q.out[0]) || meet(tensor, k.out[0])) return {};
  if (meet(q.out[0], k.out[0]) || !encoder.has(rope_store_kernel(attention.batch->kv->type()))) return {};
  return {&q, &k, &attention};
}

Joined joined_linears(Encoder& encoder, std::span<const Dispatch> list) {
  Joined joined;
  const size_t at = list.front().op == Op::RmsNorm ? 1 : 0;
  if (list.size() <= at || !starts_linears(encoder, list[at])) return joined;
  size_t count = 1;
  while (count < kMostLinears && at + count < list.size() && joins(encoder, list.subspan(at, count), list[at + count]))
    ++count;
  joined.linears = list.subspan(at, count);
  if (at == 1) {
    if (!joins_norm(list[0], joined.linears) || !may_norm(encoder, list[1])) return Joined{};
    joined.norm = &list[0];
  }
  // What is divided, or alone, is encoded as ever.
  double flop = 0;
  for (const Dispatch& d : joined.linears) flop += work_of(d, true).flop;
  if (joined.size() == 1 || flop > most_flop(kMatrixRate)) return Joined{};
  return joined;
}

}  // namespace afterimage::metal
