// longtake::int8_pack and longtake::int8_linear: weights as bytes with a scale for each output, products of bytes (int8_kernel.cpp). On a CPU,
// without gradients.
#include "int8.h"

#include "instructions.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace {

using at::Tensor;

int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// [outputs, inputs] to its bytes, their scales, and the 128-fold sums of each output's.
std::tuple<Tensor, Tensor, Tensor> pack(const Tensor& weight) {
  TORCH_CHECK(weight.dim() == 2 && weight.numel() > 0 && weight.device().is_cpu(), "a weight is [outputs, inputs] on the CPU, not ", weight.sizes(), " on ", weight.device());
  const Tensor w = weight.to(at::kFloat).contiguous();
  const int64_t outputs = w.size(0), inputs = w.size(1), padded = up(inputs, int8::unit), all = up(outputs, int8::panel);
  const Tensor bytes = at::zeros({all * padded}, at::kChar), scale = at::zeros({all}), zero = at::zeros({all}, at::kInt);
  at::parallel_for(0, outputs, 16, [&](int64_t first, int64_t last) {
    for (int64_t o = first; o < last; o++) {
      const float* from = w.data_ptr<float>() + o * inputs;
      int8_t* to = bytes.data_ptr<int8_t>() + o / int8::panel * int8::panel * padded + o % int8::panel * int8::unit;
      float most = 1e-30f;
      for (int64_t i = 0; i < inputs; i++) most = std::max(most, std::fabs(from[i]));
      int32_t sum = 0;
      for (int64_t i = 0; i < inputs; i++) {
        const auto byte = static_cast<int8_t>(std::lrint(from[i] * (127 / most)));
        to[i / int8::unit * int8::panel * int8::unit + i % int8::unit] = byte;
        sum += byte;
      }
      scale.data_ptr<float>()[o] = most / 127;
      zero.data_ptr<int32_t>()[o] = 128 * sum;
    }
  });
  return {bytes, scale, zero};
}

Tensor linear(const Tensor& x_in, const Tensor& weight, const Tensor& scale, const Tensor& zero, const c10::optional<Tensor>& bias, int64_t outputs,
              const std::string& instructions) {
  const int64_t all = up(outputs, int8::panel);
  TORCH_CHECK(x_in.device().is_cpu() && (x_in.scalar_type() == at::kFloat || x_in.scalar_type() == at::kBFloat16) && x_in.numel() > 0,
              "tokens are float or BFloat16 on the CPU, not ", x_in.scalar_type(), " ", x_in.sizes(), " on ", x_in.device());
  const Tensor x = x_in.contiguous(), shift = at::zeros({all});
  TORCH_CHECK(scale.numel() == all && zero.numel() == all && weight.scalar_type() == at::kChar && weight.numel() == all * up(x.size(-1), int8::unit) &&
                  (!bias || bias->numel() == outputs),
              "tokens ", x.sizes(), " and ", outputs, " outputs do not go with ", weight.numel(), " packed bytes");
  if (bias) shift.narrow(0, 0, outputs).copy_(*bias);
  auto shape = x.sizes().vec();
  shape.back() = outputs;
  const Tensor y = at::empty(shape, x.options());
  const int8::Job j{x.numel() / x.size(-1), x.size(-1), outputs, x.scalar_type() == at::kBFloat16, x.data_ptr(), weight.data_ptr<int8_t>(),
                    scale.data_ptr<float>(), shift.data_ptr<float>(), zero.data_ptr<int32_t>(), y.data_ptr()};
  const auto& kernel = LT_BEST(int8, instructions);
  // Tokens that are multiplied with a panel of weights while it is near; at most as many as keep their bytes in a core's second cache.
  const int64_t stretch = std::max<int64_t>(8, std::min<int64_t>(256, (1 << 19) / j.inputs) / 8 * 8);
  at::parallel_for(0, (j.tokens + stretch - 1) / stretch, 1, [&](int64_t first, int64_t last) {
    const Tensor memory = at::empty({kernel.scratch(j, stretch) + 64}, at::kByte);
    char* const aligned = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.data_ptr()) + 63) / 64 * 64);
    for (int64_t s = first; s < last; s++) kernel.run(j, s * stretch, std::min(j.tokens, (s + 1) * stretch), aligned);
  });
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("int8_pack(Tensor weight) -> (Tensor, Tensor, Tensor)", pack);
  m.def("int8_linear(Tensor x, Tensor weight, Tensor scale, Tensor zero, Tensor? bias, int outputs, str instructions=\"avx512\") -> Tensor", linear);
}
