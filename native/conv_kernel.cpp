// Causal convolution as products of matrices. Over space 3x3 kernels are Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36
// products for 16 outputs instead of 144. Over time the taps are summed inside the product, each frame being transformed once for all of
// them. In float throughout: the transforms would cost bfloat16 most of its digits. Few channels go another way (conv_few.h). Compiled once
// per instruction set.
#include "conv_few.h"

namespace conv {
namespace {

#if defined(__AVX512F__)
constexpr int rows_at_once = 8, vectors = 3;
#else
constexpr int rows_at_once = 6, vectors = 2;
#endif
constexpr int64_t skew = 80;  // floats that keep the 36 points out of one another's cache sets

// ---- sizes
struct Sizes {
  int64_t inner, panels, last;           // padded channels; panels of columns, and the columns of the last one
  int64_t points, tiles, across, blocks, groups;
  int64_t frames, rows, input, product;  // at most, of a task: input frames, rows of a product; floats of a point
  explicit Sizes(const Job& j) {
    inner = up(j.inner, W);
    const int64_t columns = up(j.outer, W), panel = vectors * W;
    panels = (columns + panel - 1) / panel;
    last = columns - (panels - 1) * panel;
    points = j.wide ? conv::points : 1;
    across = j.wide ? (j.width + 3) / 4 : j.width;
    tiles = across * (j.wide ? (j.height + 3) / 4 : j.height);
    blocks = (tiles + j.block - 1) / j.block;
    groups = (j.frames + j.group - 1) / j.group;
    frames = least(j.group, j.frames) + j.taps - 1;
    rows = up(least(j.group, j.frames) * j.block, rows_at_once);
    input = (rows + (j.taps - 1) * j.block) * inner + skew;
    product = rows * vectors * W + skew;
  }
};

// ---- Winograd's matrices on vectors
inline void to_points(const vf (&d)[6], vf (&t)[6]) {
  const vf a = d[4] - d[2] * 4.f, b = d[3] - d[1] * 4.f, c = d[4] - d[2], e = (d[3] - d[1]) * 2.f;
  t[0] = d[0] * 4.f - d[2] * 5.f + d[4];
  t[1] = a + b;
  t[2] = a - b;
  t[3] = c + e;
  t[4] = c - e;
  t[5] = d[1] * 4.f - d[3] * 5.f + d[5];
}
inline void from_points(const vf (&m)[6], vf (&y)[4]) {
  const vf a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];
  y[0] = m[0] + a + c;
  y[1] = b + e * 2.f;
  y[2] = a + c * 4.f;
  y[3] = b + e * 8.f + m[5];
}

template <class P> struct Convolution {
  typedef typename P::Element Element;

  // The input frame number f (negative: before the first), or null where there is none.
  static const Element* frame(const Job& j, int64_t batch, int64_t f) {
    const int64_t size = j.height * j.width / (j.doubled ? 4 : 1) * j.inner, past = j.taps - 1;
    if (f >= 0) return static_cast<const Element*>(j.x) + (batch * j.frames + f) * size;
    return j.before ? static_cast<const Element*>(j.before) + (batch * past + past + f) * size : nullptr;
  }

  static void transform(const Job& j, const Sizes& z, const Element* x, int64_t tile, float* to) {
    const int64_t top = tile / z.across * 4 - 1, left = tile % z.across * 4 - 1, shift = j.doubled ? 1 : 0, pitch = j.width >> shift;
    for (int64_t c = 0; c < z.inner; c += W) {
      vf t[6][6];
      for (int64_t column = 0; column < 6; column++) {
        vf d[6], p[6];
        const int64_t at = left + column;
        for (int64_t row = 0; row < 6; row++) {
          const int64_t y = top + row;
          const bool inside = y >= 0 && y < j.height && at >= 0 && at < j.width;
          d[row] = inside ? some<P>(x + ((y >> shift) * pitch + (at >> shift)) * j.inner + c, j.inner - c) : vf{};
        }
        to_points(d, p);
        for (int64_t row = 0; row < 6; row++) t[row][column] = p[row];
      }
      for (int64_t row = 0; row < 6; row++) {
        vf p[6];
        to_points(t[row], p);
        for (int64_t column = 0; column < 6; column++) store(to + (row * 6 + column) * z.input + c, p[column]);
      }
    }
  }

  // n channels from `channel` on of a pixel of output frame t.
  static void emit(const Job& j, int64_t batch, int64_t t, int64_t pixel, int64_t channel, vf x) {
    const int64_t size = j.height * j.width, width = j.pairs ? j.outer / 2 : j.outer;
    for (int64_t n = least(W, j.outer - channel); n > 0;) {
      const int64_t half = channel / width, in = channel % width, count = least(n, width - in);
      const int64_t to = (((batch * j.frames + t) * (j.pairs ? 2 : 1) + half) * size + pixel) * width + in;
      if (j.add) x += some<P>(static_cast<const Element*>(j.add) + to, count);
      put_some<P>(static_cast<Element*>(j.out) + to, x, count);
      n -= count;
      channel += count;
      if (n <= 0) break;
      float lanes[2 * W] = {};
      store(lanes, x);
      x = load(lanes + count);
    }
  }

  template <int N> static void product(const Job& j, const Sizes& z, int64_t rows, int64_t first_tap, const float* v, const float* u, float* m) {
    for (int64_t r = 0; r < rows; r += rows_at_once) {
      vf sum[rows_at_once][N] = {};
      for (int64_t tap = first_tap; tap < j.taps; tap++)
        attention::tile<attention::Single>(sum, z.inner, v + (r + tap * j.block) * z.inner, z.inner, 1, u + tap * z.inner * N * W, N * W);
#pragma GCC unroll 8
      for (int y = 0; y < rows_at_once; y++)
#pragma GCC unroll 3
        for (int x = 0; x < N; x++) store(m + (r + y) * N * W + x * W, sum[y][x]);
    }
  }

  template <int N> static void panel(const Job& j, const Sizes& z, int64_t batch, int64_t first, int64_t frames, int64_t tile, int64_t tiles,
                                     int64_t column, const float* u, const float* v, float* m) {
    // Frames before the film are zeros: taps that see nothing else are left out.
    const int64_t first_tap = first == 0 && !j.before && j.taps > frames ? j.taps - frames : 0;
    const int64_t rows = up((frames - 1) * j.block + tiles, rows_at_once);
    for (int64_t p = 0; p < z.points; p++)
      product<N>(j, z, rows, first_tap, v + p * z.input, u + p * j.taps * z.inner * N * W, m + p * z.product);
    for (int64_t t = 0; t < frames; t++)
      for (int64_t i = 0; i < tiles; i++)
        for (int64_t x = 0; x < N; x++) {
          const int64_t channel = column + x * W;
          const vf bias = load(j.bias + channel);
          const float* from = m + (t * j.block + i) * N * W + x * W;
          if (!j.wide) {
            emit(j, batch, first + t, tile + i, channel, load(from) + bias);
            continue;
          }
          vf half[4][6];
          for (int64_t c = 0; c < 6; c++) {
            vf d[6], y[4];
            for (int64_t r = 0; r < 6; r++) d[r] = load(from + (r * 6 + c) * z.product);
            from_points(d, y);
            for (int64_t r = 0; r < 4; r++) half[r][c] = y[r];
          }
          const int64_t top = (tile + i) / z.across * 4, left = (tile + i) % z.across * 4;
          for (int64_t r = 0; r < least(4, j.height - top); r++) {
            vf y[4];
            from_points(half[r], y);
            for (int64_t c = 0; c < least(4, j.width - left); c++)
              emit(j, batch, first + t, (top + r) * j.width + left + c, channel, y[c] + bias);
          }
        }
  }

  static int64_t tasks(const Job& j) {
    const Sizes z(j);
    return j.batches * z.groups * z.blocks * j.parts;
  }
  static int64_t scratch(const Job& j) {
    const Sizes z(j);
    return z.points * (z.input + z.product) * 4;
  }
  static void run(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t part = task % j.parts, block = task / j.parts % z.blocks, group = task / j.parts / z.blocks % z.groups;
    const int64_t batch = task / j.parts / z.blocks / z.groups;
    const int64_t first = group * j.group, frames = least(j.group, j.frames - first), tile = block * j.block, tiles = least(j.block, z.tiles - tile);
    float *v = reinterpret_cast<float*>(scratch), *m = v + z.points * z.input;
    for (int64_t f = 0; f < frames + j.taps - 1; f++) {
      const Element* x = frame(j, batch, first + f - (j.taps - 1));
      for (int64_t i = 0; i < j.block; i++) {
        float* to = v + (f * j.block + i) * z.inner;
        if (!x || i >= tiles) for (int64_t p = 0; p < z.points; p++) memset(to + p * z.input, 0, z.inner * 4);
        else if (j.wide) transform(j, z, x, tile + i, to);
        else for (int64_t c = 0; c < z.inner; c += W) store(to + c, some<P>(x + (tile + i) * j.inner + c, j.inner - c));
      }
    }
    for (int64_t r = (frames + j.taps - 1) * j.block; r < z.rows + (j.taps - 1) * j.block; r++)
      for (int64_t p = 0; p < z.points; p++) memset(v + p * z.input + r * z.inner, 0, z.inner * 4);
    constexpr int64_t whole = vectors * W;
    for (int64_t p = z.panels * part / j.parts; p < z.panels * (part + 1) / j.parts; p++) {
      const float* u = j.weight + p * whole * z.points * j.taps * z.inner;
      const int64_t n = p + 1 < z.panels ? vectors : z.last / W;
      if (n == 1) panel<1>(j, z, batch, first, frames, tile, tiles, p * whole, u, v, m);
      else if (n == 2) panel<2>(j, z, batch, first, frames, tile, tiles, p * whole, u, v, m);
      else panel<vectors>(j, z, batch, first, frames, tile, tiles, p * whole, u, v, m);
    }
  }

  static void norm(const Norm& n, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      const Element* x = static_cast<const Element*>(n.x) + i * n.channels;
      Element* y = static_cast<Element*>(n.y) + i * n.channels;
      vf squares = {};
      for (int64_t c = 0; c < n.channels; c += W) {
        const vf v = some<P>(x + c, n.channels - c);
        squares += v * v;
      }
      float sum = 0;
      for (int lane = 0; lane < W; lane++) sum += squares[lane];
      const float factor = 1 / sqrtf(sum > 1e-24f ? sum : 1e-24f);
      for (int64_t c = 0; c < n.channels; c += W) {
        const vf v = some<P>(x + c, n.channels - c) * factor * some<Single>(n.gamma + c, n.channels - c);
        put_some<P>(y + c, n.silu ? silu(v) : v, n.channels - c);
      }
    }
  }
};

int64_t tasks(const Job& j) { return j.few ? Few<Single>::tasks(j) : Convolution<Single>::tasks(j); }
int64_t scratch(const Job& j) { return j.few ? Few<Single>::scratch(j) : Convolution<Single>::scratch(j); }
template <class P> void run(const Job& j, int64_t task, char* scratch) {
  if (j.few) Few<P>::run(j, task, scratch);
  else Convolution<P>::run(j, task, scratch);
}
void run(const Job& j, int64_t task, char* scratch) {
  if (j.half) run<Half>(j, task, scratch);
  else run<Single>(j, task, scratch);
}
template <class P> void norm(const Norm& n, int64_t from, int64_t to) {
  if (n.planes) Few<P>::norm(n, from, to);
  else Convolution<P>::norm(n, from, to);
}
void norm(const Norm& n, int64_t from, int64_t to) {
  if (n.half) norm<Half>(n, from, to);
  else norm<Single>(n, from, to);
}

}  // namespace

extern const Kernels LT_LEVEL{W, vectors * W, tasks, scratch, run, norm};

}  // namespace conv
