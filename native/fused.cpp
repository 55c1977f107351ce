// What a transformer does between its matrix products, each in one pass over memory with its gradient: norms with scale and
// shift, rotary positions, gated residuals, GELU, AdamW. Float32 inside whatever goes in and out, one rounding at the end.
// Sums over tokens run in fixed stretches, so the number of threads changes nothing. Plain loops; g++ makes the vectors.
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

void on_cpu(const Tensor& x) { TORCH_CHECK(x.device().is_cpu(), "this operator is for the CPU, the tensor is on ", x.device()); }

Tensor plain(const Tensor& x) { return x.to(at::kFloat).contiguous(); }

// ---- layer norm: y = (x - mean) * rstd * (offset + scale) + shift
template <class E>
LT_CLONES void norm_forward(const float* x, const float* scale, const float* shift, E* y, float* stats, int64_t from, int64_t to, int64_t d,
                            float offset, float eps) {
  for (int64_t n = from; n < to; n++) {
    const float* in = x + n * d;
    E* out = y + n * d;
    float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) sum += in[i];
    const float mean = sum / float(d);
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < d; i++) square += (in[i] - mean) * (in[i] - mean);
    const float rstd = 1 / std::sqrt(square / float(d) + eps);
#pragma omp simd
    for (int64_t i = 0; i < d; i++) put(out + i, (in[i] - mean) * rstd * (offset + scale[i]) + shift[i]);
    stats[2 * n] = mean;
    stats[2 * n + 1] = rstd;
  }
}

template <class E>
LT_CLONES void norm_backward(const float* x, const float* scale, const float* stats, const E* dy, float* dx, float* dscale, float* dshift,
                             int64_t from, int64_t to, int64_t d, float offset) {
  for (int64_t n = from; n < to; n++) {
    const float *in = x + n * d, mean = stats[2 * n], rstd = stats[2 * n + 1];
    const E* g = dy + n * d;
    float* out = dx + n * d;
    float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t i = 0; i < d; i++) {
      const float h = (in[i] - mean) * rstd, gi = get(g[i]), dh = gi * (offset + scale[i]);
      dscale[i] += gi * h;
      dshift[i] += gi;
      sum += dh;
      dot += dh * h;
    }
    sum /= float(d);
    dot /= float(d);
#pragma omp simd
    for (int64_t i = 0; i < d; i++)
      out[i] = rstd * (get(g[i]) * (offset + scale[i]) - sum - (in[i] - mean) * rstd * dot);
  }
}

struct LayerNorm : Function<LayerNorm> {
  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor scale, Tensor shift, double offset, double eps, int64_t dtype) {
    on_cpu(x);
    x = plain(x);
    const Tensor a = plain(scale), b = plain(shift);
    const Layout l(x, a);
    TORCH_CHECK(a.numel() == b.numel(), "scale ", scale.sizes(), " and shift ", shift.sizes(), " differ");
    const Tensor stats = at::empty({l.tokens, 2});
    ctx->save_for_backward({x, scale, shift, stats});
    ctx->saved_data["offset"] = offset;
    return by_type(static_cast<at::ScalarType>(dtype), [&](auto e) {
      using E = decltype(e);
      const Tensor y = at::empty(x.sizes(), static_cast<at::ScalarType>(dtype));
      l.each([&](int64_t, int64_t row, int64_t from, int64_t to) {
        norm_forward(x.data_ptr<float>(), a.data_ptr<float>() + row * l.width, b.data_ptr<float>() + row * l.width, y.data_ptr<E>(),
                     stats.data_ptr<float>(), from, to, l.width, float(offset), float(eps));
      });
      return y;
    });
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], a = plain(saved[1]), &stats = saved[3], g = grads[0].contiguous();
    const auto offset = float(ctx->saved_data["offset"].toDouble());
    const Layout l(x, a);
    const Tensor dscale = l.partial(), dshift = l.partial();
    const Tensor dx = by_type(g.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor to_x = at::empty_like(x);
      l.each([&](int64_t i, int64_t row, int64_t from, int64_t to) {
        norm_backward(x.data_ptr<float>(), a.data_ptr<float>() + row * l.width, stats.data_ptr<float>(), g.data_ptr<E>(),
                      to_x.data_ptr<float>(), dscale.data_ptr<float>() + i * l.width, dshift.data_ptr<float>() + i * l.width, from, to,
                      l.width, offset);
      });
      return to_x;
    });
    return {dx, dscale.sum(1).view(saved[1].sizes()).to(saved[1].scalar_type()),
            dshift.sum(1).view(saved[2].sizes()).to(saved[2].scalar_type()), Tensor(), Tensor(), Tensor()};
  }
};

