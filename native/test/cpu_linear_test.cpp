// Linear and ExpertLinear: every stored format, precision and instruction set against double loops; the bits of a row
// against other groupings of rows and threads; 15-bit activations give one result on all instruction sets.
#include "cpu/cpu_context.h"
#include "cpu/kernels.h"
#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

std::vector<float> linear(Backend& backend, const Weight& weight, const std::vector<float>& x, int64_t rows, int64_t in,
                          int64_t out, const OpAttrs& attrs = {}, const Weight* bias = nullptr,
                          const std::vector<float>& residual = {}) {
  const Owned xt = tensor(backend, rows, in, x), yt = tensor(backend, rows, out);
  Owned rt;
  Dispatch d{Op::Linear, &attrs, {xt.tensor}, {yt.tensor}, {&weight, bias}, nullptr};
  if (!residual.empty()) {
    rt = tensor(backend, rows, out, residual);
    d.in[1] = rt.tensor;
  }
  run_one(backend, d);
  return yt.read<float>();
}

std::vector<double> product(const std::vector<float>& w, const std::vector<float>& x, int64_t rows, int64_t in,
                            int64_t out) {
  std::vector<double> y(static_cast<size_t>(rows * out));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (int64_t k = 0; k < in; ++k)
        sum += double{w[static_cast<size_t>(o * in + k)]} * x[static_cast<size_t>(r * in + k)];
      y[static_cast<size_t>(r * out + o)] = sum;
    }
  return y;
}

double tolerance(const Format& f, Precision precision, CpuIsa isa) {
  if (precision == Precision::exact) return 2e-6;
  const bool floats = f.format == WeightFormat::f32 || f.format == WeightFormat::f16 || f.format == WeightFormat::bf16;
  if (floats && cpu_kernels(isa).pair_tiles) return 4e-4;
  return f.format == WeightFormat::affine || f.format == WeightFormat::int4_symmetric ? 3e-4 : 8e-3;
}

// Rows alone, in pairs and in odd groups, on other thread counts, against all rows at once.
void check_rows(CpuIsa isa, const std::string& what, const StoredWeight& stored, Precision precision,
                const std::vector<float>& x, const std::vector<float>& y, int64_t rows, int64_t in, int64_t out,
                uint32_t uses = kUseMatrix) {
  for (int threads : {1, 3}) {
    const auto backend = cpu(isa, threads);
    const auto weight = backend->prepare(stored.source, uses, precision);
    for (int64_t first = 0, step = 1; first < rows; first += step, step = step % 7 + 1) {
      const int64_t count = std::min(step, rows - first);
      const std::vector<float> part(x.begin() + first * in, x.begin() + (first + count) * in);
      const auto alone = linear(*backend, *weight, part, count, in, out);
      check(same_bits(alone.data(), y.data() + first * out, alone.size()), what + ": a row depends on the others",
            __FILE__, __LINE__);
    }
  }
}

// Weights as pairs by the vectors of an instruction set against one after the other.
void weights_become_pairs() {
  for (CpuIsa isa : isas_here()) {
    const KernelTable& kernels = cpu_kernels(isa);
    CHECK(kernels.pair_tiles == (kernels.weights_to_pairs != nullptr));
    if (!kernels.pair_tiles) continue;
    for (int count = 1; count <= 64; ++count) {
      std::vector<float> weights = random_floats(static_cast<size_t>(count));
      if (count % 5 == 0) std::fill(weights.begin(), weights.end(), 0.0f);
      if (count % 7 == 0) weights.back() *= 1000;  // one large: sums matter less than it
      const double factor = pair_factor(weights.data(), count);
      int16_t pairs[66] = {};
      pairs[count / 2 * 2] = pairs[(count - 1) / 2 * 2 + 1] = 99;
      CHECK(kernels.weights_to_pairs(weights.data(), count, pairs) == static_cast<float>(1 / factor));
      for (int k = 0; k < count; ++k)
        CHECK(pairs[k] == std::lrint(weights[static_cast<size_t>(k)] * static_cast<float>(factor)));
      CHECK(count % 2 == 0 || pairs[count] == 0);
    }
  }
}

