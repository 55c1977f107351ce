// x W^T + b of float32 or bfloat16 tokens, in float32. Threads share the tokens (in backward also the outputs of the weight), each product is one
// thread's: what a layer of a miniature multiplies is too little to be cut inside the product. bfloat16 tokens become float32 a stretch at
// a time, so memory holds bfloat16; faster than bfloat16 products wherever the processor multiplies float32 at the higher rate.
#include "fused.h"

#include <algorithm>
#include <atomic>

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

constexpr int64_t block = 512;  // tokens, or so, of a task: enough that a product is worth its packing, few enough that threads end together

int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

// Does work(i) for i from 0 to count, each thread the next that nobody has begun. Which thread does what changes no result.
template <class F> void tasks(int64_t count, const F& work) {
  const at::AutoDispatchBelowAutograd nothing;
  if (count == 1 || at::get_num_threads() == 1) {
    for (int64_t i = 0; i < count; i++) work(i);
    return;
  }
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    const at::AutoDispatchBelowAutograd nothing_either;
    for (int64_t i; (i = next++) < count;) work(i);
  });
}

// Rows [from, from + size) of part i out of count.
template <class F> void part(int64_t i, int64_t count, int64_t rows, const F& work) {
  const int64_t from = rows * i / count;
  work(from, rows * (i + 1) / count - from);
}

LT_CLONES void widen(const BFloat16* from, float* to, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = get(from[i]);
}

LT_CLONES void narrowed(const float* from, const float* add, BFloat16* to, int64_t rows, int64_t width, int64_t row) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) put(to + n * row + i, from[n * width + i] + add[i]);
}

LT_CLONES void add_rows(const float* rows, float* sum, int64_t count, int64_t width) {
  for (int64_t n = 0; n < count; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) sum[i] += rows[n * width + i];
}

// Rows of a tensor [tokens, width] in float32: the tensor's own, or copies of those that widened() was called for.
class Rows {
 public:
  Rows(const Tensor& t, int64_t room) : t_(t), half_(t.scalar_type() == at::kBFloat16), rows_(half_ ? at::empty({room, t.size(1)}, at::kFloat) : t) {}
  void widened(int64_t from, int64_t count, int64_t to) const {
    if (half_) widen(t_.data_ptr<BFloat16>() + from * t_.size(1), rows_.data_ptr<float>() + to * t_.size(1), count * t_.size(1));
  }
  // As widened() has put them; where the tensor is float32 itself, those at their own place.
  Tensor at(int64_t from, int64_t to, int64_t count) const { return rows_.narrow(0, half_ ? to : from, count); }

 private:
  Tensor t_;
  bool half_;
  Tensor rows_;
};

// A product cut into blocks of its rows and, if these are too few for many threads, panels of its columns. As all cuts here it does not ask how many
// threads there are, so their number changes no result.
struct Cut {
  int64_t rows, columns, blocks, panels;
  Cut(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), blocks(std::max<int64_t>(1, parts(rows, block))), panels(std::max<int64_t>(1, std::min(16 / blocks, columns / 512))) {}
  int64_t count() const { return blocks * panels; }
  // work(block, its first row, rows, first column, columns)
  template <class F> void at_task(int64_t task, const F& work) const {
    part(task / panels, blocks, rows, [&](int64_t from, int64_t n) {
      part(task % panels, panels, columns, [&](int64_t column, int64_t width) { work(task / panels, from, n, column, width); });
    });
  }
};

// Rows from.. and columns column.. of a tensor: a w + b, of which w and b have all columns.
void product(const Tensor& to, int64_t from, int64_t column, int64_t width, const Tensor& a, const Tensor& w, const Tensor& b) {
  const Tensor of = w.narrow(1, column, width);
  if (to.scalar_type() == at::kFloat) {
    Tensor rows = to.narrow(0, from, a.size(0)).narrow(1, column, width);
    at::addmm_out(rows, b.narrow(0, column, width), a, of);
    return;
  }
  const Tensor rows = at::mm(a, of);
  narrowed(rows.data_ptr<float>(), b.data_ptr<float>() + column, to.data_ptr<BFloat16>() + from * to.size(1) + column, a.size(0), width, to.size(1));
}

