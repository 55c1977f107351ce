// longtake::gated_add and longtake::gelu.
#include "fused.h"

namespace {

// 1 / (1 + exp(-x)): the exponential is a power of two times a polynomial on [-ln 2 / 2, ln 2 / 2] (Taylor, relative error 2e-8).
inline float sigmoid(float x) {
  const float t = x > 87.f ? -87.f : x < -87.f ? 87.f : -x;
  const float n = (t * 1.44269504f + 12582912.f) - 12582912.f;  // to the nearest whole number: 1.5 * 2^23 has no bits below
  const float r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.f / 5040;
  p = p * r + 1.f / 720;
  p = p * r + 1.f / 120;
  p = p * r + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  const int32_t bits = (int32_t(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return x < -87.f ? 0.f : 1.f / (1.f + p * power);
}

// ---- gated residual: x + y * gate
template <class E>
LT_CLONES void gated_forward(const float* x, const E* y, const float* gate, float* out, int64_t from, int64_t to, int64_t d) {
  for (int64_t n = from; n < to; n++)
#pragma omp simd
    for (int64_t i = 0; i < d; i++) out[n * d + i] = x[n * d + i] + get(y[n * d + i]) * gate[i];
}

template <class E>
LT_CLONES void gated_backward(const E* y, const float* gate, const float* g, E* dy, float* dgate, int64_t from, int64_t to, int64_t d) {
  for (int64_t n = from; n < to; n++)
#pragma omp simd
    for (int64_t i = 0; i < d; i++) {
      put(dy + n * d + i, g[n * d + i] * gate[i]);
      dgate[i] += g[n * d + i] * get(y[n * d + i]);
    }
}

struct GatedAdd : Function<GatedAdd> {
  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor y, c10::optional<Tensor> optional_gate) {
    on_cpu(x);
    TORCH_CHECK(x.sizes() == y.sizes() && x.scalar_type() == at::kFloat, "a float32 stream ", x.sizes(), " takes no ", y.sizes());
    const Tensor gate = optional_gate ? *optional_gate : at::ones({x.size(-1)});
    const Tensor from_x = x.contiguous(), from_y = y.contiguous(), a = plain(gate), out = at::empty(x.sizes());
    const Layout l(from_x, a);
    ctx->save_for_backward({from_y, gate});
    ctx->saved_data["gated"] = optional_gate.has_value();
    by_type(y.scalar_type(), [&](auto e) {
      using E = decltype(e);
      l.each([&](int64_t, int64_t row, int64_t from, int64_t to) {
        gated_forward(from_x.data_ptr<float>(), from_y.data_ptr<E>(), a.data_ptr<float>() + row * l.width, out.data_ptr<float>(), from, to,
                      l.width);
      });
      return out;
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &y = saved[0], a = plain(saved[1]), g = plain(grads[0]);
    const Layout l(g, a);
    const Tensor dgate = l.partial();
    const Tensor dy = by_type(y.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor to_y = at::empty_like(y);
      l.each([&](int64_t i, int64_t row, int64_t from, int64_t to) {
        gated_backward(y.data_ptr<E>(), a.data_ptr<float>() + row * l.width, g.data_ptr<float>(), to_y.data_ptr<E>(),
                       dgate.data_ptr<float>() + i * l.width, from, to, l.width);
      });
      return to_y;
    });
    if (!ctx->saved_data["gated"].toBool()) return {grads[0], dy, Tensor()};
    return {grads[0], dy, dgate.sum(1).view(saved[1].sizes()).to(saved[1].scalar_type())};
  }
};

// ---- GELU, tanh form: x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3), for 1 + tanh(u) = 2 sigmoid(2u)
constexpr float twice = 1.5957691216f, cube = 0.044715f;

template <class E> LT_CLONES void gelu_forward(const E* x, E* y, int64_t from, int64_t to) {
#pragma omp simd
  for (int64_t i = from; i < to; i++) {
    const float v = get(x[i]);
    put(y + i, v * sigmoid(twice * v * (1 + cube * v * v)));
  }
}

template <class E> LT_CLONES void gelu_backward(const E* x, const E* dy, E* dx, int64_t from, int64_t to) {
#pragma omp simd
  for (int64_t i = from; i < to; i++) {
    const float v = get(x[i]), s = sigmoid(twice * v * (1 + cube * v * v));
    put(dx + i, get(dy[i]) * (s + v * s * (1 - s) * twice * (1 + 3 * cube * v * v)));
  }
}

struct Gelu : Function<Gelu> {
  static Tensor forward(AutogradContext* ctx, Tensor x) {
    on_cpu(x);
    x = x.contiguous();
    ctx->save_for_backward({x});
    return by_type(x.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor y = at::empty_like(x);
      at::parallel_for(0, x.numel(), grain, [&](int64_t from, int64_t to) { gelu_forward(x.data_ptr<E>(), y.data_ptr<E>(), from, to); });
      return y;
    });
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor x = ctx->get_saved_variables()[0], g = grads[0].to(x.scalar_type()).contiguous();
    return {by_type(x.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor dx = at::empty_like(x);
      at::parallel_for(0, x.numel(), grain, [&](int64_t from, int64_t to) {
        gelu_backward(x.data_ptr<E>(), g.data_ptr<E>(), dx.data_ptr<E>(), from, to);
      });
      return dx;
    })};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("gated_add(Tensor x, Tensor y, Tensor? gate) -> Tensor",
        [](const Tensor& x, const Tensor& y, const c10::optional<Tensor>& gate) { return GatedAdd::apply(x, y, gate); });
  m.def("gelu(Tensor x) -> Tensor", [](const Tensor& x) { return Gelu::apply(x); });
}
