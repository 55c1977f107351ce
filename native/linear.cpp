// x W^T + b of float32 or bfloat16 tokens, in float32 (linear_kernel.cpp). Threads share the tokens, and the outputs of the weight's gradient. bfloat16
// tokens become float32 a stretch at a time, on their way into the product, so memory holds bfloat16; faster than bfloat16 products
// wherever the processor multiplies float32 at the higher rate.
#include "linear.h"

#include "fused.h"
#include "instructions.h"

#include <algorithm>
#include <atomic>
#include <vector>

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

constexpr int64_t block = 64;  // tokens of a task at most: their copies stay in a core's nearest caches
constexpr int64_t rows_at_once = 8;
constexpr int64_t depth = 2048;  // units that a product sums at a time
constexpr int64_t near = 1 << 18;  // floats of the right side that stay in a core's second cache
constexpr int64_t share = 48;  // outputs of a task of the weight's gradient
constexpr int64_t chunk = 192;  // tokens that its products sum at a time: a panel of them stays in the first cache

int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

// Does work(i) for i from 0 to count, each thread the next that nobody has begun. Which thread does what changes no result.
template <class F> void tasks(int64_t count, const F& work) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next++) < count;) work(i);
  });
}

// Rows of `width` elements, those of `from` `stride` apart.
LT_CLONES void widen(const BFloat16* from, int64_t stride, float* to, int64_t rows, int64_t width) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) to[n * width + i] = get(from[n * stride + i]);
}

LT_CLONES void narrow(const float* from, BFloat16* to, int64_t stride, int64_t rows, int64_t width) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) put(to + n * stride + i, from[n * width + i]);
}

LT_CLONES void add_rows(const float* rows, int64_t stride, float* sum, int64_t count, int64_t width) {
  for (int64_t n = 0; n < count; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) sum[i] += rows[n * stride + i];
}

Tensor flat(const Tensor& t, int64_t width) { return t.reshape({-1, width}).contiguous(); }

const linear::Kernels& kernels(const std::string& instructions) { return LT_BEST(linear, instructions); }

// A tensor [tokens, width] as float32 that a product can read: where it lies, or (bfloat16) copied to memory of the task's own.
class Tokens {
 public:
  explicit Tokens(const Tensor& t) : t_(t), half_(t.scalar_type() == at::kBFloat16), width_(t.size(1)) {}
  // `count` columns from `column` on of `n` rows from `from` on; `stride` becomes the distance of the rows.
  const float* at(int64_t from, int64_t n, int64_t column, int64_t count, std::vector<float>& memory, int64_t& stride) const {
    stride = half_ ? count : width_;
    if (!half_) return t_.data_ptr<float>() + from * width_ + column;
    if (memory.size() < static_cast<size_t>(n * count)) memory.resize(n * count);
    widen(t_.data_ptr<BFloat16>() + from * width_ + column, width_, memory.data(), n, count);
    return memory.data();
  }
  bool half() const { return half_; }
  char* row(int64_t n) const { return static_cast<char*>(t_.data_ptr()) + n * width_ * t_.element_size(); }

 private:
  Tensor t_;
  bool half_;
  int64_t width_;
};

std::vector<float>& own_memory() {
  static thread_local std::vector<float> memory;
  return memory;
}

// The right side of products, packed in panels of its columns.
struct Right {
  const linear::Kernels& kernel;
  int64_t units, columns, panels = parts(columns, kernel.panel), together = std::max<int64_t>(1, (1 << 15) / (kernel.panel * units));
  Tensor packed = at::empty({panels * kernel.panel * units});

  // Packs some panels; work(first column, columns, where to).
  int64_t count() const { return parts(panels, together); }
  template <class F> void pack(int64_t task, const F& work) const {
    const int64_t from = task * together * kernel.panel;
    work(from, std::min(columns - from, together * kernel.panel), packed.data_ptr<float>() + from * units);
  }
};

