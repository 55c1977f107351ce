// x W^T + b of float32 or bfloat16 tokens (linear_kernel.cpp). float32 tokens are multiplied in float32. What is stored as bfloat16 becomes, a stretch at a time and on its
// way into the product, either float32 too or whole numbers of 16 bits with a scale for each row and column: twice as many of these are multiplied at a time, and they
// hold 11 to 12 bits of the largest number of a row where bfloat16 holds 8 of each. Threads share the tokens, and the outputs of the weight's gradient.
#include "layer.h"

namespace {

// How bfloat16 is multiplied fastest: by libtorch as it is with AMX, and on AMD with AVX512-BF16 (Intel's AVX512-BF16 alone runs at half the rate of float32); else
// as whole numbers with AVX512-VNNI, where all is there that `avx512` is compiled for; else in float32.
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

constexpr int64_t float_depth = 2048;  // floats that a product sums at a time
constexpr int64_t chunk = 192;         // tokens that the products of a weight's gradient sum at a time: a panel of them stays in the first cache

template <class E> LT_CLONES void add_rows(const E* rows, int64_t stride, float* sum, int64_t count, int64_t width) {
  for (int64_t n = 0; n < count; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) sum[i] += get(rows[n * stride + i]);
}

// A matrix whose columns are a weight's rows, or (turned) its columns, packed as tasks of some panels.
struct Packing {
  const linear::Kernels& kernel;
  const float* weight;
  int64_t width;
  bool turned;
  Right right;
  int64_t together = std::max<int64_t>(1, (1 << 15) / (panel * right.length));

