// Products of matrices, of floats, whole numbers of 16 bits or bytes: tiles of C stay in registers over all of A's units. A's units are broadcast one at a time. Compiled
// once per instruction set.
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
using conv::up;

// ---- packing
constexpr float magic = 12582912.f;  // 1.5 * 2^23, whose low 16 bits are 0: added to a number below 2^15 they hold the nearest whole one

// The largest number, in size.
float most(Kind kind, int64_t length) {
  if (kind == bytes) return 127;
  const double root = std::sqrt(2147483647.0 / static_cast<double>(length));
  return root < 32767 ? static_cast<float>(static_cast<int32_t>(root)) : 32767.f;
}

inline vi magnitude(vf x) { return (vi)x & 0x7fffffff; }  // ordered as the numbers are, infinite and none last
inline vi larger(vi a, vi b) { return a > b ? a : b; }
inline int32_t largest(vi x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_epi32((__m512i)x);
#else
  int32_t one = 0;
  for (int lane = 0; lane < W; lane++) one = x[lane] > one ? x[lane] : one;
  return one;
#endif
}

// Of the largest magnitudes of some numbers: what one of their units stands for, and its reciprocal; not a number where there was one that is infinite or none.
inline vf scale(vi top, float limit, vf& per_unit) {
  const vf finite = attention::vmax((vf)top, attention::all(1e-30f));
  per_unit = limit / finite;
  return top >= 0x7f800000 ? vf{} + NAN : finite / limit;
}

inline vi nearest(vf x, vf per_unit) { return (vi)(x * per_unit + magic); }  // in the low bits

// A row's whole numbers or bytes; returns what one of their units stands for. bfloat16 is read two numbers a lane.
template <Kind kind, class P> inline float pack(const typename P::Element* from, int64_t length, bool offset, char* to) {
  typedef int16_t vw __attribute__((vector_size(2 * W)));
  typedef int8_t vb __attribute__((vector_size(W)));
  typedef uint16_t vp __attribute__((vector_size(4 * W)));
  constexpr int64_t size = 4 / kind;
  const int64_t paired = sizeof(typename P::Element) == 2 ? length / (2 * W) * (2 * W) : 0;
  const int32_t zero = offset ? 128 : 0;
  vp tops = {};
  for (int64_t i = 0; i < paired; i += 2 * W) {
    vp bits;
    memcpy(&bits, from + i, sizeof bits);
    bits &= 0x7fff;
    tops = bits > tops ? bits : tops;
  }
  vi top = larger((vi)tops & 0x7fff0000, (vi)tops << 16);
  for (int64_t i = paired; i < length; i += W) top = larger(top, magnitude(conv::some<P>(from + i, length - i)));
  vf per_unit;
  const float unit = scale(vi{} + largest(top), most(kind, length), per_unit)[0];
  for (int64_t i = 0; i < paired; i += 2 * W) {
    vi bits;
    memcpy(&bits, from + i, sizeof bits);
    const vi low = nearest((vf)(bits << 16), per_unit), high = nearest((vf)(bits & -0x10000), per_unit);
    if (kind == wholes) {
      const vi pairs = (low & 0xffff) | (high << 16);
      memcpy(to + i * size, &pairs, sizeof pairs);
    } else {
      const vw pairs = __builtin_convertvector(((low + zero) & 0xff) | ((high + zero) << 8), vw);
      memcpy(to + i * size, &pairs, sizeof pairs);
    }
  }
  for (int64_t i = paired; i < length; i += W) {
    const vi numbers = nearest(conv::some<P>(from + i, length - i), per_unit) + zero;
    const size_t count = static_cast<size_t>(size * least(W, length - i));
    if (kind == wholes) {
      const vw whole = __builtin_convertvector(numbers, vw);
      memcpy(to + i * size, &whole, count);
    } else {
      const vb byte = __builtin_convertvector(numbers, vb);
      memcpy(to + i * size, &byte, count);
    }
  }
  memset(to + length * size, 0, static_cast<size_t>((up(length, kind) - length) * size));
  return unit;
}

