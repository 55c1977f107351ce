// Products of matrices in float32: tiles of C stay in registers over all of A's units. A needs no packing, for its elements are broadcast one at a
// time. Compiled once per instruction set.
#include "linear.h"

#include "conv_elements.h"

namespace linear {
namespace {

using attention::load;
using attention::score_rows;
using attention::score_vectors;
using attention::store;
using attention::vf;
using attention::W;
using conv::least;

constexpr int64_t panel = score_vectors * W;

template <class P> void pack_rows(const typename P::Element* from, int64_t stride, int64_t units, int64_t columns, float* to) {
  for (int64_t first = 0; first < columns; first += panel)
    for (int64_t u = 0; u < units; u++, to += panel)
      for (int64_t i = 0; i < panel; i += W) {
        const int64_t left = columns - first - i;
        store(to + i, left > 0 ? conv::some<P>(from + u * stride + first + i, left) : vf{});
      }
}

void pack_rows(const void* from, bool half, int64_t stride, int64_t units, int64_t columns, float* to) {
  if (half) pack_rows<conv::Half>(static_cast<const uint16_t*>(from), stride, units, columns, to);
  else pack_rows<conv::Single>(static_cast<const float*>(from), stride, units, columns, to);
}

void pack_columns(const float* from, int64_t stride, int64_t units, int64_t columns, float* to) {
  for (int64_t first = 0; first < columns; first += panel, to += units * panel)
    for (int64_t i = 0; i < panel; i += W) {
      const int64_t left = columns - first - i;
      if (left > 0) attention::turn(from + (first + i) * stride, stride, least(W, left), units, to + i, panel);
      else
        for (int64_t u = 0; u < units; u++) store(to + u * panel + i, vf{});
    }
}

// N vectors of columns from `first` on, M rows from `row` on.
template <int M, int N> inline void part(const Product& p, int64_t first, int64_t row, const float* b) {
  vf sum[M][N] = {};
  attention::tile<attention::Single>(sum, p.units, p.a + row * p.row_a, p.row_a, p.unit_a, b, panel);
#pragma GCC unroll 3
  for (int n = 0; n < N; n++) {
    const int64_t column = first + n * W, left = p.columns - column;
    const vf bias = p.bias ? conv::some<conv::Single>(p.bias + column, left) : vf{};
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const int64_t at = (row + m) * p.row_c + column;
      if (p.half) {
        conv::put_some<conv::Half>(static_cast<uint16_t*>(p.c) + at, sum[m][n] + bias, left);
        continue;
      }
      float* to = static_cast<float*>(p.c) + at;
      conv::put_some<conv::Single>(to, sum[m][n] + (p.add ? conv::some<conv::Single>(to, left) : bias), left);
    }
  }
}

template <int N> void columns(const Product& p, int64_t first, const float* b) {
  int64_t row = 0;
  for (; row + score_rows <= p.rows; row += score_rows) part<score_rows, N>(p, first, row, b);
  for (; row < p.rows; row++) part<1, N>(p, first, row, b);
}

void product(const Product& p) {
  const float* b = p.b;
  for (int64_t first = 0; first < p.columns; first += panel, b += p.panel_b) {
    const int64_t left = p.columns - first;
    if (score_vectors == 3 && left > 2 * W) columns<score_vectors>(p, first, b);
    else if (left > W) columns<2>(p, first, b);
    else columns<1>(p, first, b);
  }
}

}  // namespace

extern const Kernels LT_LEVEL{panel, pack_rows, pack_columns, product};

}  // namespace linear
