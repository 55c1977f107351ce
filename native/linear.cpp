// x W^T + b of float32 or bfloat16 tokens (linear_kernel.cpp). float32 tokens are multiplied in float32. What is stored as bfloat16 becomes, a stretch at a time and on its
// way into the product, either float32 too or whole numbers of 16 bits with a scale for each row and column: twice as many of these are multiplied at a time, and they
// hold 11 to 12 bits of the largest number of a row where bfloat16 holds 8 of each. Threads share the tokens, and the outputs of the weight's gradient.
#include "linear.h"

#include "fused.h"
#include "instructions.h"

#include <algorithm>
#include <atomic>
#include <vector>

namespace {

// How bfloat16 is multiplied fastest: by libtorch as it is with AMX, and on AMD with AVX512-BF16 (Intel's AVX512-BF16 alone runs at half the rate of float32); else
// as whole numbers with AVX512-VNNI; else in float32.
int64_t products() {
  enum { bfloat16, float32, int16 };  // ProductKind
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || __builtin_cpu_supports("amx-bf16") || (__builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16"))) return bfloat16;
  return instructions::level() == 2 ? int16 : float32;
#else
  return bfloat16;
#endif
}

constexpr int64_t block = 64;  // tokens of a task at most: their copies stay in a core's nearest caches
constexpr int64_t rows_at_once = 8;
constexpr int64_t float_depth = 2048;  // units that a product sums at a time
constexpr int64_t near = 1 << 18;  // units of the right side that stay in a core's second cache
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

template <class E> LT_CLONES void add_rows(const E* rows, float* sum, int64_t count, int64_t width) {
  for (int64_t n = 0; n < count; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) sum[i] += get(rows[n * width + i]);
}

Tensor flat(const Tensor& t, int64_t width) { return t.reshape({-1, width}).contiguous(); }

const linear::Kernels& kernels(const std::string& instructions) { return LT_BEST(linear, instructions); }

std::vector<float>& own_memory() {
  static thread_local std::vector<float> memory;
  return memory;
}

// The left side of products as their units are read.
struct Left {
  const void* data;
  int64_t row, unit;
  const float* scales;
};

// A tensor [tokens, width] as products read it: where it lies (float32), or copied to memory of the task's own.
class Tokens {
 public:
  Tokens(const Tensor& t, const linear::Kernels& kernel, bool whole)
      : t_(t), kernel_(kernel), half_(t.scalar_type() == at::kBFloat16), whole_(whole), width_(t.size(1)) {}
  // Rows: `n` tokens from `from` on, of them `count` columns from `column` on, which are summed.
  Left rows(int64_t from, int64_t n, int64_t column, int64_t count) const {
    if (whole_) {
      const int64_t pairs = parts(count, 2);
      float* const memory = room(n * pairs + n);
      kernel_.whole_tokens(source(from, column), n, count, reinterpret_cast<int32_t*>(memory), memory + n * pairs);
      return {memory, pairs, 1, memory + n * pairs};
    }
    int64_t stride;
    const float* data = floats(from, n, column, count, stride);
    return {data, stride, 1, nullptr};
  }
  // Rows are the columns, and the tokens are summed.
  Left columns(int64_t from, int64_t n, int64_t column, int64_t count) const {
    if (whole_) {
      const int64_t pairs = parts(n, 2);
      float* const memory = room((pairs + 1) * kernel_.panel * parts(count, kernel_.panel));
      // One panel: a share has no more columns.
      kernel_.whole_rows(source(from, column), n, count, reinterpret_cast<int32_t*>(memory), pairs * kernel_.panel, memory + pairs * kernel_.panel);
      return {memory, 1, kernel_.panel, memory + pairs * kernel_.panel};
    }
    int64_t stride;
    const float* data = floats(from, n, column, count, stride);
    return {data, 1, stride, nullptr};
  }
  linear::Source source(int64_t from, int64_t column) const { return {row(from) + column * t_.element_size(), half_, width_}; }
  bool half() const { return half_; }
  char* row(int64_t n) const { return static_cast<char*>(t_.data_ptr()) + n * width_ * t_.element_size(); }
  void add_to(float* sum, int64_t from, int64_t n) const {
    if (half_) add_rows(reinterpret_cast<const BFloat16*>(row(from)), sum, n, width_);
    else add_rows(reinterpret_cast<const float*>(row(from)), sum, n, width_);
  }

 private:
  static float* room(int64_t count) {
    std::vector<float>& memory = own_memory();
    if (memory.size() < static_cast<size_t>(count)) memory.resize(count);
    return memory.data();
  }
  const float* floats(int64_t from, int64_t n, int64_t column, int64_t count, int64_t& stride) const {
    stride = half_ ? count : width_;
    if (!half_) return t_.data_ptr<float>() + from * width_ + column;
    float* const memory = room(n * count);
    widen(t_.data_ptr<BFloat16>() + from * width_ + column, width_, memory, n, count);
    return memory;
  }

  Tensor t_;
  const linear::Kernels& kernel_;
  bool half_, whole_;
  int64_t width_;
};

// The right side of products, packed in panels of its columns.
struct Right {
  const linear::Kernels& kernel;
  bool whole;
  int64_t length, columns;  // numbers that are summed
  int64_t depth = whole ? linear::whole_depth : float_depth, units = whole ? parts(length, 2) : length, panels = parts(columns, kernel.panel),
          together = std::max<int64_t>(1, (1 << 15) / (kernel.panel * length));
  Tensor packed = at::empty({panels * kernel.panel * units}), scales = at::empty({whole ? parts(length, depth) : 0, panels * kernel.panel});

  int64_t count() const { return parts(panels, together); }
  // Packs some panels of the matrix whose columns are the weight's rows, or (turned) its columns.
  void pack(int64_t task, const Tensor& weight, bool turned) const {
    const int64_t from = task * together * kernel.panel, n = std::min(columns - from, together * kernel.panel), width = weight.size(1);
    float* const to = packed.data_ptr<float>() + from * units;
    const float* const w = weight.data_ptr<float>() + (turned ? from : from * width);
    if (!whole) return (turned ? kernel.pack_rows : kernel.pack_columns)({w, false, width}, length, n, to);
    for (int64_t at = 0; at < length; at += depth)
      (turned ? kernel.whole_rows : kernel.whole_columns)({turned ? w + at * width : w + at, false, width}, std::min(depth, length - at), n,
                                                          reinterpret_cast<int32_t*>(to) + at / 2 * kernel.panel, units * kernel.panel, scale(at) + from);
  }
  float* scale(int64_t at) const { return whole ? scales.data_ptr<float>() + at / depth * panels * kernel.panel : nullptr; }
  // The units of the columns from `column` on, of the numbers from `at` on.
  const float* unit(int64_t column, int64_t at) const { return packed.data_ptr<float>() + column * units + (whole ? at / 2 : at) * kernel.panel; }
  auto product() const { return whole ? kernel.whole_product : kernel.product; }
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
                                      right.panels * right.kernel.panel * std::min(right.units, right.depth) / near});

