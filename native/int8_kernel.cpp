// Products of bytes, summed in 32-bit integers: tokens are rounded to bytes here, each by its own largest number. Compiled once per
// instruction set; with AVX512-VNNI a step multiplies 64 pairs.
#include "int8.h"

#include "conv_elements.h"

namespace int8 {
namespace {

using attention::load;
using attention::vf;
using attention::vi;
using attention::W;
using conv::least;
using conv::up;

#if defined(__AVX512VNNI__)
constexpr int M = 8, N = 3;
inline vi dot(vi sum, int32_t a, vi b) { return (vi)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(a), (__m512i)b); }
#else
constexpr int M = 4, N = 2;
// Four products, one byte of each lane after the other.
inline vi dot(vi sum, int32_t a, vi b) {
#pragma GCC unroll 4
  for (int byte = 0; byte < 4; byte++) sum += (a >> 8 * byte & 255) * ((b << (24 - 8 * byte)) >> 24);
  return sum;
}
#endif

int64_t width(const Job& j) { return up(j.inputs, unit); }

int64_t scratch(const Job& j, int64_t tokens) { return up(tokens, M) * (width(j) + 4) + 64; }

// A token as bytes around 128; returns what one of them stands for.
template <class P> float bytes_of(const typename P::Element* x, int64_t n, int64_t padded, uint8_t* to) {
  vf most = {};
  for (int64_t i = 0; i < n; i += W) {
    const vf v = conv::some<P>(x + i, n - i);
    most = attention::vmax(v < 0 ? -v : v, most);
  }
  float top = 1e-30f;
  for (int lane = 0; lane < W; lane++) top = most[lane] > top ? most[lane] : top;
  const float scale = top / 127;
  for (int64_t i = 0; i < n; i += W) {
    // 1.5 * 2^23 rounds to the nearest whole number, which then stands in the low bits.
    const vi whole = (vi)(conv::some<P>(x + i, n - i) * (1 / scale) + 12582912.f);
    if (i + W <= n) {
      typedef uint8_t vb __attribute__((vector_size(W)));
      const vb bytes = __builtin_convertvector(whole, vb) + 128;
      memcpy(to + i, &bytes, W);
    } else
      for (int64_t k = i; k < n; k++) to[k] = static_cast<uint8_t>(whole[k - i] + 128);
  }
  memset(to + n, 128, padded - n);
  return scale;
}

template <class P> void run(const Job& j, int64_t from, int64_t to, char* memory) {
  const int64_t padded = width(j), units = padded / unit, count = to - from;
  uint8_t* bytes = reinterpret_cast<uint8_t*>(memory);
  float* scales = reinterpret_cast<float*>(memory + up(up(count, M) * padded, 64));
  for (int64_t i = 0; i < count; i++)
    scales[i] = bytes_of<P>(static_cast<const typename P::Element*>(j.x) + (from + i) * j.inputs, j.inputs, padded, bytes + i * padded);
  memset(bytes + count * padded, 128, (up(count, M) - count) * padded);
  for (int64_t first = 0; first < j.outputs; first += panel)
    for (int64_t row = 0; row < count; row += M)
      for (int64_t column = 0; column < panel && first + column < j.outputs; column += N * W) {
        vi sum[M][N] = {};
        const int8_t* w = j.weight + first * padded + column * unit;
        const uint8_t* x = bytes + row * padded;
        for (int64_t u = 0; u < units; u++, w += panel * unit, x += unit) {
          vi right[N];
#pragma GCC unroll 3
          for (int n = 0; n < N; n++) memcpy(&right[n], w + n * W * unit, sizeof(vi));
#pragma GCC unroll 8
          for (int m = 0; m < M; m++) {
            int32_t left;
            memcpy(&left, x + m * padded, 4);
#pragma GCC unroll 3
            for (int n = 0; n < N; n++) sum[m][n] = dot(sum[m][n], left, right[n]);
          }
        }
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) {
          if (row + m >= count) continue;
#pragma GCC unroll 3
          for (int n = 0; n < N; n++) {
            const int64_t output = first + column + n * W;
            if (output >= j.outputs) continue;
            vi zero;
            memcpy(&zero, j.zero + output, sizeof zero);
            const vf y = __builtin_convertvector(sum[m][n] - zero, vf) * (load(j.scale + output) * scales[row + m]) + load(j.bias + output);
            conv::put_some<P>(static_cast<typename P::Element*>(j.y) + (from + row + m) * j.outputs + output, y, j.outputs - output);
          }
        }
      }
}

void run(const Job& j, int64_t from, int64_t to, char* memory) {
  if (j.half) run<conv::Half>(j, from, to, memory);
  else run<conv::Single>(j, from, to, memory);
}

}  // namespace

extern const Kernels LT_LEVEL{scratch, run};

}  // namespace int8