template <class P> void pack_tokens(Kind kind, const Source& source, int64_t rows, int64_t length, void* to, float* scales) {
  const typename P::Element* from = static_cast<const typename P::Element*>(source.data);
  char* out = static_cast<char*>(to);
  for (int64_t row = 0; row < rows; row++, from += source.stride, out += up(length, kind) / kind * 4) {
    if (kind == wholes) scales[row] = pack<wholes, P>(from, length, false, out);
    else if (kind == bytes) scales[row] = pack<bytes, P>(from, length, true, out);
    else
      for (int64_t i = 0; i < length; i += W)
        conv::put_some<conv::Single>(reinterpret_cast<float*>(out) + i, conv::some<P>(from + i, length - i), length - i);
  }
}

void pack_tokens(Kind kind, const Source& source, int64_t rows, int64_t length, void* to, float* scales) {
  (source.half ? pack_tokens<conv::Half> : pack_tokens<conv::Single>)(kind, source, rows, length, to, scales);
}

// The largest magnitudes of the columns of a panel, a vector of them each; of whole panels of bfloat16 two numbers a lane.
template <class P> inline void column_tops(const typename P::Element* from, int64_t stride, int64_t length, int64_t columns, vi* tops) {
  typedef uint16_t vp __attribute__((vector_size(4 * W)));
  typedef uint16_t vh __attribute__((vector_size(2 * W)));
  if (sizeof(typename P::Element) == 2 && columns >= panel) {
    for (int64_t i = 0; i < panel; i += 2 * W) {
      const int64_t first = least(i, panel - 2 * W);
      vp top = {};
      for (int64_t u = 0; u < length; u++) {
        vp bits;
        memcpy(&bits, from + u * stride + first, sizeof bits);
        bits &= 0x7fff;
        top = bits > top ? bits : top;
      }
      vh halves[2];
      memcpy(halves, &top, sizeof top);
      for (int64_t n = 0; n < 2; n++) tops[first / W + n] = __builtin_convertvector(halves[n], vi) << 16;
    }
    return;
  }
  for (int64_t i = 0; i < panel; i += W) {
    vi top = {};
    for (int64_t u = 0; u < length && i < columns; u++) top = larger(top, magnitude(conv::some<P>(from + u * stride + i, columns - i)));
    tops[i / W] = top;
  }
}

template <class P> void pack_rows(Kind kind, const Source& source, int64_t length, int64_t columns, void* to, int64_t next, float* scales) {
  const float limit = most(kind, length);
  const int64_t stride = source.stride;
  int32_t* out = static_cast<int32_t*>(to);
  for (int64_t first = 0; first < columns; first += panel, out += next) {
    const typename P::Element* from = static_cast<const typename P::Element*>(source.data) + first;
    vi tops[panel / W];
    if (kind != floats) column_tops<P>(from, stride, length, columns - first, tops);
    for (int64_t i = 0; i < panel; i += W) {
      const int64_t left = columns - first - i;
      const auto number = [&](int64_t u) { return left > 0 && u < length ? conv::some<P>(from + u * stride + i, left) : vf{}; };
      if (kind == floats) {
        for (int64_t u = 0; u < length; u++) store(reinterpret_cast<float*>(out) + u * panel + i, number(u));
        continue;
      }
      vf per_unit;
      store(scales + first + i, scale(tops[i / W], limit, per_unit));
      for (int64_t u = 0; u < length; u += 2) {
        const vi pair = (nearest(number(u), per_unit) & 0xffff) | (nearest(number(u + 1), per_unit) << 16);
        memcpy(out + u / 2 * panel + i, &pair, sizeof pair);
      }
    }
  }
}

void pack_rows(Kind kind, const Source& source, int64_t length, int64_t columns, void* to, int64_t next, float* scales) {
  (source.half ? pack_rows<conv::Half> : pack_rows<conv::Single>)(kind, source, length, columns, to, next, scales);
}

