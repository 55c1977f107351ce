// Causal convolution and norm where channels are few: elements lie channels first and a lane is a pixel. A task copies its frames into padded
// planes of floats, in which every place of the kernel is an offset, so that one run along a plane makes all of its rows; what it makes of the
// padding is left out. Included by conv_kernel.cpp alone.
#pragma once
#include "conv_elements.h"

namespace conv {
namespace {

template <class P> struct Few {
  typedef typename P::Element Element;
  static constexpr int M = few_panel;
#if defined(__AVX512F__)
  static constexpr int V = 4;
#else
  static constexpr int V = 2;
#endif

  struct Sizes {
    int64_t border, pitch, bands, groups;
    int64_t plane, length, size;  // floats: of a frame of a task, of its frames' results, of a channel's frames
    explicit Sizes(const Job& j) : border(j.wide ? 1 : 0), pitch(j.width + 2 * border) {
      bands = (j.height + j.block - 1) / j.block;
      groups = (j.frames + j.group - 1) / j.group;
      plane = (j.block + 2 * border) * pitch;
      length = up(j.group * plane, V * W);
      size = length + (j.taps - 1) * plane + 2 * border * (pitch + 1);
    }
  };

  static int64_t tasks(const Job& j) {
    const Sizes z(j);
    return j.batches * z.groups * z.bands;
  }
  static int64_t scratch(const Job& j) {
    const Sizes z(j);
    return 4 * (up(j.inner * z.size, W) + M * z.length + W);
  }

  // Rows top.. of a frame (null: zeros), as floats with zeros around the picture.
  static void pad(const Job& j, const Sizes& z, const Element* x, int64_t top, int64_t rows, float* to) {
    const int64_t shift = j.doubled ? 1 : 0, width = j.width >> shift;
    for (int64_t y = top - z.border; y < top + rows + z.border; y++, to += z.pitch) {
      if (!x || y < 0 || y >= j.height) {
        memset(to, 0, z.pitch * sizeof(float));
        continue;
      }
      const Element* row = x + (y >> shift) * width;
      float* inside = to + z.border;
      if (z.border) to[0] = to[z.pitch - 1] = 0;
      if (j.doubled) for (int64_t c = 0; c < width; c++) inside[2 * c] = inside[2 * c + 1] = P::one(row[c]);
      else {
        int64_t c = 0;
        for (; c + W <= width; c += W) store(inside + c, P::get(row + c));
        for (; c < width; c++) inside[c] = P::one(row[c]);
      }
    }
  }

  // M output channels of a run of so many pixels.
  static void product(const Job& j, const Sizes& z, int64_t length, const float* x, const float* u, float* to) {
    const int64_t side = 2 * z.border + 1;
    for (int64_t at = 0; at < length; at += V * W) {
      vf sum[M][V] = {};
      const float* weight = u;
      for (int64_t i = 0; i < j.inner; i++)
        for (int64_t t = 0; t < j.taps; t++)
          for (int64_t row = 0; row < side; row++)
            for (int64_t column = 0; column < side; column++, weight += M) {
              const float* from = x + i * z.size + t * z.plane + row * z.pitch + column + at;
              vf right[V];
#pragma GCC unroll 4
              for (int v = 0; v < V; v++) right[v] = load(from + v * W);
#pragma GCC unroll 4
              for (int m = 0; m < M; m++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) sum[m][v] += right[v] * weight[m];
            }
#pragma GCC unroll 4
      for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) store(to + m * z.length + at + v * W, sum[m][v]);
    }
  }

  static void run(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t top = task % z.bands * j.block, first = task / z.bands % z.groups * j.group, batch = task / z.bands / z.groups;
    const int64_t rows = least(j.block, j.height - top), frames = least(j.group, j.frames - first), past = j.taps - 1;
    const int64_t area = j.height * j.width, in = area / (j.doubled ? 4 : 1);
    float *x = reinterpret_cast<float*>(scratch), *y = x + up(j.inner * z.size, W);
    for (int64_t i = 0; i < j.inner; i++) {
      float* to = x + i * z.size;
      for (int64_t f = first - past; f < first + frames; f++, to += z.plane) {
        const Element* frame = f >= 0 ? static_cast<const Element*>(j.x) + ((batch * j.inner + i) * j.frames + f) * in
            : j.before ? static_cast<const Element*>(j.before) + ((batch * j.inner + i) * past + past + f) * in : nullptr;
        pad(j, z, frame, top, rows, to);
      }
      memset(to, 0, (x + (i + 1) * z.size - to) * sizeof(float));
    }
    const int64_t steps = j.inner * j.taps * (j.wide ? 9 : 1) * M, length = (frames - 1) * z.plane + rows * z.pitch;
    const int64_t outer = j.pairs ? j.outer / 2 : j.outer, made = j.frames * (j.pairs ? 2 : 1);
    for (int64_t channel = 0; channel < j.outer; channel += M) {
      product(j, z, length, x, j.weight + channel / M * steps, y);
      for (int64_t m = 0; m < least(M, j.outer - channel); m++)
        for (int64_t f = 0; f < frames; f++)
          for (int64_t r = 0; r < rows; r++) {
            const int64_t frame = j.pairs ? 2 * (first + f) + (channel + m) / outer : first + f;
            const int64_t place = ((batch * outer + (channel + m) % outer) * made + frame) * area + (top + r) * j.width;
            const float* from = y + m * z.length + f * z.plane + r * z.pitch;
            for (int64_t c = 0; c < j.width; c += W) {
              vf v = load(from + c) + j.bias[channel + m];
              if (j.add) v += some<P>(static_cast<const Element*>(j.add) + place + c, j.width - c);
              put_some<P>(static_cast<Element*>(j.out) + place + c, v, j.width - c);
            }
          }
    }
  }

  static void norm(const Norm& n, int64_t from, int64_t to) {
    for (int64_t at = from; at < to;) {
      const int64_t sample = at / n.planes, pixel = at % n.planes, count = least(W, least(to - at, n.planes - pixel));
      const Element* x = static_cast<const Element*>(n.x) + sample * n.channels * n.planes + pixel;
      Element* y = static_cast<Element*>(n.y) + sample * n.channels * n.planes + pixel;
      vf sum = {};
      for (int64_t c = 0; c < n.channels; c++) {
        const vf v = some<P>(x + c * n.planes, count);
        sum += v * v;
      }
      vf factor;
      for (int lane = 0; lane < W; lane++) factor[lane] = 1 / sqrtf(sum[lane] > 1e-24f ? sum[lane] : 1e-24f);
      for (int64_t c = 0; c < n.channels; c++) {
        const vf v = some<P>(x + c * n.planes, count) * factor * n.gamma[c];
        put_some<P>(y + c * n.planes, n.silu ? silu(v) : v, count);
      }
      at += count;
    }
  }
};

}  // namespace
}  // namespace conv
