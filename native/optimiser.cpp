// longtake::adamw_: moments and parameters of one step in one pass.
#include "fused.h"

namespace {

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
  m.def("adamw_(Tensor(a!) p, Tensor g, Tensor(b!) m, Tensor(c!) v, float lr, float beta1, float beta2, float decay, int step) -> ()", adamw_);
}
