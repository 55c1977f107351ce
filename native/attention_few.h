// Attention to at most 32 keys without a mask (the words of a caption, the places of a frame, the latents of a clip), forward and
// backward: every head in one pass over its queries, in float whatever the elements are, nothing padded but to whole vectors.
// As in the blocks' kernel a lane is a query. Included by attention_kernel.cpp alone.
#pragma once
#include "attention_blocks.h"

namespace attention {
namespace {

template <class P> struct Few : Blocks<P> {
  typedef Blocks<P> Base;
  typedef typename Base::Stored Stored;
  using Base::at, Base::log2e;

  static constexpr int64_t most_keys = 32, most_d = 256;
  static constexpr int64_t ld = 3 * W;            // queries of one pass
  static constexpr int64_t chunk = 10 * ld;       // queries of one task
#if defined(__AVX512F__)
  static constexpr int M = 8;
#else
  static constexpr int M = 4;
#endif

  static bool takes(const Job& j) { return !j.from && j.keys <= most_keys && j.d <= most_d; }

  struct Sizes {
    int64_t d, m, chunks, bh;
    explicit Sizes(const Job& j) : d(up(j.d, W)), m(up(j.keys, M)), chunks((j.queries + chunk - 1) / chunk), bh(j.batches * j.heads) {}
    int64_t scratch() const { return 4 * (6 * m * d + 6 * ld * d + 3 * m * ld + 8 * ld) + 2048; }
  };

  static Plan forward(const Job& j) {
    const Sizes z(j);
    Plan plan{};
    plan.count = 1;
    plan.phases[0] = {z.bh * z.chunks, z.scratch(), forward_chunk};
    return plan;
  }
  static Plan backward(const Job& j) {
    const Sizes z(j);
    Plan plan{};
    plan.count = z.chunks > 1 ? 2 : 1;
    plan.packed = z.chunks > 1 ? z.bh * z.chunks * 2 * z.m * z.d * 4 : 0;
    plan.phases[0] = {z.bh * z.chunks, z.scratch(), backward_chunk};
    plan.phases[1] = {z.bh, z.scratch(), sum_chunks};
    return plan;
  }

  // n rows as floats, padded with zeros to [padded, d].
  static void widen(const View& x, const Job& j, int64_t bh, int64_t first, int64_t n, int64_t padded, int64_t d, float* to) {
    const Stored* from = at(x, j, bh, first);
    for (int64_t i = 0; i < n; i++, from += x.token, to += d) {
      for (int64_t c = 0; c < j.d; c++) to[c] = P::value(P::read(from[c]));
      for (int64_t c = j.d; c < d; c++) to[c] = 0;
    }
    memset(to, 0, (padded - n) * d * sizeof(float));
  }
  static void narrow(const View& x, const Job& j, int64_t bh, int64_t first, int64_t n, int64_t d, const float* from, float factor) {
    Stored* to = at(x, j, bh, first);
    for (int64_t i = 0; i < n; i++, from += d, to += x.token)
      for (int64_t c = 0; c < j.d; c++) to[c] = P::write(from[c] * factor);
  }
  // C (+)= A B over rows in tiles of M and columns of whole vectors.
  template <int N>
  static void part(float* c, int64_t ldc, int64_t rows, int64_t units, const float* a, int64_t row_a, int64_t unit_a, const float* b,
                   int64_t ldb, bool add) {
    for (int64_t r = 0; r < rows; r += M, a += M * row_a, c += M * ldc) {
      vf sum[M][N];
#pragma GCC unroll 8
      for (int y = 0; y < M; y++)
#pragma GCC unroll 4
        for (int x = 0; x < N; x++) sum[y][x] = add ? load(c + y * ldc + x * W) : vf{};
      tile<Single>(sum, units, a, row_a, unit_a, b, ldb);
#pragma GCC unroll 8
      for (int y = 0; y < M; y++)
#pragma GCC unroll 4
        for (int x = 0; x < N; x++) store(c + y * ldc + x * W, sum[y][x]);
    }
  }
  static void product(float* c, int64_t ldc, int64_t rows, int64_t columns, int64_t units, const float* a, int64_t row_a, int64_t unit_a,
                      const float* b, int64_t ldb, bool add = false) {
    int64_t n = 0;
    for (; n + 3 * W <= columns; n += 3 * W) part<3>(c + n, ldc, rows, units, a, row_a, unit_a, b + n, ldb, add);
    if (columns - n == 2 * W) part<2>(c + n, ldc, rows, units, a, row_a, unit_a, b + n, ldb, add);
    if (columns - n == W) part<1>(c + n, ldc, rows, units, a, row_a, unit_a, b + n, ldb, add);
  }

  static void forward_chunk(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t bh = task / z.chunks, from = task % z.chunks * chunk, end = least(from + chunk, j.queries);
    Arena arena{scratch};
    float *k = arena.take<float>(z.m * z.d), *v = arena.take<float>(z.m * z.d), *rows = arena.take<float>(ld * z.d);
    float *q = arena.take<float>(ld * z.d), *p = arena.take<float>(z.m * ld), *out = arena.take<float>(ld * z.d);
    widen(j.k, j, bh, 0, j.keys, z.m, z.d, k);
    widen(j.v, j, bh, 0, j.keys, z.m, z.d, v);
    const float to2 = j.scale * log2e;
    for (int64_t first = from; first < end; first += ld) {
      const int64_t n = least(ld, end - first), lanes = up(n, W);
      float share[ld], lse[ld];
      widen(j.q, j, bh, first, n, n, z.d, rows);
      turn(rows, z.d, n, z.d, q, ld);
      product(p, ld, z.m, lanes, z.d, k, z.d, 1, q, ld);
      for (int64_t c = 0; c < lanes; c += W) {
        vf top = load(p + c), sum = {};
        for (int64_t key = 1; key < j.keys; key++) top = vmax(load(p + key * ld + c), top);
        top = top * to2;
        for (int64_t key = 0; key < j.keys; key++) {
          const vf e = exp2<Single>(load(p + key * ld + c) * to2 - top);
          sum += e;
          store(p + key * ld + c, e);
        }
        store(share + c, all(1.f) / sum);
        for (int64_t i = 0; i < W; i++) lse[c + i] = top[i] + log2f(sum[i]);
      }
      product(out, z.d, up(n, M), z.d, j.keys, p, 1, ld, v, z.d);
      for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < z.d; c++) out[i * z.d + c] *= share[i];
        j.lse[bh * j.queries + first + i] = lse[i];
      }
      narrow(j.out, j, bh, first, n, z.d, out, 1);
    }
  }