// Parts lie apart, are zero, and stay when the pool is gone.
void parts_of_pages() {
  std::vector<AlignedBytes> parts;
  const size_t sizes[] = {1, 64, 100, 3 << 20, 15 << 20, 16 << 20, 17 << 20, 14 << 20, 13 << 20, 9 << 20, 5};
  {
    PagePool pool;
    for (size_t size : sizes) parts.push_back(pool.take(size));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const AlignedBytes part = std::move(parts[i]);
    CHECK(reinterpret_cast<uintptr_t>(part.data()) % 64 == 0 && part.size() >= sizes[i]);
    CHECK(std::all_of(part.data(), part.data() + part.size(), [](uint8_t byte) { return byte == 0; }));
    std::fill(part.data(), part.data() + part.size(), uint8_t{1});
    parts[i] = AlignedBytes();
  }
}

void test_format(const Format& f) {
  // 200 columns: a last block that is not full. Groups must divide the row.
  const int64_t in = f.group == 0 ? 200 : f.group == 128 ? 256 : f.group * (f.group < 64 ? 5 : 3), out = 131, rows = 33;
  const auto stored = random_weight(f, out, in);
  const auto x = random_floats(static_cast<size_t>(rows * in));
  const auto expected = product(stored->dense(), x, rows, in, out);
  for (Precision precision : {Precision::exact, Precision::fast}) {
    std::vector<float> first_bits;
    for (CpuIsa isa : isas_here()) {
      const auto backend = cpu(isa);
      const std::string what =
          std::string(f.name) + (precision == Precision::exact ? " exact " : " fast ") + backend->identity();
      const auto weight = backend->prepare(stored->source, kUseMatrix, precision);
      const auto y = linear(*backend, *weight, x, rows, in, out);
      const double error = relative_rms(y, expected);
      check(error < tolerance(f, precision, isa), what + ": error " + std::to_string(error * 1e6) + "e-6", __FILE__,
            __LINE__);
      check_rows(isa, what, *stored, precision, x, y, rows, in, out);
      const bool integers = f.format == WeightFormat::affine || f.format == WeightFormat::int4_symmetric;
      if (precision == Precision::exact || !integers) continue;
      if (first_bits.empty()) first_bits = y;
      check(same_bits(first_bits.data(), y.data(), y.size()), what + ": bits differ between instruction sets", __FILE__,
            __LINE__);
    }
  }
}

// Many rows and panels: chunks, tiles and remainders of every size.
void test_sizes() {
  const Format& f = formats()[5];
  for (int64_t size : {1, 31, 32, 33, 63, 64, 65, 127}) {
    const int64_t in = 128, rows = size * 2 + 1;
    const auto stored = random_weight(f, size, in);
    const auto x = random_floats(static_cast<size_t>(rows * in));
    const auto expected = product(stored->dense(), x, rows, in, size);
    for (CpuIsa isa : isas_here())
      for (Precision precision : {Precision::exact, Precision::fast}) {
        const auto backend = cpu(isa);
        const auto weight = backend->prepare(stored->source, kUseMatrix, precision);
        CHECK(relative_rms(linear(*backend, *weight, x, rows, in, size), expected) < tolerance(f, precision, isa));
      }
  }
}

// Narrow panels are taken several at a time: seven of them in threes on one thread, rows as guesses come.
void test_narrow_panels() {
  const Format& f = formats()[5];
  const int64_t in = 128, out = 6 * 64 + 5;
  const auto stored = random_weight(f, out, in);
  for (int64_t rows = 1; rows <= 13; ++rows) {
    const auto x = random_floats(static_cast<size_t>(rows * in));
    const auto expected = product(stored->dense(), x, rows, in, out);
    for (CpuIsa isa : isas_here())
      for (int threads : {1, 3}) {
        const auto backend = cpu(isa, threads);
        const auto weight = backend->prepare(stored->source, kUseMatrix, Precision::fast);
        const auto y = linear(*backend, *weight, x, rows, in, out);
        CHECK(relative_rms(y, expected) < tolerance(f, Precision::fast, isa));
        check_rows(isa, "narrow panels", *stored, Precision::fast, x, y, rows, in, out);
      }
  }
}

