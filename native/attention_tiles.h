// Vectors, the exponential, transposing and the products of small tiles, for one instruction set; included by kernels alone.
// Every product is tile(): C[m, n] += sum over u of A[m, u] B[u, n], where a unit u is one float or a pair of bfloat16.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace attention {
namespace {

#if defined(__AVX512F__)
constexpr int W = 16;  // floats in a vector
constexpr int score_rows = 8, score_vectors = 3, out_rows = 6, out_vectors = 4;  // tiles of 24 accumulators of 32 registers
#else
#if defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
constexpr int score_rows = 6, score_vectors = 2, out_rows = 6, out_vectors = 2;  // 12 of 16 registers
#endif
typedef float vf __attribute__((vector_size(4 * W)));
typedef int32_t vi __attribute__((vector_size(4 * W)));

inline vf load(const float* x) { vf v; memcpy(&v, x, sizeof v); return v; }
inline void store(float* x, vf v) { memcpy(x, &v, sizeof v); }
inline vf all(float x) { return vf{} + x; }
inline vf vmax(vf a, vf b) {  // b where either is NaN
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#else
  return a > b ? a : b;
#endif
}
// 2^x for x <= 0, exactly 0 from -127 down, NaN for NaN. x = n + f with |f| <= 1/2; least-squares fit with a constant of 1.
template <class P> inline vf exp2(vf x) {
  x = vmax(all(-127.f), x);
  const vf shifted = x + 12582912.f;  // 1.5 * 2^23: the low bits now hold n
  const vf f = x - (shifted - 12582912.f);
  vf p;
  if (P::coarse) {  // relative error 3e-6
    p = f * 0.009582852464f + 0.055906425505f;
    p = p * f + 0.240240986288f;
    p = p * f + 0.693124193254f;
  } else {  // 2e-9
    p = f * 0.000153533616f + 0.001339887452f;
    p = p * f + 0.009618437360f;
    p = p * f + 0.055503324708f;
    p = p * f + 0.240226479136f;
    p = p * f + 0.693147202855f;
  }
  p = p * f + 1.f;
  return (vf)((vi)p + ((vi)shifted << 23));
}

// Swaps the off-diagonal blocks of S x S within blocks twice as large; all powers of two below W one after another transpose W x W.
template <int S> inline void swap_blocks(vf (&rows)[W]) {
  vi low, high;
  for (int i = 0; i < W; i++) {
    low[i] = i & S ? W + i - S : i;
    high[i] = i & S ? W + i : i + S;
  }
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    if (i & S) continue;
    const vf a = rows[i], b = rows[i + S];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + S] = __builtin_shuffle(a, b, high);
  }
}

// W x W floats.
inline void turn_block(vf (&rows)[W]) {
  swap_blocks<1>(rows);
  swap_blocks<2>(rows);
#if defined(__AVX2__)
  swap_blocks<4>(rows);
#endif
#if defined(__AVX512F__)
  swap_blocks<8>(rows);
#endif
}

// n rows of d floats, `stride` apart, to d rows `ld` apart; lanes beyond n are zero up to whole vectors.
inline void turn(const float* x, int64_t stride, int64_t n, int64_t d, float* to, int64_t ld) {
  for (int64_t i = 0; i < n; i += W)
    for (int64_t c = 0; c < d; c += W) {
      vf rows[W];
      if (n - i >= W && d - c >= W) {
#pragma GCC unroll 16
        for (int j = 0; j < W; j++) rows[j] = load(x + (i + j) * stride + c);
        turn_block(rows);
#pragma GCC unroll 16
        for (int j = 0; j < W; j++) store(to + (c + j) * ld + i, rows[j]);
        continue;
      }
      const int64_t tokens = n - i < W ? n - i : W, count = d - c < W ? d - c : W;
      for (int64_t j = 0; j < W; j++) {
        rows[j] = vf{};
        if (j >= tokens) continue;
        if (count == W) rows[j] = load(x + (i + j) * stride + c);
        else
          for (int64_t k = 0; k < count; k++) rows[j][k] = x[(i + j) * stride + c + k];
      }
      turn_block(rows);
      for (int64_t k = 0; k < count; k++) store(to + (c + k) * ld + i, rows[k]);
    }
}