void pack_columns(Kind kind, const Source& source, int64_t length, int64_t columns, void* to, int64_t next, float* scales) {
  const int64_t units = up(length, kind) / kind;
  float* out = static_cast<float*>(to);
  float* const rows = kind == floats ? nullptr : new float[panel * units];
  for (int64_t first = 0; first < columns; first += panel, out += next, scales += panel) {
    const int64_t n = least(panel, columns - first);
    const float* from = static_cast<const float*>(source.data) + first * source.stride;
    for (int64_t i = 0; rows && i < panel; i++) {
      char* const row = reinterpret_cast<char*>(rows + i * units);
      scales[i] = i >= n ? 0 : kind == wholes ? pack<wholes, conv::Single>(from + i * source.stride, length, false, row)
                                              : pack<bytes, conv::Single>(from + i * source.stride, length, false, row);
    }
    // Units have the size of floats, so they are turned as these are.
    for (int64_t i = 0; i < panel; i += W) {
      if (i < n) attention::turn(rows ? rows + i * units : from + i * source.stride, rows ? units : source.stride, least(W, n - i), units, out + i, panel);
      else
        for (int64_t u = 0; u < units; u++) store(out + u * panel + i, vf{});
    }
  }
  delete[] rows;
}

// ---- products
struct Floats : attention::Single {
  typedef vf Sum;
  static inline vf value(vf sum, vi, vf, float) { return sum; }
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
  static inline vf value(vi sum, vi zero, vf unit, float scale) { return __builtin_convertvector(sum - zero, vf) * (unit * scale); }
};
// Four.
struct Bytes : Wholes {
  static inline vi dot(vi sum, Unit a, vi b) {
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(a), (__m512i)b);
#else
#pragma GCC unroll 4
    for (int byte = 0; byte < 4; byte++) sum += (a >> 8 * byte & 255) * ((b << (24 - 8 * byte)) >> 24);
    return sum;
#endif
  }
};

// N vectors of columns from `column` on, M rows from `row` on.
template <class P, int M, int N> inline void part(const Product& p, int64_t column, int64_t row, const typename P::Unit* b) {
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
  for (int n = 0; n < N; n++, column += W) {
    const int64_t left = p.columns - column;
    const vf bias = p.bias ? conv::some<conv::Single>(p.bias + column, left) : vf{}, unit = p.scale_b ? load(p.scale_b + column) : vf{};
    vi zero = {};
    if (p.zero) memcpy(&zero, p.zero + column, sizeof zero);
    for (int m = 0; m < M; m++) {
      const vf y = P::value(sums[m][n], zero, unit, p.scale_a ? p.scale_a[row + m] : 0.f);
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

template <class P, int N> void rows(const Product& p, int64_t column, const typename P::Unit* b) {
  int64_t row = 0;
  for (; row + score_rows <= p.rows; row += score_rows) part<P, score_rows, N>(p, column, row, b);
  for (; row < p.rows; row++) part<P, 1, N>(p, column, row, b);
}

template <class P> void product(const Product& p) {
  const typename P::Unit* b = static_cast<const typename P::Unit*>(p.b);
  for (int64_t first = 0; first < p.columns; first += panel, b += p.panel_b)
    for (int64_t i = 0; i < panel && first + i < p.columns; i += score_vectors * W) {
      const int64_t left = p.columns - first - i;
      if (score_vectors == 3 && left > 2 * W) rows<P, score_vectors>(p, first + i, b + i);
      else if (left > W) rows<P, 2>(p, first + i, b + i);
      else rows<P, 1>(p, first + i, b + i);
    }
}

void product(const Product& p) {
  if (p.kind == floats) product<Floats>(p);
  else if (p.kind == wholes) product<Wholes>(p);
  else product<Bytes>(p);
}

}  // namespace

extern const Kernels LT_LEVEL{pack_rows, pack_columns, pack_tokens, product};

}  // namespace linear