  static void backward_chunk(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t bh = task / z.chunks, from = task % z.chunks * chunk, end = least(from + chunk, j.queries);
    Arena arena{scratch};
    float *k = arena.take<float>(z.m * z.d), *v = arena.take<float>(z.m * z.d);
    float *q = arena.take<float>(ld * z.d), *g = arena.take<float>(ld * z.d);    // rows
    float *qt = arena.take<float>(ld * z.d), *gt = arena.take<float>(ld * z.d);  // a lane a query
    float *p = arena.take<float>(z.m * ld), *ds = arena.take<float>(z.m * ld), *dq = arena.take<float>(ld * z.d);
    float* dk = z.chunks > 1 ? static_cast<float*>(j.packed) + task * 2 * z.m * z.d : arena.take<float>(2 * z.m * z.d);
    float* dv = dk + z.m * z.d;
    memset(dk, 0, 2 * z.m * z.d * sizeof(float));
    widen(j.k, j, bh, 0, j.keys, z.m, z.d, k);
    widen(j.v, j, bh, 0, j.keys, z.m, z.d, v);
    const float to2 = j.scale * log2e;
    for (int64_t first = from; first < end; first += ld) {
      const int64_t n = least(ld, end - first), lanes = up(n, W);
      float lse[ld] = {};
      for (int64_t i = 0; i < n; i++) lse[i] = j.lse[bh * j.queries + first + i];
      widen(j.q, j, bh, first, n, n, z.d, q);
      widen(j.grad, j, bh, first, n, n, z.d, g);
      turn(q, z.d, n, z.d, qt, ld);
      turn(g, z.d, n, z.d, gt, ld);
      product(p, ld, z.m, lanes, z.d, k, z.d, 1, qt, ld);
      product(ds, ld, z.m, lanes, z.d, v, z.d, 1, gt, ld);
      for (int64_t c = 0; c < lanes; c += W) {
        vf delta = {};
        const vf low = load(lse + c);
        for (int64_t key = 0; key < j.keys; key++) {
          const vf e = exp2<Single>(load(p + key * ld + c) * to2 - low);
          store(p + key * ld + c, e);
          delta += e * load(ds + key * ld + c);
        }
        for (int64_t key = 0; key < j.keys; key++) store(ds + key * ld + c, load(p + key * ld + c) * (load(ds + key * ld + c) - delta));
      }
      product(dv, z.d, z.m, z.d, n, p, ld, 1, g, z.d, true);
      product(dk, z.d, z.m, z.d, n, ds, ld, 1, q, z.d, true);
      product(dq, z.d, up(n, M), z.d, j.keys, ds, 1, ld, k, z.d);
      narrow(j.dq, j, bh, first, n, z.d, dq, j.scale);
    }
    if (z.chunks > 1) return;
    narrow(j.dk, j, bh, 0, j.keys, z.d, dk, j.scale);
    narrow(j.dv, j, bh, 0, j.keys, z.d, dv, 1);
  }
  static void sum_chunks(const Job& j, int64_t bh, char*) {
    const Sizes z(j);
    const int64_t size = 2 * z.m * z.d;
    float* sum = static_cast<float*>(j.packed) + bh * z.chunks * size;
    for (int64_t other = 1; other < z.chunks; other++)
      for (int64_t i = 0; i < size; i++) sum[i] += sum[other * size + i];
    narrow(j.dk, j, bh, 0, j.keys, z.d, sum, j.scale);
    narrow(j.dv, j, bh, 0, j.keys, z.d, sum + z.m * z.d, 1);
  }
};

}  // namespace
}  // namespace attention
