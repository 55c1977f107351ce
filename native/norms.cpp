// longtake::layer_norm and longtake::rms_norm: norms with scale and shift, and with rotary positions after them.
#include "fused.h"

namespace {

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

// Each pair of channels of a token by its angle (back: sign -1, the gradient).
template <int sign>
inline __attribute__((always_inline)) void rotate(float* z, const float* cos, const float* sin, int64_t token, int64_t d, Tables table) {
  for (int64_t head = 0; table.half && head < d; head += 2 * table.half) {
    const int64_t row = table.row(token, head);
    const float *c = cos + row, *s = sin + row;
    float* pair = z + head;
#pragma omp simd
    for (int64_t i = 0; i < table.half; i++) {
      const float re = pair[2 * i], im = pair[2 * i + 1], to = sign * s[i];
      pair[2 * i] = re * c[i] - im * to;
      pair[2 * i + 1] = re * to + im * c[i];
    }
  }
}

template <class E>
LT_CLONES void rms_forward(const E* x, const float* weight, const float* cos, const float* sin, E* y, float* stats, float* z, int64_t from,
                           int64_t to, int64_t d, Tables table, float eps) {
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
    rotate<1>(z, cos, sin, n, d, table);
#pragma omp simd
    for (int64_t i = 0; i < d; i++) put(out + i, z[i]);
  }
}

template <class E>
LT_CLONES void rms_backward(const E* x, const float* weight, const float* cos, const float* sin, const float* stats, const E* dy, E* dx,
                            float* dweight, float* z, int64_t from, int64_t to, int64_t d, Tables table) {
  for (int64_t n = from; n < to; n++) {
    const E *in = x + n * d, *g = dy + n * d;
    E* out = dx + n * d;
    const float r = stats[n];
#pragma omp simd
    for (int64_t i = 0; i < d; i++) z[i] = get(g[i]);
    rotate<-1>(z, cos, sin, n, d, table);
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
}