void test_odd_inputs() {
  for (int64_t in : {1, 31, 32, 33, 63, 64, 65, 127}) {
    const auto stored = random_weight(formats()[2], 70, in);
    const auto x = random_floats(static_cast<size_t>(5 * in));
    const auto expected = product(stored->dense(), x, 5, in, 70);
    for (CpuIsa isa : isas_here())
      for (Precision precision : {Precision::exact, Precision::fast}) {
        const auto backend = cpu(isa);
        const auto weight = backend->prepare(stored->source, kUseMatrix, precision);
        CHECK(relative_rms(linear(*backend, *weight, x, 5, in, 70), expected) <
              tolerance(formats()[2], precision, isa));
      }
  }
}

void test_epilogue() {
  const int64_t in = 64, out = 77, rows = 9;
  const auto stored = random_weight(formats()[0], out, in), bias = random_weight(formats()[0], 1, out);
  const auto x = random_floats(rows * in), residual = random_floats(rows * out);
  auto expected = product(stored->dense(), x, rows, in, out);
  const auto b = bias->dense();
  for (size_t i = 0; i < expected.size(); ++i) {
    const double v = expected[i] + b[i % out];
    expected[i] = v / (1 + std::exp(-v)) + residual[i];
  }
  OpAttrs attrs;
  attrs.activation = Activation::silu;
  for (CpuIsa isa : isas_here()) {
    const auto backend = cpu(isa);
    const auto weight = backend->prepare(stored->source, kUseMatrix, Precision::exact);
    const auto vector = backend->prepare(bias->source, kUseVector, Precision::exact);
    CHECK(relative_rms(linear(*backend, *weight, x, rows, in, out, attrs, vector.get(), residual), expected) < 1e-6);
  }
}

void test_eight_bits() {
  const Format& f = formats()[5];
  const int64_t in = 256, out = 70, rows = 20;
  const auto stored = random_weight(f, out, in);
  const auto x = random_floats(rows * in);
  const auto expected = product(stored->dense(), x, rows, in, out);
  std::vector<float> first_bits;
  for (CpuIsa isa : isas_here()) {
    const auto backend = cpu(isa);
    const auto weight = backend->prepare(stored->source, kUseMatrix, Precision::faster);
    const auto y = linear(*backend, *weight, x, rows, in, out);
    const double error = relative_rms(y, expected);
    CHECK(error < 2e-2 && error > 1e-3);
    check_rows(isa, "a8", *stored, Precision::faster, x, y, rows, in, out);
    if (first_bits.empty()) first_bits = y;
    CHECK(same_bits(first_bits.data(), y.data(), y.size()));
  }
}

