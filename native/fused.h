// What the operators of norms.cpp, elementwise.cpp, linear.cpp and optimiser.cpp share: what a transformer does between its matrix products, each in
// one pass over memory with its gradient. Float32 inside whatever goes in and out, one rounding at the end. Sums over tokens
// run in fixed stretches, so the number of threads changes nothing. Plain loops; g++ makes the vectors.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LT_CLONES
#endif

namespace {

using at::BFloat16;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t stretch = 64;     // tokens whose gradients are summed before the sums are
constexpr int64_t grain = 1 << 14;  // elements worth a thread

inline float get(float x) { return x; }
inline float get(BFloat16 x) {
  const uint32_t bits = uint32_t(x.x) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline void put(float* to, float x) { *to = x; }
inline void put(BFloat16* to, float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  to->x = x != x ? uint16_t(0x7fc0) : uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// tokens [..., width]; rows of scale and shift, each for as many consecutive tokens as there are to a row.
struct Layout {
  int64_t tokens, width, rows, run, parts;
  Layout(const Tensor& x, const Tensor& row) {
    width = x.size(-1);
    tokens = x.numel() / width;
    rows = row.numel() / width;
    // As broadcasting has it: sizes of the tokens up to some dimension, then ones.
    bool fits = row.size(-1) == width && rows > 0, equal = row.dim() == x.dim();
    for (int64_t i = 0; i < row.dim() - 1; i++) {
      equal = equal && row.size(i) == x.size(i);
      fits = fits && (equal || row.size(i) == 1);
    }
    TORCH_CHECK(fits, "rows ", row.sizes(), " are not for runs of the tokens ", x.sizes());
    run = tokens / rows;
    parts = (run + stretch - 1) / stretch;
  }
  // The stretch number i of all rows * parts: its row, its first token and its end.
  void at(int64_t i, int64_t& row, int64_t& from, int64_t& to) const {
    row = i / parts;
    from = row * run + i % parts * stretch;
    to = std::min(from + stretch, (row + 1) * run);
  }
  template <class F> void each(const F& work) const {
    at::parallel_for(0, rows * parts, std::max<int64_t>(1, grain / (std::min(run, stretch) * width)), [&](int64_t first, int64_t last) {
      for (int64_t i = first, row, from, to; i < last; i++) {
        at(i, row, from, to);
        work(i, row, from, to);
      }
    });
  }
  Tensor partial() const { return at::zeros({rows, parts, width}); }
};

template <class F> Tensor by_type(at::ScalarType type, const F& work) {
  if (type == at::kFloat) return work(float());
  TORCH_CHECK(type == at::kBFloat16, "float32 or bfloat16, not ", type);
  return work(BFloat16());
}

inline void on_cpu(const Tensor& x) { TORCH_CHECK(x.device().is_cpu(), "this operator is for the CPU, the tensor is on ", x.device()); }

inline Tensor plain(const Tensor& x) { return x.to(at::kFloat).contiguous(); }

}  // namespace
