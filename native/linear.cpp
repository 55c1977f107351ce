// x W^T + b of bfloat16 tokens in float32, a stretch of tokens at a time: only the tokens are bfloat16 in memory, the weights stay the
// float32 they are trained in. Faster than bfloat16 products wherever the processor multiplies float32 at the higher rate.
#include "fused.h"

#include <algorithm>

namespace {

// bfloat16 products are the faster ones with AMX, and on AMD with AVX512-BF16; Intel's AVX512-BF16 alone runs at half the rate of float32.
bool float_products() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  static const bool faster = [] {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2")) return false;
    return !__builtin_cpu_supports("amx-bf16") && !(__builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16"));
  }();
  return faster;
#else
  return false;
#endif
}

// Tokens a stretch: two float32 copies of them take 4 MiB, what a second and third cache hold; at least 256, so that a product is worth its packing.
int64_t stretch_of(int64_t inputs, int64_t outputs) { return std::max<int64_t>(256, (1 << 20) / (inputs + outputs)); }

// Runs work(from, count) over the tokens.
template <class F> void stretches(int64_t tokens, int64_t stretch, const F& work) {
  for (int64_t from = 0; from < tokens; from += stretch) work(from, std::min(stretch, tokens - from));
}

LT_CLONES void widen(const BFloat16* from, float* to, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = get(from[i]);
}

// The same of rows, added up over them beside it.
LT_CLONES void widen_and_add(const BFloat16* from, float* to, float* sum, int64_t rows, int64_t width) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) {
      to[n * width + i] = get(from[n * width + i]);
      sum[i] += to[n * width + i];
    }
}

LT_CLONES void round_rows(const float* from, const float* add, BFloat16* to, int64_t rows, int64_t width) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) put(to + n * width + i, from[n * width + i] + add[i]);
}

// Both ways of the tensors of a call: rows [tokens, width] in one piece, and room for a stretch of them in float32.
struct Rows {
  Tensor half, room;
  int64_t width;
  Rows(const Tensor& t, int64_t stretch) : half(t), room(at::empty({stretch, t.size(1)}, at::kFloat)), width(t.size(1)) {}
  BFloat16* at(int64_t from) const { return half.data_ptr<BFloat16>() + from * width; }
  Tensor widened(int64_t from, int64_t count, float* sum = nullptr) const {
    if (sum) widen_and_add(at(from), room.data_ptr<float>(), sum, count, width);
    else widen(at(from), room.data_ptr<float>(), count * width);
    return space(count);
  }
  Tensor space(int64_t count) const { return room.narrow(0, 0, count); }
  void rounded(int64_t from, int64_t count, const Tensor& add) const { round_rows(room.data_ptr<float>(), add.data_ptr<float>(), at(from), count, width); }
};

struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias) {
    on_cpu(x);
    TORCH_CHECK(x.scalar_type() == at::kBFloat16, "tokens in bfloat16, not ", x.scalar_type());
    TORCH_CHECK(weight.dim() == 2 && x.size(-1) == weight.size(1), "weight ", weight.sizes(), " does not fit tokens ", x.sizes());
    const int64_t inputs = weight.size(1), outputs = weight.size(0), tokens = x.numel() / inputs, stretch = std::min(tokens, stretch_of(inputs, outputs));
    const Tensor w = plain(weight).t(), b = bias ? plain(*bias) : at::zeros({outputs}), rows = x.reshape({tokens, inputs}).contiguous();
    auto shape = x.sizes().vec();
    shape.back() = outputs;
    const Tensor y = at::empty({tokens, outputs}, x.options());
    const Rows in(rows, stretch), out(y, stretch);
    stretches(tokens, stretch, [&](int64_t from, int64_t count) {
      Tensor product = out.space(count);
      at::mm_out(product, in.widened(from, count), w);
      out.rounded(from, count, b);
    });
    ctx->save_for_backward({x, weight});
    ctx->saved_data["x"] = x.requires_grad();
    ctx->saved_data["weight"] = weight.requires_grad();
    ctx->saved_data["bias"] = bias ? static_cast<int64_t>(bias->scalar_type()) : int64_t(-1);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::linear has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const bool to_x = ctx->saved_data["x"].toBool(), to_weight = ctx->saved_data["weight"].toBool();
    const int64_t bias_type = ctx->saved_data["bias"].toInt();
    const int64_t inputs = weight.size(1), outputs = weight.size(0), tokens = x.numel() / inputs, stretch = std::min(tokens, stretch_of(inputs, outputs));
    const Tensor w = plain(weight), none = at::zeros({inputs});
    const Tensor dx = at::empty({to_x ? tokens : 0, inputs}, x.options()), db = at::zeros({outputs});
    Tensor dw = at::zeros({to_weight ? outputs : 0, inputs});
    const Rows in(x.reshape({tokens, inputs}).contiguous(), stretch), out(grads[0].reshape({tokens, outputs}).contiguous(), stretch), back(dx, stretch);
    stretches(tokens, stretch, [&](int64_t from, int64_t count) {
      const Tensor g = out.widened(from, count, bias_type >= 0 ? db.data_ptr<float>() : nullptr);
      if (to_weight) dw.addmm_(g.t(), in.widened(from, count));
      if (!to_x) return;
      Tensor product = back.space(count);
      at::mm_out(product, g, w);
      back.rounded(from, count, none);
    });
    return {to_x ? dx.view(x.sizes()) : Tensor(), to_weight ? dw.to(weight.scalar_type()) : Tensor(),
            bias_type >= 0 ? db.to(static_cast<at::ScalarType>(bias_type)) : Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("float_products() -> bool", float_products);
  m.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor",
        [](const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias) { return Linear::apply(x, weight, bias); });
}