// Floats of an encoder in `faster`: bytes with a scale for an output and for a row, the same bits wherever bytes are
// multiplied fast; elsewhere, and in programs with sequences, what `fast` makes of them.
void test_bytes() {
  for (size_t format : {size_t{0}, size_t{1}, size_t{2}})
    for (const auto& [in, out, rows] : {std::array<int64_t, 3>{200, 131, 40}, {1, 5, 3}, {1100, 70, 100}}) {
      const Format& f = formats()[format];
      const auto stored = random_weight(f, out, in);
      auto x = random_floats(static_cast<size_t>(rows * in));
      std::fill(x.begin(), x.begin() + in, 0.0f);
      const auto expected = product(stored->dense(), x, rows, in, out);
      std::vector<float> first_bits;
      for (CpuIsa isa : isas_here()) {
        const auto backend = cpu(isa);
        const auto run = [&](uint32_t uses, Precision precision) {
          const auto weight = backend->prepare(stored->source, uses, precision);
          CHECK(weight->bytes() == cpu_weight_bytes(stored->source, uses, precision) || isa != best_cpu_isa());
          return linear(*backend, *weight, x, rows, in, out);
        };
        const auto y = run(kUseMatrix | kUseInEncoder, Precision::faster), fast = run(kUseMatrix, Precision::fast);
        const auto decoder = run(kUseMatrix, Precision::faster);
        CHECK(same_bits(decoder.data(), fast.data(), fast.size()));
        if (!cpu_kernels(isa).byte_tiles) {
          CHECK(same_bits(y.data(), fast.data(), fast.size()));
          continue;
        }
        const double error = relative_rms(y, expected);
        check(error < 2e-2 && (in == 1 || error > 1e-3), "bytes: error " + std::to_string(error), __FILE__, __LINE__);
        check_rows(isa, "bytes", *stored, Precision::faster, x, y, rows, in, out, kUseMatrix | kUseInEncoder);
        if (first_bits.empty()) first_bits = y;
        CHECK(same_bits(first_bits.data(), y.data(), y.size()));
      }
    }
}

// As many inputs as sums of bytes hold, all of them the largest; one more is not taken in bytes.
void test_widest_bytes() {
  for (const int64_t in : {kMostByteColumns, kMostByteColumns + 1}) {
    auto stored = random_weight(formats()[0], 3, in);
    std::vector<float> ones(static_cast<size_t>(3 * in), 1.0f);
    std::memcpy(stored->data.data(), ones.data(), ones.size() * 4);
    for (float input : {1.0f, -1.0f}) {
      const std::vector<float> x(static_cast<size_t>(2 * in), input);
      for (CpuIsa isa : isas_here()) {
        const auto backend = cpu(isa);
        const auto weight = backend->prepare(stored->source, kUseMatrix | kUseInEncoder, Precision::faster);
        const auto y = linear(*backend, *weight, x, 2, in, 3);
        for (float sum : y)
          check(std::abs(sum * input - static_cast<float>(in)) < 10,
                backend->identity() + " " + std::to_string(in) + ": " + std::to_string(sum), __FILE__, __LINE__);
        if (cpu_kernels(isa).byte_tiles)
          CHECK((weight->bytes() < static_cast<size_t>(64 * (in + 64) * 3 / 2)) == (in == kMostByteColumns));
      }
    }
  }
}

// Integers of rows in groups of every size, of more blocks than are taken together: one result on all instruction sets.
void test_long_rows() {
  const int64_t in = 13 * 64, out = 70;
  const Format by_sixteen{"affine6/16 f32", WeightFormat::affine, 6, 16, ScaleType::f32};
  for (const Format& f : {formats()[5], formats()[6], formats()[10], by_sixteen}) {
    const auto stored = random_weight(f, out, in);
    const auto dense = stored->dense();
    for (int64_t rows : {3, 4, 5, 8, 9, 16, 17, 32, 47, 49, 96, 97}) {
      const auto x = random_floats(static_cast<size_t>(rows * in));
      const auto expected = product(dense, x, rows, in, out);
      for (const Precision precision : {Precision::fast, Precision::faster}) {
        std::vector<float> first_bits;
        for (CpuIsa isa : isas_here()) {
          const auto backend = cpu(isa);
          const auto weight = backend->prepare(stored->source, kUseMatrix, precision);
          const auto y = linear(*backend, *weight, x, rows, in, out);
          const std::string what = std::string(f.name) + ", " + std::to_string(rows) + " rows, " + backend->identity();
          check(relative_rms(y, expected) < (precision == Precision::faster ? 2e-2 : 3e-4), what + ": error", __FILE__,
                __LINE__);
          if (first_bits.empty()) first_bits = y;
          check(same_bits(first_bits.data(), y.data(), y.size()), what + ": bits differ", __FILE__, __LINE__);
        }
      }
    }
  }
}