// ---- RMS norm with weight, then rotary positions over heads where there is a table of them
struct Tables {
  int64_t half, period, heads;  // angles of a head (0: no table), tokens, heads with a table of their own (1: one for all)
  int64_t row(int64_t token, int64_t channel) const { return (token % period * heads + (heads > 1 ? channel / (2 * half) : 0)) * half; }
};

template <class E>
LT_CLONES void rms_forward(const E* x, const float* weight, const float* cos, const float* sin, E* y, float* stats, float* z, int64_t from,
                           int64_t to, int64_t d, Tables table, float eps) {
  const int64_t half = table.half;
  for (int64_t n = from; n < to; n++) {
    const E* in = x + n * d;
    E* out = y + n * d;
    float square = 0;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < d; i++) square += get(in[i]) * get(in[i]);
    const float r = 1 / std::sqrt(square / float(d) + eps);
    stats[n] = r;
#pragma omp simd
    for (int64_t i = 0; i < d; i++) z[i] = get(in[i]) * r * weight[i];
    for (int64_t head = 0; half && head < d; head += 2 * half) {
      const int64_t row = table.row(n, head);
      const float *c = cos + row, *s = sin + row;
      float* pair = z + head;
#pragma omp simd
      for (int64_t i = 0; i < half; i++) {
        const float re = pair[2 * i], im = pair[2 * i + 1];
        pair[2 * i] = re * c[i] - im * s[i];
        pair[2 * i + 1] = re * s[i] + im * c[i];
      }
    }
#pragma omp simd
    for (int64_t i = 0; i < d; i++) put(out + i, z[i]);
  }
}

template <class E>
LT_CLONES void rms_backward(const E* x, const float* weight, const float* cos, const float* sin, const float* stats, const E* dy, E* dx,
                            float* dweight, float* z, int64_t from, int64_t to, int64_t d, Tables table) {
  const int64_t half = table.half;
  for (int64_t n = from; n < to; n++) {
    const E *in = x + n * d, *g = dy + n * d;
    E* out = dx + n * d;
    const float r = stats[n];
#pragma omp simd
    for (int64_t i = 0; i < d; i++) z[i] = get(g[i]);
    for (int64_t head = 0; half && head < d; head += 2 * half) {
      const int64_t row = table.row(n, head);
      const float *c = cos + row, *s = sin + row;
      float* pair = z + head;
#pragma omp simd
      for (int64_t i = 0; i < half; i++) {
        const float re = pair[2 * i], im = pair[2 * i + 1];
        pair[2 * i] = re * c[i] + im * s[i];
        pair[2 * i + 1] = im * c[i] - re * s[i];
      }
    }
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < d; i++) {
      const float h = get(in[i]) * r;
      dweight[i] += z[i] * h;
      dot += z[i] * weight[i] * h;
    }
    dot /= float(d);
#pragma omp simd
    for (int64_t i = 0; i < d; i++) put(out + i, r * (z[i] * weight[i] - get(in[i]) * r * dot));
  }
}

struct RmsNorm : Function<RmsNorm> {
  static Tables tables(const Tensor& x, const Tensor& cos, bool any) {
    if (!any) return {0, 1, 1};
    const int64_t half = cos.size(-1), tokens = x.size(-2);
    return {half, tokens, cos.numel() / (half * tokens)};
  }

