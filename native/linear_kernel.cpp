// Products of matrices, in float32 or of whole numbers of 16 bits: tiles of C stay in registers over all of A's units. A needs no packing, for its units are
// broadcast one at a time. Compiled once per instruction set.
#include "linear.h"

#include "conv_elements.h"

namespace linear {
namespace {

using attention::load;
using attention::score_rows;
using attention::score_vectors;
using attention::store;
using attention::vf;
using attention::vi;
using attention::W;
using conv::least;

constexpr int64_t panel = score_vectors * W;

// Calls work<conv::Half> or work<conv::Single> with the source's data.
#define LT_BY_TYPE(work, source, ...)                                                                                                   \
  ((source).half ? work<conv::Half>(static_cast<const uint16_t*>((source).data), __VA_ARGS__)                                            \
                 : work<conv::Single>(static_cast<const float*>((source).data), __VA_ARGS__))

// ---- floats
template <class P> void pack_rows(const typename P::Element* from, int64_t stride, int64_t units, int64_t columns, float* to) {
  for (int64_t first = 0; first < columns; first += panel)
    for (int64_t u = 0; u < units; u++, to += panel)
      for (int64_t i = 0; i < panel; i += W) {
        const int64_t left = columns - first - i;
        store(to + i, left > 0 ? conv::some<P>(from + u * stride + first + i, left) : vf{});
      }
}

void pack_rows(const Source& from, int64_t units, int64_t columns, float* to) { LT_BY_TYPE(pack_rows, from, from.stride, units, columns, to); }

// One panel of `columns` rows `stride` apart, of floats or of pairs that are as long.
void turn_panel(const float* from, int64_t stride, int64_t units, int64_t columns, float* to) {
  for (int64_t i = 0; i < panel; i += W) {
    const int64_t left = columns - i;
    if (left > 0) attention::turn(from + i * stride, stride, least(W, left), units, to + i, panel);
    else
      for (int64_t u = 0; u < units; u++) store(to + u * panel + i, vf{});
  }
}

void pack_columns(const Source& from, int64_t units, int64_t columns, float* to) {
  for (int64_t first = 0; first < columns; first += panel, to += units * panel)
    turn_panel(static_cast<const float*>(from.data) + first * from.stride, from.stride, units, least(panel, columns - first), to);
}

// ---- whole numbers
constexpr float magic = 12582912.f;  // 1.5 * 2^23, whose low 16 bits are 0: added to a number below 2^15 they hold the nearest whole one

// The largest whole number, in size, of which `length` squares are exact in 32 bits.
float most(int64_t length) {
  const double root = std::sqrt(2147483647.0 / static_cast<double>(length));
  return root < 32767 ? static_cast<float>(static_cast<int32_t>(root)) : 32767.f;
}

inline vi magnitude(vf x) { return (vi)x & 0x7fffffff; }  // ordered as the numbers are, infinite and none last
inline vi larger(vi a, vi b) { return a > b ? a : b; }

// Of the largest magnitudes of some numbers: what one of their units stands for, and its reciprocal; not a number where there was one that is infinite or none.
inline vf scale(vi top, float limit, vf& per_unit) {
  const vf finite = attention::vmax((vf)top, attention::all(1e-30f));
  per_unit = limit / finite;
  return top >= 0x7f800000 ? vf{} + NAN : finite / limit;
}

inline int32_t largest(vi x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_epi32((__m512i)x);
#else
  int32_t one = 0;
  for (int lane = 0; lane < W; lane++) one = x[lane] > one ? x[lane] : one;
  return one;
#endif
}

// Whole numbers of `length` numbers, two by two; returns what one of their units stands for.
template <class P> inline float whole(const typename P::Element* from, int64_t length, float limit, int16_t* to) {
  typedef int16_t vw __attribute__((vector_size(2 * W)));
  vi top = {};
  for (int64_t i = 0; i < length; i += W) top = larger(top, magnitude(conv::some<P>(from + i, length - i)));
  vf per_unit;
  const float unit = scale(vi{} + largest(top), limit, per_unit)[0];
  for (int64_t i = 0; i < length; i += W) {
    const vw numbers = __builtin_convertvector((vi)(conv::some<P>(from + i, length - i) * per_unit + magic), vw);
    memcpy(to + i, &numbers, static_cast<size_t>(2 * least(W, length - i)));
  }
  if (length % 2) to[length] = 0;
  return unit;
}

// The same of bfloat16, two numbers a lane.
inline float whole_pairs(const uint16_t* from, int64_t length, float limit, int16_t* to) {
  typedef uint16_t vh __attribute__((vector_size(4 * W)));
  vh top = {};
  for (int64_t i = 0; i < length; i += 2 * W) {
    vh bits;
    memcpy(&bits, from + i, sizeof bits);
    bits &= 0x7fff;
    top = bits > top ? bits : top;
  }
  vf per_unit;
  const float unit = scale(vi{} + largest(larger((vi)top & 0x7fff0000, (vi)top << 16)), limit, per_unit)[0];
  for (int64_t i = 0; i < length; i += 2 * W) {
    vi bits;
    memcpy(&bits, from + i, sizeof bits);
    const vi low = (vi)((vf)(bits << 16) * per_unit + magic), high = (vi)((vf)(bits & -0x10000) * per_unit + magic);
    const vi pairs = (low & 0xffff) | (high << 16);
    memcpy(to + i, &pairs, sizeof pairs);
  }
  return unit;
}

template <class P> void whole_tokens(const typename P::Element* from, int64_t stride, int64_t rows, int64_t length, int32_t* to, float* scales) {
  const float limit = most(length);
  for (int64_t row = 0; row < rows; row++, from += stride, to += (length + 1) / 2) {
    int16_t* const numbers = reinterpret_cast<int16_t*>(to);
    if constexpr (sizeof(typename P::Element) == 2) {
      if (length % (2 * W) == 0) {
        scales[row] = whole_pairs(from, length, limit, numbers);
        continue;
      }
    }
    scales[row] = whole<P>(from, length, limit, numbers);
  }
}

void whole_tokens(const Source& from, int64_t rows, int64_t length, int32_t* to, float* scales) {
  LT_BY_TYPE(whole_tokens, from, from.stride, rows, length, to, scales);
}

template <class P>
void whole_rows(const typename P::Element* from, int64_t stride, int64_t length, int64_t columns, int32_t* to, int64_t next, float* scales) {
  const float limit = most(length);
  for (int64_t first = 0; first < columns; first += panel, to += next)
    for (int64_t i = 0; i < panel; i += W, scales += W) {
      const int64_t left = columns - first - i;
      const typename P::Element* x = from + first + i;
      const auto number = [&](int64_t u) { return left > 0 && u < length ? conv::some<P>(x + u * stride, left) : vf{}; };
      vi top = {};
      for (int64_t u = 0; u < length; u++) top = larger(top, magnitude(number(u)));
      vf per_unit;
      store(scales, scale(top, limit, per_unit));
      for (int64_t u = 0; u < length; u += 2) {
        const vi low = (vi)(number(u) * per_unit + magic), high = (vi)(number(u + 1) * per_unit + magic);
        const vi pair = (low & 0xffff) | (high << 16);
        memcpy(to + u / 2 * panel + i, &pair, sizeof pair);
      }
    }
}

void whole_rows(const Source& from, int64_t length, int64_t columns, int32_t* to, int64_t next, float* scales) {
  LT_BY_TYPE(whole_rows, from, from.stride, length, columns, to, next, scales);
}

void whole_columns(const Source& from, int64_t length, int64_t columns, int32_t* to, int64_t next, float* scales) {
  const int64_t pairs = (length + 1) / 2;
  const float* x = static_cast<const float*>(from.data);
  int32_t rows[panel * (whole_depth + 1) / 2];
  for (int64_t first = 0; first < columns; first += panel, to += next, scales += panel) {
    const int64_t n = least(panel, columns - first);
    for (int64_t i = n; i < panel; i++) scales[i] = 0;
    whole_tokens<conv::Single>(x + first * from.stride, from.stride, n, length, rows, scales);
    turn_panel(reinterpret_cast<const float*>(rows), pairs, pairs, n, reinterpret_cast<float*>(to));
  }
}

// ---- products of both
struct Floats : attention::Single {
  typedef vf Sum;
  static inline vf value(vf sum, vf, float) { return sum; }
};
// Two products a lane, summed in 32 bits.
struct Wholes {
  typedef int32_t Unit;
  typedef vi Sum;
  static inline vi dot(vi sum, Unit a, vi b) {
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpwssd_epi32((__m512i)sum, _mm512_set1_epi32(a), (__m512i)b);
#else
    return sum + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
  }
  static inline vf value(vi sum, vf unit, float scale) { return __builtin_convertvector(sum, vf) * (unit * scale); }
};

// N vectors of columns from `first` on, M rows from `row` on.
template <class P, int M, int N> inline void part(const Product& p, int64_t first, int64_t row, const typename P::Unit* b) {
  alignas(64) typename P::Sum sums[M][N];
  {
    typename P::Sum sum[M][N] = {};
    attention::tile<P>(sum, p.units, static_cast<const typename P::Unit*>(p.a) + row * p.row_a, p.row_a, p.unit_a, b, panel);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 3
      for (int n = 0; n < N; n++) sums[m][n] = sum[m][n];
  }
  asm volatile("" ::: "memory");  // what follows would like some registers of the sums, which then go to memory at every unit
  for (int n = 0; n < N; n++) {
    const int64_t column = first + n * W, left = p.columns - column;
    const vf bias = p.bias ? conv::some<conv::Single>(p.bias + column, left) : vf{}, unit = p.scale_b ? load(p.scale_b + column) : vf{};
    for (int m = 0; m < M; m++) {
      const vf y = P::value(sums[m][n], unit, p.scale_a ? p.scale_a[row + m] : 0.f);
      const int64_t at = (row + m) * p.row_c + column;
      if (p.half) {
        conv::put_some<conv::Half>(static_cast<uint16_t*>(p.c) + at, y + bias, left);
        continue;
      }
      float* to = static_cast<float*>(p.c) + at;
      conv::put_some<conv::Single>(to, y + (p.add ? conv::some<conv::Single>(to, left) : bias), left);
    }
  }
}

template <class P, int N> void columns(const Product& p, int64_t first, const typename P::Unit* b) {
  int64_t row = 0;
  for (; row + score_rows <= p.rows; row += score_rows) part<P, score_rows, N>(p, first, row, b);
  for (; row < p.rows; row++) part<P, 1, N>(p, first, row, b);
}

template <class P> void product(const Product& p) {
  const typename P::Unit* b = static_cast<const typename P::Unit*>(p.b);
  for (int64_t first = 0; first < p.columns; first += panel, b += p.panel_b) {
    const int64_t left = p.columns - first;
    if (score_vectors == 3 && left > 2 * W) columns<P, score_vectors>(p, first, b);
    else if (left > W) columns<P, 2>(p, first, b);
    else columns<P, 1>(p, first, b);
  }
}

}  // namespace

extern const Kernels LT_LEVEL{panel, pack_rows, pack_columns, product<Floats>, whole_rows, whole_columns, whole_tokens, product<Wholes>};

}  // namespace linear