// The largest and the smallest codes times the largest inputs: sums of 16 bits must be widened before they overflow,
// or come back to what they are worth.
void test_largest_sums() {
  const int64_t in = 128, out = 64, rows = 7;
  for (const Format& f : formats()) {
    if (f.format != WeightFormat::affine) continue;
    for (const auto& [codes, input] : {std::pair{0xff, 1.0f}, {0xff, -1.0f}, {0x00, 1.0f}, {0x00, -1.0f}}) {
      auto stored = random_weight(f, out, in);
      std::fill(stored->data.begin(), stored->data.end(), std::byte(codes));
      const std::vector<float> x(static_cast<size_t>(rows * in), input);
      const auto expected = product(stored->dense(), x, rows, in, out);
      for (CpuIsa isa : isas_here())
        for (const Precision precision : {Precision::fast, Precision::faster}) {
          const auto backend = cpu(isa, 1);
          const auto weight = backend->prepare(stored->source, kUseMatrix, precision);
          CHECK(relative_rms(linear(*backend, *weight, x, rows, in, out), expected) < 1e-5);
        }
    }
  }
}

void test_experts(bool per_expert) {
  const int64_t experts = 5, in = 64, out = 75, rows = 40, k = 2;
  for (size_t format : {size_t{0}, size_t{5}, size_t{11}}) {
    const auto stored = random_weight(formats()[format], out, in, experts);
    const auto x = random_floats(static_cast<size_t>((per_expert ? k : 1) * rows * in));
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < rows * k; ++i) ids.push_back(static_cast<int32_t>(generator()() % experts));
    const auto w = stored->dense();
    std::vector<double> expected;
    for (int64_t slot = 0; slot < rows * k; ++slot) {
      const int64_t row = per_expert ? slot : slot / k;
      const std::vector<float> one(x.begin() + row * in, x.begin() + (row + 1) * in);
      const auto begin = w.begin() + ids[static_cast<size_t>(slot)] * out * in;
      const auto y = product(std::vector<float>(begin, begin + out * in), one, 1, in, out);
      expected.insert(expected.end(), y.begin(), y.end());
    }
    OpAttrs attrs;
    attrs.k = k;
    attrs.per_expert = per_expert;
    for (CpuIsa isa : isas_here())
      for (Precision precision : {Precision::exact, Precision::fast}) {
        const auto backend = cpu(isa);
        const auto weight = backend->prepare(stored->source, kUseExperts, precision);
        const auto run = [&](int64_t first, int64_t count) {
          const int64_t per_row = per_expert ? k * in : in;
          const Owned xt =
              tensor(*backend, count, per_row,
                     std::vector<float>(x.begin() + first * per_row, x.begin() + (first + count) * per_row));
          const Owned it = tensor<int32_t>(
              *backend, count, k, std::vector<int32_t>(ids.begin() + first * k, ids.begin() + (first + count) * k));
          const Owned yt = tensor(*backend, count, k * out);
          run_one(*backend, {Op::ExpertLinear, &attrs, {xt.tensor, it.tensor}, {yt.tensor}, {weight.get()}, nullptr});
          return yt.read<float>();
        };
        const auto y = run(0, rows);
        CHECK(relative_rms(y, expected) < tolerance(formats()[format], precision, isa));
        for (int64_t r = 0; r < rows; r += 3)
          CHECK(same_bits(run(r, 1).data(), y.data() + r * k * out, static_cast<size_t>(k * out)));
      }
  }
}

