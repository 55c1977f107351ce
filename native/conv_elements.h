// Elements of the two types as vectors of floats, for one instruction set; included by kernels alone.
#pragma once
#include "attention_tiles.h"
#include "conv.h"

namespace conv {
namespace {

using attention::all;
using attention::load;
using attention::store;
using attention::vf;
using attention::vi;
using attention::W;

inline int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- elements
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));

struct Single {
  typedef float Element;
  static inline vf get(const float* x) { return load(x); }
  static inline void put(float* to, vf x) { store(to, x); }
  static inline float one(float x) { return x; }
  static inline float of(float x) { return x; }
};
struct Half {
  typedef uint16_t Element;
  static inline vf get(const uint16_t* x) {
    vh bits;
    memcpy(&bits, x, sizeof bits);
    return (vf)(__builtin_convertvector(bits, vu) << 16);
  }
  static inline void put(uint16_t* to, vf x) {
#if defined(__AVX512BF16__)
    const __m256bh y = _mm512_cvtneps_pbh((__m512)x);
#else
    const vu bits = (vu)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const vh y = __builtin_convertvector(x == x ? rounded : vu{} + 0x7fc0, vh);
#endif
    memcpy(to, &y, sizeof y);
  }
  static inline float one(uint16_t x) { return attention::widened(x); }
  static inline uint16_t of(float x) { return attention::rounded(x); }
};

// n <= W elements, the rest zeros.
template <class P> inline vf some(const typename P::Element* x, int64_t n) {
  if (n >= W) return P::get(x);
  float lanes[W] = {};
  for (int64_t i = 0; i < n; i++) lanes[i] = P::one(x[i]);
  return load(lanes);
}
template <class P> inline void put_some(typename P::Element* to, vf x, int64_t n) {
  if (n >= W) return P::put(to, x);
  float lanes[W];
  store(lanes, x);
  for (int64_t i = 0; i < n; i++) to[i] = P::of(lanes[i]);
}

// v * sigmoid(v).
inline vf silu(vf v) {
  const vf e = attention::exp2<attention::Single>((v > 0 ? -v : v) * 1.44269504f);
  return (v > 0 ? v : v * e) / (e + 1.f);
}

}  // namespace
}  // namespace conv