inline float widened(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
inline uint16_t rounded(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return x != x ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Arithmetic on floats: a unit is one element. What is stored may be of another type than what is calculated with.
struct Single {
  typedef float Stored;
  typedef float Element;
  typedef float Unit;
  static constexpr int per = 1;
  static constexpr bool coarse = false;  // a less exact exponential will do
  static inline Element read(Stored x) { return x; }
  static inline Stored write(float x) { return x; }
  static inline vf dot(vf sum, Unit a, vf b) { return sum + a * b; }
  static inline float value(Element x) { return x; }
  static inline Unit unit(const Element* x, int64_t) { return *x; }
  static inline void row(Element* to, vf x) { store(to, x); }
  static inline void pair(Unit* to, int64_t stride, vf first, vf second) { store(to, first); store(to + stride, second); }
};

// The same on stored bfloat16.
struct Wide : Single {
  static constexpr bool coarse = true;
  typedef uint16_t Stored;
  static inline Element read(Stored x) { return widened(x); }
  static inline Stored write(float x) { return rounded(x); }
};

#ifdef __AVX512BF16__
typedef int16_t vs __attribute__((vector_size(64)));

// Products of bfloat16 pairs, summed in float.
struct Half {
  typedef uint16_t Stored;
  typedef uint16_t Element;
  typedef uint32_t Unit;
  static constexpr int per = 2;
  static constexpr bool coarse = true;
  static inline Element read(Stored x) { return x; }
  static inline Stored write(float x) { return rounded(x); }
  static inline vf dot(vf sum, Unit a, vf b) {
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)b);
  }
  static inline float value(Element x) { return widened(x); }
  static inline Unit unit(const Element* x, int64_t stride) { return x[0] | static_cast<Unit>(x[stride]) << 16; }
  static inline void row(Element* to, vf x) {
    const __m256bh y = _mm512_cvtneps_pbh((__m512)x);
    memcpy(to, &y, sizeof y);
  }
  static inline void pair(Unit* to, int64_t, vf first, vf second) {
    vs interleave;
    for (short i = 0; i < 32; i++) interleave[i] = static_cast<short>(i % 2 * 16 + i / 2);
    const __m512i both = _mm512_permutexvar_epi16((__m512i)interleave, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
    memcpy(to, &both, sizeof both);
  }
};
#endif

// sum[m][n] += A[m, u] B[u, n]; A by its two strides, rows of B stride_b apart.
template <class P, int M, int N, class V>
inline void tile(V (&sum)[M][N], int64_t units, const typename P::Unit* a, int64_t row_a, int64_t unit_a,
                 const typename P::Unit* b, int64_t stride_b) {
  for (int64_t u = 0; u < units; u++, a += unit_a, b += stride_b) {
    V right[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) memcpy(&right[n], b + n * W, sizeof(V));
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) sum[m][n] = P::dot(sum[m][n], a[m * row_a], right[n]);
  }
}

// C = factor * C + A B over whole tiles; one factor a row, or none.
template <class P, int N>
inline void column(float* c, int64_t ld, const float* factor, int64_t rows, int64_t units, const typename P::Unit* a, int64_t row_a,
                   int64_t unit_a, const typename P::Unit* b, int64_t stride_b) {
  for (int64_t r = 0; r < rows; r += out_rows, a += out_rows * row_a) {
    vf sum[out_rows][N];
#pragma GCC unroll 8
    for (int m = 0; m < out_rows; m++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) {
        const vf old = load(c + (r + m) * ld + n * W);
        sum[m][n] = factor ? old * factor[r + m] : old;
      }
    tile<P>(sum, units, a, row_a, unit_a, b, stride_b);
#pragma GCC unroll 8
    for (int m = 0; m < out_rows; m++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) store(c + (r + m) * ld + n * W, sum[m][n]);
  }
}

template <class P>
void accumulate(float* c, int64_t d, const float* factor, int64_t rows, int64_t units, const typename P::Unit* a, int64_t row_a,
                int64_t unit_a, const typename P::Unit* b) {
  int64_t n = 0;
  for (; n + out_vectors * W <= d; n += out_vectors * W)
    column<P, out_vectors>(c + n, d, factor, rows, units, a, row_a, unit_a, b + n, d);
  if (d - n == 3 * W) return column<P, 3>(c + n, d, factor, rows, units, a, row_a, unit_a, b + n, d);
  for (; n + 2 * W <= d; n += 2 * W) column<P, 2>(c + n, d, factor, rows, units, a, row_a, unit_a, b + n, d);
  if (n < d) column<P, 1>(c + n, d, factor, rows, units, a, row_a, unit_a, b + n, d);
}

}  // namespace
}  // namespace attention