  // weight [outputs, inputs]
  Packing(const linear::Kernels& kernel, Kind kind, const float* weight, int64_t outputs, int64_t inputs, bool turned, bool any = true)
      : kernel(kernel), weight(weight), width(inputs), turned(turned),
        right{kind, turned ? outputs : inputs, !any ? 0 : turned ? inputs : outputs, kind == linear::floats ? float_depth : linear::whole_depth, {}, {}, {}} {
    right.packed = at::empty({right.panels(), right.units(), panel});
    if (kind != linear::floats) right.scales = at::empty({parts(right.length, right.depth), right.panels(), panel});
  }
  int64_t count() const { return parts(right.panels(), together); }
  void run(int64_t task) const {
    const int64_t from = task * together * panel, n = std::min(right.columns - from, together * panel);
    for (int64_t at = 0; at < right.length; at += right.depth)
      (turned ? kernel.pack_rows : kernel.pack_columns)(right.kind, {turned ? weight + at * width + from : weight + from * width + at, false, width},
                                                        std::min(right.depth, right.length - at), n, const_cast<char*>(right.unit(from, at)), right.units() * panel,
                                                        right.scale(from, at));
  }
};

// One layer, or several, each for its own place of tokens [.., places, inputs] and with its own weight of [places, outputs, inputs].
struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& bias, bool int16, const std::string& instructions) {
    on_cpu(x);
    TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "tokens in float32 or bfloat16, not ", x.scalar_type());
    TORCH_CHECK((weight.dim() == 2 || weight.dim() == 3) && weight.numel() > 0 && x.dim() > weight.dim() - 2 && x.size(-1) == weight.size(-1) &&
                    (weight.dim() == 2 || x.size(-2) == weight.size(0)), "weight ", weight.sizes(), " does not fit tokens ", x.sizes());
    const auto& kernel = kernels(instructions);
    const Kind kind = int16 && x.scalar_type() == at::kBFloat16 ? linear::wholes : linear::floats;
    const int64_t inputs = weight.size(-1), outputs = weight.size(-2), places = weight.numel() / (inputs * outputs);
    TORCH_CHECK(!bias || bias->numel() == places * outputs, "a bias ", bias->sizes(), " does not fit the weight ", weight.sizes());
    const Tensor w = plain(weight), rows = flat(x, places * inputs), b = bias ? plain(*bias) : Tensor(), y = at::empty({rows.size(0), places * outputs}, x.options());
    const Tokens in(rows, kernel, kind), out(y, kernel, kind);
    for (int64_t place = 0; place < places; place++) {
      const Packing packing(kernel, kind, w.data_ptr<float>() + place * outputs * inputs, outputs, inputs, false);
      tasks(packing.count(), [&](int64_t task) { packing.run(task); });
      const Layer layer{kernel, in, place * inputs, packing.right, bias ? b.data_ptr<float>() + place * outputs : nullptr, out, place * outputs, rows.size(0)};
      tasks(layer.count(), [&](int64_t task) { layer.run(task); });
    }
    ctx->save_for_backward({x, weight, bias && bias->requires_grad() ? *bias : Tensor()});
    ctx->saved_data["x"] = x.requires_grad();
    ctx->saved_data["weight"] = weight.requires_grad();
    ctx->saved_data["kind"] = static_cast<int64_t>(kind);
    ctx->saved_data["instructions"] = instructions;
    auto shape = x.sizes().vec();
    shape.back() = outputs;
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::linear has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    const auto& kernel = kernels(ctx->saved_data["instructions"].toStringRef());
    const bool to_x = ctx->saved_data["x"].toBool(), to_weight = ctx->saved_data["weight"].toBool(), to_bias = bias.defined();
    const Kind kind = static_cast<Kind>(ctx->saved_data["kind"].toInt());
    const int64_t inputs = weight.size(-1), outputs = weight.size(-2), places = weight.numel() / (inputs * outputs), all = places * outputs;
    const Tensor w = plain(weight), left = flat(x, places * inputs), pull = flat(grads[0].to(x.scalar_type()), all);
    const int64_t tokens = left.size(0), room = std::max<int64_t>(chunk, std::min<int64_t>(1 << 13, (4 << 20) / inputs) / chunk * chunk);
    const Tensor dx = to_x ? at::empty_like(left) : Tensor(), dw = to_weight ? at::empty(weight.sizes()) : Tensor();
    const Tensor sums = at::zeros({to_bias ? Layer::blocks_of(tokens) : 0, all});
    if (to_weight && tokens == 0) dw.zero_();
    const Tokens in(left, kernel, kind), g(pull, kernel, kind), out(to_x ? dx : left, kernel, kind);
    // The gradient of the tokens, with sums of the bias's, is made along with the first part of the weight's, which comes from panels of as many tokens as
    // there is room for.
    for (int64_t place = 0; place < places; place++) {
      const Packing packing(kernel, kind, w.data_ptr<float>() + place * outputs * inputs, outputs, inputs, true, to_x);
      const Layer layer{kernel, g, place * outputs, packing.right, nullptr, out, place * inputs, tokens};
      for (int64_t start = 0; start == 0 || (to_weight && start < tokens); start += room) {
        const int64_t length = to_weight ? std::min(room, tokens - start) : 0, chunks = parts(length, chunk), width = parts(inputs, panel) * panel;
        const int64_t step = chunk / kind;  // units of a chunk
        const auto size = [&](int64_t i) { return std::min(chunk, length - i * chunk); };
        const Tensor panels = at::empty({chunks, step, width}), scales = at::empty({kind == linear::floats ? 0 : chunks, width});
        const auto units = [&](int64_t i) { return panels.data_ptr<float>() + i * step * width; };
        const auto scale = [&](int64_t i) { return kind == linear::floats ? nullptr : scales.data_ptr<float>() + i * width; };
        tasks(chunks + (start == 0 ? packing.count() : 0), [&](int64_t i) {
          if (i >= chunks) return packing.run(i - chunks);
          kernel.pack_rows(kind, in.source(start + i * chunk, place * inputs), size(i), inputs, units(i), step * panel, scale(i));
        });
        const int64_t shares = length > 0 ? parts(outputs, panel) : 0;
        tasks(shares + (start == 0 && (to_x || to_bias) ? layer.count() : 0), [&](int64_t task) {
          if (task >= shares)
            return layer.run(task - shares, [&](int64_t number, int64_t first, int64_t n) {
              const int64_t at = first * all + place * outputs;
              float* const sum = sums.data_ptr<float>() + number * all + place * outputs;
              if (!to_bias) return;
              if (g.half()) add_rows(pull.data_ptr<BFloat16>() + at, all, sum, n, outputs);
              else add_rows(pull.data_ptr<float>() + at, all, sum, n, outputs);
            });
          const int64_t from = task * panel, n = std::min(panel, outputs - from);
          for (int64_t i = 0; i < chunks; i++) {
            const Left a = g.columns(start + i * chunk, size(i), place * outputs + from, n);
            kernel.product({kind, n, parts(size(i), kind), inputs, a.data, a.row, a.unit, units(i), step * panel, a.scales, scale(i), nullptr, nullptr,
                            dw.data_ptr<float>() + (place * outputs + from) * inputs, inputs, false, start + i > 0});
          }
        });
      }
    }
    return {dx.defined() ? dx.view(x.sizes()) : Tensor(), to_weight ? dw.to(weight.scalar_type()) : Tensor(),
            to_bias ? sums.sum(0).view(bias.sizes()).to(bias.scalar_type()) : Tensor(), Tensor(), Tensor()};
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