// Linears of the same rows in one submission equal each alone: those of one form, others between them, one that adds to
// rows that another wrote, one that reads them, and two that write the same memory, of which the later counts.
void test_together() {
  const int64_t in = 192;
  const size_t wide[] = {5, 5, 6, 2, 5, 5, 5, 5, 5, 5};
  for (int64_t rows : {1, 7, 130})
    for (CpuIsa isa : isas_here())
      for (const Precision precision : {Precision::fast, Precision::faster}) {
        const auto backend = cpu(isa, 3);
        const auto x = random_floats(static_cast<size_t>(rows * in));
        std::vector<std::unique_ptr<StoredWeight>> stored;
        std::vector<std::unique_ptr<Weight>> weights;
        for (size_t i = 0; i < std::size(wide); ++i) {
          stored.push_back(random_weight(formats()[wide[i]], i == 4 ? 70 : i == 6 ? in : 70 + 64 * (i % 3), in));
          weights.push_back(backend->prepare(stored[i]->source, kUseMatrix, precision));
        }
        const auto run = [&](bool together) {
          const Owned xt = tensor(*backend, rows, in, x);
          std::vector<Owned> y;
          std::vector<Dispatch> dispatches;
          const OpAttrs attrs;
          for (size_t i = 0; i < std::size(wide); ++i) {
            y.push_back(tensor(*backend, rows, stored[i]->source.rows));
            Dispatch d{Op::Linear, &attrs, {xt.tensor}, {y[i].tensor}, {weights[i].get()}, nullptr, precision};
            if (i == 4) d.in[1] = y[0].tensor;
            if (i == 7) d.in[0] = y[6].tensor;
            if (i == 9) d.out[0].memory = y[8].tensor.memory;
            dispatches.push_back(d);
          }
          const std::atomic<bool> cancel{false};
          ThreadPool pool(1);
          const CpuContext context{cpu_kernels(isa), pool, {}, {}, {}};
          std::vector<size_t> counts;
          for (size_t i = 0; i < dispatches.size(); i += counts.back())
            counts.push_back(linears_together(context, std::span(dispatches).subspan(i)));
          CHECK((counts == std::vector<size_t>{2, 1, 1, 1, 2, 1, 1, 1}));
          if (together) backend->run(dispatches, cancel);
          for (size_t i = 0; i < dispatches.size() && !together; ++i) backend->run({&dispatches[i], 1}, cancel);
          std::vector<float> all;
          for (size_t i = 0; i < std::size(wide) - 1; ++i) {
            const auto part = y[i].read<float>();
            all.insert(all.end(), part.begin(), part.end());
          }
          return all;
        };
        const auto together = run(true), alone = run(false);
        check(same_bits(together.data(), alone.data(), alone.size()), "linears together: " + backend->identity(),
              __FILE__, __LINE__);
      }
}

// One packed copy serves Linear and Embedding.
void test_tied_table() {
  for (const Format& f : formats()) {
    const int64_t rows = 70, columns = f.group == 128 ? 256 : 192;
    const auto stored = random_weight(f, rows, columns);
    const auto dense = stored->dense();
    const auto backend = cpu(best_cpu_isa());
    const std::vector<int32_t> ids = {0, 69, 3, 64, 63, 70, -1};
    for (uint32_t uses : {kUseTable | 0u, kUseTable | kUseMatrix | 0u, kUseTable | kUseVector | 0u}) {
      const auto weight = backend->prepare(stored->source, uses, Precision::exact);
      const Owned it = tensor<int32_t>(*backend, 7, 1, ids), yt = tensor(*backend, 7, columns);
      OpAttrs attrs;
      run_one(*backend, {Op::Embedding, &attrs, {it.tensor}, {yt.tensor}, {weight.get()}, nullptr});
      const auto y = yt.read<float>();
      for (size_t i = 0; i < ids.size(); ++i) {
        const int64_t row = ids[i] < 0 || ids[i] >= rows ? 0 : ids[i];
        check(same_bits(y.data() + i * static_cast<size_t>(columns), dense.data() + row * columns,
                        static_cast<size_t>(columns)),
              std::string(f.name) + ": a looked-up row differs", __FILE__, __LINE__);
      }
    }
  }
}

}  // namespace

int main() {
  weights_become_pairs();
  parts_of_pages();
  for (const Format& f : formats()) test_format(f);
  test_sizes();
  test_narrow_panels();
  test_odd_inputs();
  test_epilogue();
  test_eight_bits();
  test_bytes();
  test_widest_bytes();
  test_long_rows();
  test_largest_sums();
  test_experts(false);
  test_experts(true);
  test_together();
  test_tied_table();
  return finish();
}