Tensor flat(const Tensor& t, int64_t width) { return t.reshape({-1, width}).contiguous(); }

struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias) {
    on_cpu(x);
    TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "tokens in float32 or bfloat16, not ", x.scalar_type());
    TORCH_CHECK(weight.dim() == 2 && x.dim() > 0 && x.size(-1) == weight.size(1), "weight ", weight.sizes(), " does not fit tokens ", x.sizes());
    const Tensor w = plain(weight).t(), rows = flat(x, weight.size(1)), b = bias ? plain(*bias) : at::zeros({weight.size(0)});
    const Cut cut(rows.size(0), weight.size(0));
    const Tensor y = at::empty({cut.rows, cut.columns}, x.options());
    tasks(cut.count(), [&](int64_t task) {
      cut.at_task(task, [&](int64_t, int64_t from, int64_t n, int64_t column, int64_t width) {
        const Rows in(rows, n);
        in.widened(from, n, 0);
        product(y, from, column, width, in.at(from, 0, n), w, b);
      });
    });
    ctx->save_for_backward({x, weight});
    ctx->saved_data["x"] = x.requires_grad();
    ctx->saved_data["weight"] = weight.requires_grad();
    ctx->saved_data["bias"] = bias && bias->requires_grad() ? static_cast<int64_t>(bias->scalar_type()) : int64_t(-1);
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::linear has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const bool to_x = ctx->saved_data["x"].toBool(), to_weight = ctx->saved_data["weight"].toBool();
    const int64_t bias_type = ctx->saved_data["bias"].toInt(), inputs = weight.size(1), outputs = weight.size(0);
    const Tensor w = plain(weight), in = flat(x, inputs), g = flat(grads[0].to(x.scalar_type()), outputs), dx = to_x ? at::empty_like(in) : Tensor(), none = at::zeros({inputs});
    const int64_t tokens = in.size(0), room = std::min(tokens, std::max<int64_t>(2 * block, (4 << 20) / (inputs + outputs)));
    const Tensor dw = to_weight ? at::zeros({outputs, inputs}) : Tensor();
    Tensor db = at::zeros({bias_type >= 0 ? outputs : 0});
    const Rows wide_in(in, to_weight ? room : 0), wide_g(g, room);
    const int64_t shares = to_weight ? std::min<int64_t>(32, parts(outputs, 96)) : 0;
    for (int64_t start = 0; start < tokens; start += room) {
      const int64_t length = std::min(room, tokens - start);
      const Cut cut(length, inputs);
      const Tensor sums = at::zeros({bias_type >= 0 ? cut.blocks : 0, outputs});
      if (in.scalar_type() == at::kBFloat16)
        tasks(cut.blocks, [&](int64_t task) {
          part(task, cut.blocks, length, [&](int64_t from, int64_t n) {
            if (to_weight) wide_in.widened(start + from, n, from);
            wide_g.widened(start + from, n, from);
          });
        });
      // The weight's gradient comes in greater pieces, some outputs each, so it goes first.
      tasks(shares + cut.count(), [&](int64_t task) {
        if (task < shares)
          part(task, shares, outputs, [&](int64_t from, int64_t n) {
            Tensor to = dw.narrow(0, from, n);
            to.addmm_(wide_g.at(start, 0, length).narrow(1, from, n).t(), wide_in.at(start, 0, length));
          });
        else
          cut.at_task(task - shares, [&](int64_t number, int64_t from, int64_t n, int64_t column, int64_t width) {
            const Tensor of = wide_g.at(start + from, from, n);
            if (bias_type >= 0 && column == 0) add_rows(of.data_ptr<float>(), sums.data_ptr<float>() + number * outputs, n, outputs);
            if (to_x) product(dx, start + from, column, width, of, w, none);
          });
      });
      if (bias_type >= 0) db += sums.sum(0);
    }
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
