// What conv.cpp (checks, packing, threads) and conv_kernel.cpp (arithmetic, compiled once per instruction set) share. As in
// attention.h, no header of libtorch or of the standard library's templates.
#pragma once
#include <cstdint>

namespace conv {

// Kernels are 3x3 or 1x1 over space, `taps` frames over time, of which the last is the frame at hand. Elements lie channels last, [batch, frame,
// row, column, channel], and weights are packed for one instruction set, [panel][point][tap][inner, padded][columns of the panel].
// Where channels are few they lie channels first, [batch, channel, frame, row, column], and weights [panel][inner][tap][row][column][few_panel].
struct Job {
  int64_t batches, frames, height, width;  // of the output, before `pairs`
  int64_t inner, outer, taps;
  bool few;
  bool half;      // elements are bfloat16, else float; arithmetic is in float
  bool wide;      // 3x3 over space
  bool doubled;   // the input has half the height and width: nearest neighbours
  bool pairs;     // outer = 2 n channels are n channels of two frames
  const void *x, *before, *add;  // before: taps - 1 frames, or null for zeros; add: like the output, or null
  const float *weight, *bias;    // bias: as many as the packed columns
  void* out;
  int64_t group, block, parts;   // frames and tiles (few: rows) of a task; tasks that share a block, each with some of the panels
};

// y = x / |x| * gamma, over the channels of each pixel; then y * sigmoid(y) where silu.
struct Norm {
  const void* x;
  const float* gamma;
  void* y;
  int64_t channels;
  int64_t planes;   // pixels from one channel to the next, a multiple of which are a sample's; 0: channels last
  bool half, silu;
};

struct Kernels {
  int64_t lanes, panel;  // columns of a vector and of a whole panel
  int64_t (*tasks)(const Job&);
  int64_t (*scratch)(const Job&);  // bytes, 64-aligned, of one task at a time
  void (*run)(const Job&, int64_t task, char* scratch);
  void (*norm)(const Norm& n, int64_t from, int64_t to);  // pixels of all samples
};
extern const Kernels plain, avx2, avx512;

constexpr int64_t few_channels = 16;  // at most, in and out: they do not fill vectors, pixels do
constexpr int64_t few_panel = 4;      // output channels of a product
constexpr int64_t points = 36;  // of a tile of 6x6 inputs, whose 4x4 outputs a 3x3 kernel makes

}  // namespace conv
