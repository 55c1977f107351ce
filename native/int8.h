// What int8.cpp (checks, packing, threads) and int8_kernel.cpp (arithmetic, compiled once per instruction set) share. As in attention.h, no
// header of libtorch or of the standard library's templates.
#pragma once
#include <cstdint>

namespace int8 {

constexpr int64_t panel = 48;  // outputs that lie together
constexpr int64_t unit = 4;    // inputs that are multiplied and summed in one step

// y = x W^T + bias of tokens [tokens, inputs]. Weights are bytes [panel of outputs][unit of inputs][48][4], w ~ scale * byte for each output; of each
// output the 128-fold sum of its bytes is kept, because tokens are bytes from 0 to 255 whose zero is 128, with a scale of their own each.
struct Job {
  int64_t tokens, inputs, outputs;
  bool half;  // tokens and results are bfloat16, else float
  const void* x;
  const int8_t* weight;
  const float *scale, *bias;  // as many as whole panels have outputs
  const int32_t* zero;
  void* y;
};

struct Kernels {
  int64_t (*scratch)(const Job&, int64_t tokens);                        // bytes, 64-aligned
  void (*run)(const Job&, int64_t from, int64_t to, char* scratch);  // of the tokens from..to
};
extern const Kernels plain, avx2, avx512;

}  // namespace int8