// to = tokens times right, plus bias, as tasks of some tokens, equal and of a number that few threads share without rest, and, if these are too few for many
// threads or the panels too large to stay near, of some panels, one group of them after the other. No cut here asks how many threads there are, so their number
// changes no result.
struct Layer {
  const Tokens& from;
  const Right& right;
  const float* bias;
  const Tokens& to;
  int64_t tokens, blocks = blocks_of(tokens);
  int64_t groups = std::max<int64_t>({1, std::min(16 / std::max<int64_t>(1, blocks), right.panels / 4),
                                      right.panels * right.kernel.panel * std::min(right.units, depth) / near});

  static int64_t blocks_of(int64_t tokens) { return tokens <= block ? parts(tokens, block) : parts(parts(tokens, block), 4) * 4; }
  int64_t first_of(int64_t i) const { return std::min(tokens, parts(tokens, rows_at_once) * i / blocks * rows_at_once); }
  int64_t count() const { return blocks * groups; }
  // wide(number, n, unit, units, rows, stride) sees the tokens in float32, once each.
  template <class F> void run(int64_t task, const F& wide) const {
    const int64_t group = task / blocks, number = task % blocks, first = first_of(number), n = first_of(number + 1) - first;
    const int64_t column = right.panels * group / groups * right.kernel.panel, end = std::min(right.columns, right.panels * (group + 1) / groups * right.kernel.panel);
    const bool half = to.half(), several = right.units > depth;
    std::vector<float> sum(several && half ? n * std::max<int64_t>(0, end - column) : 0);
    for (int64_t unit = 0; unit < right.units; unit += depth) {
      const int64_t units = std::min(depth, right.units - unit);
      int64_t stride;
      const float* rows = from.at(first, n, unit, units, own_memory(), stride);
      if (group == 0) wide(number, n, unit, units, rows, stride);
      if (column >= end) continue;
      char* const out = to.row(first) + column * (half ? 2 : 4);
      right.kernel.product({n, units, end - column, rows, stride, 1, right.packed.data_ptr<float>() + column * right.units + unit * right.kernel.panel,
                            right.units * right.kernel.panel, bias && unit == 0 ? bias + column : nullptr, sum.empty() ? out : static_cast<void*>(sum.data()),
                            sum.empty() ? right.columns : end - column, half && !several, unit > 0});
    }
    if (!sum.empty()) narrow(sum.data(), reinterpret_cast<BFloat16*>(to.row(first)) + column, right.columns, n, end - column);
  }
};

struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias, const std::string& instructions) {
    on_cpu(x);
    TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "tokens in float32 or bfloat16, not ", x.scalar_type());
    TORCH_CHECK(weight.dim() == 2 && weight.numel() > 0 && x.dim() > 0 && x.size(-1) == weight.size(1), "weight ", weight.sizes(), " does not fit tokens ", x.sizes());
    TORCH_CHECK(!bias || bias->numel() == weight.size(0), "a bias ", bias->sizes(), " does not fit the weight ", weight.sizes());
    const auto& kernel = kernels(instructions);
    const int64_t inputs = weight.size(1), outputs = weight.size(0);
    const Tensor w = plain(weight), rows = flat(x, inputs), b = bias ? plain(*bias) : Tensor(), y = at::empty({rows.size(0), outputs}, x.options());
    const Right right{kernel, inputs, outputs};
    tasks(right.count(), [&](int64_t task) {
      right.pack(task, [&](int64_t from, int64_t n, float* to) { kernel.pack_columns(w.data_ptr<float>() + from * inputs, inputs, inputs, n, to); });
    });
    const Tokens in(rows), out(y);
    const Layer layer{in, right, bias ? b.data_ptr<float>() : nullptr, out, rows.size(0)};
    tasks(layer.count(), [&](int64_t task) { layer.run(task, [](int64_t, int64_t, int64_t, int64_t, const float*, int64_t) {}); });
    ctx->save_for_backward({x, weight});
    ctx->saved_data["x"] = x.requires_grad();
    ctx->saved_data["weight"] = weight.requires_grad();
    ctx->saved_data["bias"] = bias && bias->requires_grad() ? static_cast<int64_t>(bias->scalar_type()) : int64_t(-1);
    ctx->saved_data["instructions"] = instructions;
    auto shape = x.sizes().vec();
    shape.back() = outputs;
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::linear has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const auto& kernel = kernels(ctx->saved_data["instructions"].toStringRef());
    const bool to_x = ctx->saved_data["x"].toBool(), to_weight = ctx->saved_data["weight"].toBool();
    const int64_t bias_type = ctx->saved_data["bias"].toInt(), inputs = weight.size(1), outputs = weight.size(0);
    const Tensor w = plain(weight), left = flat(x, inputs), pull = flat(grads[0].to(x.scalar_type()), outputs);
    const int64_t tokens = left.size(0), room = std::max<int64_t>(chunk, std::min<int64_t>(1 << 13, (4 << 20) / inputs) / chunk * chunk);
    const Tensor dx = to_x ? at::empty_like(left) : Tensor(), dw = to_weight ? at::empty({outputs, inputs}) : Tensor();
    const Tensor sums = at::zeros({bias_type >= 0 ? Layer::blocks_of(tokens) : 0, outputs});
    if (to_weight && tokens == 0) dw.zero_();
    const Tokens in(left), g(pull);

    // The gradient of the tokens, with sums of the bias's, is made along with the first part of the weight's, which comes from panels of as many tokens as
    // there is room for.
    const Right right{kernel, outputs, to_x ? inputs : 0};
    const Tokens out(to_x ? dx : left);
    const Layer layer{g, right, nullptr, out, tokens};
    for (int64_t start = 0; start == 0 || (to_weight && start < tokens); start += room) {
      const int64_t length = to_weight ? std::min(room, tokens - start) : 0, chunks = parts(length, chunk), width = parts(inputs, kernel.panel) * kernel.panel;
      const auto size = [&](int64_t i) { return std::min(chunk, length - i * chunk); };
      const Tensor panels = at::empty({length * width});
      tasks(chunks + (start == 0 ? right.count() : 0), [&](int64_t i) {
        if (i < chunks) kernel.pack_rows(in.row(start + i * chunk), in.half(), inputs, size(i), inputs, panels.data_ptr<float>() + i * chunk * width);
        else right.pack(i - chunks, [&](int64_t from, int64_t n, float* to) { kernel.pack_rows(w.data_ptr<float>() + from, false, inputs, outputs, n, to); });
      });
      const int64_t shares = length > 0 ? parts(outputs, share) : 0;
      tasks(shares + (start == 0 && (to_x || bias_type >= 0) ? layer.count() : 0), [&](int64_t task) {
        if (task >= shares)
          return layer.run(task - shares, [&](int64_t number, int64_t n, int64_t output, int64_t count, const float* rows, int64_t stride) {
            if (bias_type >= 0) add_rows(rows, stride, sums.data_ptr<float>() + number * outputs + output, n, count);
          });
        const int64_t from = task * share, n = std::min(share, outputs - from);
        for (int64_t i = 0; i < chunks; i++) {
          int64_t stride;
          const float* a = g.at(start + i * chunk, size(i), from, n, own_memory(), stride);
          kernel.product({n, size(i), inputs, a, 1, stride, panels.data_ptr<float>() + i * chunk * width, size(i) * kernel.panel, nullptr, dw.data_ptr<float>() + from * inputs, inputs, false, start + i > 0});
        }
      });
    }
    return {dx.defined() ? dx.view(x.sizes()) : Tensor(), to_weight ? dw.to(weight.scalar_type()) : Tensor(),
            bias_type >= 0 ? sums.sum(0).to(static_cast<at::ScalarType>(bias_type)) : Tensor(), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("float_products() -> bool", float_products);
  m.def("linear(Tensor x, Tensor weight, Tensor? bias, str instructions=\"avx512\") -> Tensor",
        [](const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias, const std::string& instructions) { return Linear::apply(x, weight, bias, instructions); });
}