  static int64_t blocks_of(int64_t tokens) { return tokens <= block ? parts(tokens, block) : parts(parts(tokens, block), 4) * 4; }
  int64_t first_of(int64_t i) const { return std::min(tokens, parts(tokens, rows_at_once) * i / blocks * rows_at_once); }
  int64_t count() const { return blocks * groups; }
  // begin(number, first, n) once for each block of tokens.
  template <class F> void run(int64_t task, const F& begin) const {
    const int64_t group = task / blocks, number = task % blocks, first = first_of(number), n = first_of(number + 1) - first;
    if (group == 0) begin(number, first, n);
    const int64_t column = right.panels * group / groups * right.kernel.panel, end = std::min(right.columns, right.panels * (group + 1) / groups * right.kernel.panel);
    if (column >= end) return;
    const bool half = to.half(), several = right.length > right.depth;
    std::vector<float> sum(several && half ? n * (end - column) : 0);
    char* const out = to.row(first) + column * (half ? 2 : 4);
    for (int64_t at = 0; at < right.length; at += right.depth) {
      const int64_t length = std::min(right.depth, right.length - at);
      const Left left = from.rows(first, n, at, length);
      right.product()({n, right.whole ? parts(length, 2) : length, end - column, left.data, left.row, left.unit, right.unit(column, at), right.units * right.kernel.panel,
                       left.scales, right.whole ? right.scale(at) + column : nullptr, bias && at == 0 ? bias + column : nullptr,
                       sum.empty() ? out : static_cast<void*>(sum.data()), sum.empty() ? right.columns : end - column, half && !several, at > 0});
    }
    if (!sum.empty()) narrow(sum.data(), reinterpret_cast<BFloat16*>(to.row(first)) + column, right.columns, n, end - column);
  }
};

struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias, bool int16, const std::string& instructions) {
    on_cpu(x);
    TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "tokens in float32 or bfloat16, not ", x.scalar_type());
    TORCH_CHECK(weight.dim() == 2 && weight.numel() > 0 && x.dim() > 0 && x.size(-1) == weight.size(1), "weight ", weight.sizes(), " does not fit tokens ", x.sizes());
    TORCH_CHECK(!bias || bias->numel() == weight.size(0), "a bias ", bias->sizes(), " does not fit the weight ", weight.sizes());
    const auto& kernel = kernels(instructions);
    const bool whole = int16 && x.scalar_type() == at::kBFloat16;
    const int64_t inputs = weight.size(1), outputs = weight.size(0);
    const Tensor w = plain(weight), rows = flat(x, inputs), b = bias ? plain(*bias) : Tensor(), y = at::empty({rows.size(0), outputs}, x.options());
    const Right right{kernel, whole, inputs, outputs};
    tasks(right.count(), [&](int64_t task) { right.pack(task, w, false); });
    const Tokens in(rows, kernel, whole), out(y, kernel, whole);
    const Layer layer{in, right, bias ? b.data_ptr<float>() : nullptr, out, rows.size(0)};
    tasks(layer.count(), [&](int64_t task) { layer.run(task, [](int64_t, int64_t, int64_t) {}); });
    ctx->save_for_backward({x, weight});
    ctx->saved_data["x"] = x.requires_grad();
    ctx->saved_data["weight"] = weight.requires_grad();
    ctx->saved_data["bias"] = bias && bias->requires_grad() ? static_cast<int64_t>(bias->scalar_type()) : int64_t(-1);
    ctx->saved_data["whole"] = whole;
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
    const bool to_x = ctx->saved_data["x"].toBool(), to_weight = ctx->saved_data["weight"].toBool(), whole = ctx->saved_data["whole"].toBool();
    const int64_t bias_type = ctx->saved_data["bias"].toInt(), inputs = weight.size(1), outputs = weight.size(0);
    const Tensor w = plain(weight), left = flat(x, inputs), pull = flat(grads[0].to(x.scalar_type()), outputs);
    const int64_t share = whole ? kernel.panel : 48;  // outputs of a task of the weight's gradient
    const int64_t tokens = left.size(0), room = std::max<int64_t>(chunk, std::min<int64_t>(1 << 13, (4 << 20) / inputs) / chunk * chunk);
    const Tensor dx = to_x ? at::empty_like(left) : Tensor(), dw = to_weight ? at::empty({outputs, inputs}) : Tensor();
    const Tensor sums = at::zeros({bias_type >= 0 ? Layer::blocks_of(tokens) : 0, outputs});
    if (to_weight && tokens == 0) dw.zero_();
    const Tokens in(left, kernel, whole), g(pull, kernel, whole);

    // The gradient of the tokens, with sums of the bias's, is made along with the first part of the weight's, which comes from panels of as many tokens as
    // there is room for.
    const Right right{kernel, whole, outputs, to_x ? inputs : 0};
    const Tokens out(to_x ? dx : left, kernel, whole);
    const Layer layer{g, right, nullptr, out, tokens};
    for (int64_t start = 0; start == 0 || (to_weight && start < tokens); start += room) {
      const int64_t length = to_weight ? std::min(room, tokens - start) : 0, chunks = parts(length, chunk), width = parts(inputs, kernel.panel) * kernel.panel;
      const int64_t step = whole ? chunk / 2 : chunk;  // units of a chunk
      const auto size = [&](int64_t i) { return std::min(chunk, length - i * chunk); };
      const auto units = [&](int64_t i) { return whole ? parts(size(i), 2) : size(i); };
      const Tensor panels = at::empty({chunks * step * width}), scales = at::empty({whole ? chunks : 0, width});
      const auto panel = [&](int64_t i) { return panels.data_ptr<float>() + i * step * width; };
      const auto scale = [&](int64_t i) { return whole ? scales.data_ptr<float>() + i * width : nullptr; };
      tasks(chunks + (start == 0 ? right.count() : 0), [&](int64_t i) {
        if (i >= chunks) return right.pack(i - chunks, w, true);
        const linear::Source from = in.source(start + i * chunk, 0);
        if (whole) kernel.whole_rows(from, size(i), inputs, reinterpret_cast<int32_t*>(panel(i)), units(i) * kernel.panel, scale(i));
        else kernel.pack_rows(from, size(i), inputs, panel(i));
      });
      const int64_t shares = length > 0 ? parts(outputs, share) : 0;
      tasks(shares + (start == 0 && (to_x || bias_type >= 0) ? layer.count() : 0), [&](int64_t task) {
        if (task >= shares)
          return layer.run(task - shares, [&](int64_t number, int64_t first, int64_t n) {
            if (bias_type >= 0) g.add_to(sums.data_ptr<float>() + number * outputs, first, n);
          });
        const int64_t from = task * share, n = std::min(share, outputs - from);
        for (int64_t i = 0; i < chunks; i++) {
          const Left a = g.columns(start + i * chunk, size(i), from, n);
          right.product()({n, units(i), inputs, a.data, a.row, a.unit, panel(i), units(i) * kernel.panel, a.scales, scale(i), nullptr, dw.data_ptr<float>() + from * inputs, inputs, false,
                           start + i > 0});
        }
      });
    }
    return {dx.defined() ? dx.view(x.sizes()) : Tensor(), to_weight ? dw.to(weight.scalar_type()) : Tensor(),
            bias_type >= 0 ? sums.sum(0).to(static_cast<at::ScalarType>(bias_type)) : Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("products() -> int", products);
  m.def("linear(Tensor x, Tensor weight, Tensor? bias, bool int16=False, str instructions=\"avx512\") -> Tensor",
        [](const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias, bool int16, const std::string& instructions) {
          return Linear::apply(x, weight, bias, int16, instructions);
        });
}