  static Tensor forward(AutogradContext* ctx, Tensor x, Tensor weight, c10::optional<Tensor> cos, c10::optional<Tensor> sin, double eps) {
    on_cpu(x);
    x = x.contiguous();
    const Tensor w = plain(weight), c = cos ? plain(*cos) : w, s = sin ? plain(*sin) : w;
    const Layout l(x, w);
    const Tables table = tables(x, c, cos.has_value());
    TORCH_CHECK(!cos || (c.numel() == s.numel() && x.dim() > 1 && l.width % (2 * table.half) == 0 &&
                         c.numel() == table.half * table.period * table.heads && (table.heads == 1 || table.heads == l.width / (2 * table.half))),
                "tables ", c.sizes(), " do not fit tokens ", x.sizes());
    const Tensor stats = at::empty({l.tokens});
    ctx->save_for_backward({x, weight, c, s, stats});
    ctx->saved_data["tables"] = cos.has_value();
    return by_type(x.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor y = at::empty_like(x);
      l.each([&](int64_t, int64_t, int64_t from, int64_t to) {
        std::vector<float> z(size_t(l.width));
        rms_forward(x.data_ptr<E>(), w.data_ptr<float>(), c.data_ptr<float>(), s.data_ptr<float>(), y.data_ptr<E>(),
                    stats.data_ptr<float>(), z.data(), from, to, l.width, table, float(eps));
      });
      return y;
    });
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], w = plain(saved[1]), &c = saved[2], &s = saved[3], &stats = saved[4];
    const Tensor g = grads[0].to(x.scalar_type()).contiguous();
    const Tables table = tables(x, c, ctx->saved_data["tables"].toBool());
    const Layout l(x, w);
    const Tensor dweight = l.partial();
    const Tensor dx = by_type(x.scalar_type(), [&](auto e) {
      using E = decltype(e);
      const Tensor to_x = at::empty_like(x);
      l.each([&](int64_t i, int64_t, int64_t from, int64_t to) {
        std::vector<float> z(size_t(l.width));
        rms_backward(x.data_ptr<E>(), w.data_ptr<float>(), c.data_ptr<float>(), s.data_ptr<float>(), stats.data_ptr<float>(),
                     g.data_ptr<E>(), to_x.data_ptr<E>(), dweight.data_ptr<float>() + i * l.width, z.data(), from, to, l.width, table);
      });
      return to_x;
    });
    return {dx, dweight.sum(1).view(saved[1].sizes()).to(saved[1].scalar_type()), Tensor(), Tensor(), Tensor()};
  }
};

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

// ---- AdamW with decoupled decay
LT_CLONES void adamw(float* p, const float* g, float* m, float* v, int64_t from, int64_t to, float take1, float beta2, float keep, float lr,
                     float root) {
#pragma omp simd
  for (int64_t i = from; i < to; i++) {
    m[i] += (g[i] - m[i]) * take1;
    v[i] = v[i] * beta2 + g[i] * g[i] * (1 - beta2);
    p[i] = p[i] * keep - lr * m[i] / (std::sqrt(v[i]) * root + 1e-8f);
  }
}

// step counts from 1; p, m and v change.
void adamw_(const Tensor& p, const Tensor& gradient, const Tensor& m, const Tensor& v, double lr, double beta1, double beta2, double decay,
            int64_t step) {
  on_cpu(p);
  TORCH_CHECK(m.is_contiguous() && v.is_contiguous(), "moments lie in order");
  const Tensor to = p.contiguous(), g = plain(gradient);
  const double bias = 1 - std::pow(beta1, double(step)), root = 1 / std::sqrt(1 - std::pow(beta2, double(step)));
  at::parallel_for(0, p.numel(), grain, [&](int64_t first, int64_t last) {
    adamw(to.data_ptr<float>(), g.data_ptr<float>(), m.data_ptr<float>(), v.data_ptr<float>(), first, last, float(1 - beta1), float(beta2),
          float(1 - lr * decay), float(lr / bias), float(root));
  });
  if (!to.is_same(p)) p.copy_(to);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("layer_norm(Tensor x, Tensor scale, Tensor shift, float offset, float eps, int dtype) -> Tensor",
        [](const Tensor& x, const Tensor& scale, const Tensor& shift, double offset, double eps, int64_t dtype) {
          return LayerNorm::apply(x, scale, shift, offset, eps, dtype);
        });
  m.def("rms_norm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, float eps) -> Tensor",
        [](const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& cos, const c10::optional<Tensor>& sin, double eps) {
          return RmsNorm::apply(x, weight, cos, sin, eps);
        });
  m.def("gated_add(Tensor x, Tensor y, Tensor? gate) -> Tensor",
        [](const Tensor& x, const Tensor& y, const c10::optional<Tensor>& gate) { return GatedAdd::apply(x, y, gate); });
  m.def("adamw_(Tensor(a!) p, Tensor g, Tensor(b!) m, Tensor(c!) v, float lr, float beta1, float beta2, float decay, int step) -> ()", adamw_);
  m.def("gelu(Tensor x) -> Tensor", [](const Tensor& x) { return Gelu::apply(x); });
}
