// longtake::int8_pack and longtake::int8_linear: weights as bytes with a scale for each output, products of bytes (linear_kernel.cpp). On a CPU,
// without gradients.
#include "layer.h"

#include <tuple>

namespace {

using linear::bytes;

// [outputs, inputs] to its bytes, their scales, and the 128-fold sums of each output's, for the bytes of tokens have their zero at 128.
std::tuple<Tensor, Tensor, Tensor> pack(const Tensor& weight) {
  TORCH_CHECK(weight.dim() == 2 && weight.numel() > 0 && weight.device().is_cpu(), "a weight is [outputs, inputs] on the CPU, not ", weight.sizes(), " on ", weight.device());
  const Tensor w = plain(weight);
  const int64_t outputs = w.size(0), inputs = w.size(1), units = parts(inputs, bytes), panels = parts(outputs, panel);
  const Tensor packed = at::empty({panels, units, panel, bytes}, at::kChar), scale = at::empty({panels * panel}), zero = at::zeros({panels * panel}, at::kInt);
  tasks(panels, [&](int64_t i) {
    int8_t* const to = packed.data_ptr<int8_t>() + i * units * panel * bytes;
    kernels("avx512").pack_columns(bytes, {w.data_ptr<float>() + i * panel * inputs, false, inputs}, inputs, std::min(panel, outputs - i * panel), to, 0, scale.data_ptr<float>() + i * panel);
    for (int64_t n = 0; n < units * panel * bytes; n++) zero.data_ptr<int32_t>()[i * panel + n / bytes % panel] += 128 * to[n];
  });
  return {packed, scale, zero};
}

Tensor linear_of_bytes(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& zero, const c10::optional<Tensor>& bias, int64_t outputs, const std::string& instructions) {
  TORCH_CHECK(x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) && x.numel() > 0,
              "tokens are float or BFloat16 on the CPU, not ", x.scalar_type(), " ", x.sizes(), " on ", x.device());
  const auto& kernel = kernels(instructions);
  const Right right{bytes, x.size(-1), outputs, x.size(-1), weight, scale, zero};
  const int64_t all = right.panels() * panel;
  TORCH_CHECK(scale.numel() == all && zero.numel() == all && weight.scalar_type() == at::kChar && weight.numel() == all * right.units() * bytes && (!bias || bias->numel() == outputs),
              "tokens ", x.sizes(), " and ", outputs, " outputs do not go with ", weight.numel(), " packed bytes");
  const Tensor rows = flat(x, x.size(-1)), b = bias ? plain(*bias) : Tensor(), y = at::empty({rows.size(0), outputs}, x.options());
  const Tokens in(rows, kernel, bytes), out(y, kernel, bytes);
  const Layer layer{kernel, in, 0, right, bias ? b.data_ptr<float>() : nullptr, out, 0, rows.size(0)};
  tasks(layer.count(), [&](int64_t task) { layer.run(task); });
  auto shape = x.sizes().vec();
  shape.back() = outputs;
  return y.view(shape);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("int8_pack(Tensor weight) -> (Tensor, Tensor, Tensor)", pack);
  m.def("int8_linear(Tensor x, Tensor weight, Tensor scale, Tensor zero, Tensor? bias, int outputs, str instructions=\"avx512\") -> Tensor", linear_of_bytes);
}
