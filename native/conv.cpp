// longtake::causal_conv and longtake::pixel_norm: the two operators of a causal video autoencoder, on a CPU and without gradients. The
// arithmetic is in conv_kernel.cpp; here are the checks, the packed weights and the threads.
#include "conv.h"
#include "instructions.h"
#include "longtake_torch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_map>

namespace {

using at::Tensor;
using conv::Job;

int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Winograd's matrix G for kernels of 3 and tiles of 4: [36] points of a 3x3 kernel.
void to_points(const float* kernel, float* points) {
  static const double g[6][3] = {{1. / 4, 0, 0}, {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6},
                                 {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1}};
  double half[6][3];
  for (int i = 0; i < 6; i++)
    for (int x = 0; x < 3; x++) half[i][x] = g[i][0] * kernel[x] + g[i][1] * kernel[3 + x] + g[i][2] * kernel[6 + x];
  for (int i = 0; i < 6; i++)
    for (int k = 0; k < 6; k++) points[i * 6 + k] = float(g[k][0] * half[i][0] + g[k][1] * half[i][1] + g[k][2] * half[i][2]);
}

bool few(const Tensor& weight) { return weight.size(0) <= conv::few_channels && weight.size(1) <= conv::few_channels; }

// [outer, inner, taps, k, k] as [panel][inner][taps][k][k][outer of the panel].
Tensor pack_few(const Tensor& weight) {
  const Tensor w = at::constant_pad_nd(weight.to(at::kFloat), {0, 0, 0, 0, 0, 0, 0, 0, 0, up(weight.size(0), conv::few_panel) - weight.size(0)});
  return w.view({-1, conv::few_panel, weight.numel() / weight.size(0)}).transpose(1, 2).contiguous();
}

// [outer, inner, taps, 3, 3] or [outer, inner, taps, 1, 1] in the order the kernel reads.
Tensor pack(const Tensor& weight, const conv::Kernels& kernel) {
  if (few(weight)) return pack_few(weight);
  const Tensor w = weight.to(at::kFloat).contiguous();
  const int64_t outer = w.size(0), inner = w.size(1), taps = w.size(2), area = w.size(3) * w.size(4), padded = up(inner, kernel.lanes);
  const int64_t columns = up(outer, kernel.lanes), points = area == 9 ? conv::points : 1;
  const Tensor packed = at::zeros({columns * points * taps * padded});
  float* const to = packed.data_ptr<float>();
  const float* const from = w.data_ptr<float>();
  at::parallel_for(0, outer, 1, [&](int64_t first, int64_t last) {
    float values[conv::points];
    for (int64_t o = first; o < last; o++) {
      const int64_t panel = o / kernel.panel, width = std::min(kernel.panel, columns - panel * kernel.panel);
      float* const place = to + panel * kernel.panel * points * taps * padded + o % kernel.panel;
      for (int64_t i = 0; i < inner; i++)
        for (int64_t t = 0; t < taps; t++) {
          const float* k = from + ((o * inner + i) * taps + t) * area;
          if (area == 9) to_points(k, values);
          else values[0] = *k;
          for (int64_t p = 0; p < points; p++) place[((p * taps + t) * padded + i) * width] = values[p];
        }
    }
  });
  return packed;
}

// Packed weights live as long as the weights they were made of, and are made anew when those have changed.
class Packed {
 public:
  Tensor of(const Tensor& weight, const conv::Kernels& kernel) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = entries.find(weight.unsafeGetTensorImpl());
    if (found != entries.end() && !found->second.source.expired() && found->second.version == weight._version() && found->second.kernel == &kernel)
      return found->second.packed;
    sweep();
    Entry entry{c10::weak_intrusive_ptr<c10::TensorImpl>(weight.getIntrusivePtr()), weight._version(), &kernel, pack(weight.dim() == 4 ? weight.unsqueeze(2) : weight, kernel)};
    const Tensor packed = entry.packed;
    entries.erase(weight.unsafeGetTensorImpl());
    entries.emplace(weight.unsafeGetTensorImpl(), std::move(entry));
    return packed;
  }

  // Lets go what was packed of weights that are no more.
  void release() {
    const std::lock_guard<std::mutex> guard(lock);
    sweep();
  }

  static Packed& all() {
    static Packed& instance = *new Packed;   // never destroyed: libtorch's allocator may be gone by then
    return instance;
  }

 private:
  void sweep() {
    for (auto e = entries.begin(); e != entries.end();) e = e->second.source.expired() ? entries.erase(e) : std::next(e);
  }

  struct Entry {
    c10::weak_intrusive_ptr<c10::TensorImpl> source;
    int64_t version;
    const conv::Kernels* kernel;
    Tensor packed;
  };
  std::mutex lock;
  std::unordered_map<c10::TensorImpl*, Entry> entries;
};

at::MemoryFormat order(bool few) { return few ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast3d; }

// What is one task's. About so many rows a product: packed weights are read once for all of them, and what they are transformed to stays in
// the cache.
void cut(Job& j, const conv::Kernels& kernel) {
  constexpr int64_t rows = 128, unit = 8;
  const int64_t tiles = j.wide ? (j.height + 3) / 4 * ((j.width + 3) / 4) : j.height * j.width;
  j.group = std::min<int64_t>(j.frames, 8);
  j.block = std::min(up(rows / j.group, unit), up(tiles, unit));
  j.parts = 1;
  const int64_t few = 4 * at::get_num_threads(), whole = kernel.tasks(j), panels = (up(j.outer, kernel.lanes) + kernel.panel - 1) / kernel.panel;
  if (whole < few) j.parts = std::min(panels, (few + whole - 1) / whole);
}

// Of few channels: rows, then frames, so that about so many numbers are read again and again.
void cut_few(Job& j) {
  constexpr int64_t numbers = 1 << 16;
  const int64_t border = j.wide ? 2 : 0, row = j.inner * (j.width + border), taps = j.taps;
  j.block = std::min(j.height, std::max<int64_t>(1, numbers / (row * taps) - border));
  j.group = std::min(j.frames, std::max<int64_t>(1, numbers / (row * (j.block + border)) - taps + 1));
  j.parts = 1;
}

// The weight of a kernel of one frame may come without its dimension of time.
Tensor causal_conv(const Tensor& x_in, const c10::optional<Tensor>& before_in, const Tensor& weight_in, const Tensor& bias,
                   const c10::optional<Tensor>& add_in, bool doubled, bool pairs, const std::string& instructions) {
  const Tensor weight = weight_in.dim() == 4 ? weight_in.unsqueeze(2) : weight_in;
  TORCH_CHECK(x_in.device().is_cpu() && (x_in.scalar_type() == at::kFloat || x_in.scalar_type() == at::kBFloat16),
              "the input is ", x_in.scalar_type(), " on ", x_in.device(), "; wanted is float or BFloat16 on the CPU");
  TORCH_CHECK(x_in.dim() == 5 && x_in.numel() > 0 && weight.dim() == 5 && weight.size(1) == x_in.size(1) && bias.numel() == weight.size(0) &&
                  weight.size(3) == weight.size(4) && (weight.size(3) == 3 || weight.size(3) == 1) && (weight.size(2) == 3 || weight.size(2) == 1),
              "x is ", x_in.sizes(), ", weight ", weight.sizes(), ", bias ", bias.sizes(), "; wanted are [B, C, T, H, W], [outer, C, 1 or 3, 1 or 3, the same] and [outer]");
  TORCH_CHECK(!pairs || weight.size(0) % 2 == 0, "pairs of frames want an even number of channels, not ", weight.size(0));
  TORCH_CHECK(!doubled || weight.size(3) == 3, "only 3x3 kernels read doubled inputs");
  const auto& kernel = LT_BEST(conv, instructions);
  Job j{};
  j.few = few(weight);
  const auto memory_order = order(j.few);
  const Tensor x = x_in.contiguous(memory_order);
  j.batches = x.size(0), j.frames = x.size(2), j.height = x.size(3) * (doubled ? 2 : 1), j.width = x.size(4) * (doubled ? 2 : 1);
  j.inner = x.size(1), j.outer = weight.size(0), j.taps = weight.size(2);
  j.half = x.scalar_type() == at::kBFloat16, j.wide = weight.size(3) == 3, j.doubled = doubled, j.pairs = pairs;
  Tensor before, add;
  if (before_in && j.taps > 1) {
    TORCH_CHECK(before_in->dim() == 5 && before_in->size(0) == x.size(0) && before_in->size(1) == x.size(1) && before_in->size(2) == j.taps - 1 &&
                    before_in->size(3) == x.size(3) && before_in->size(4) == x.size(4) && before_in->scalar_type() == x.scalar_type(),
                "the frames before are ", before_in->sizes(), " ", before_in->scalar_type(), ", x is ", x.sizes(), " ", x.scalar_type());
    before = before_in->contiguous(memory_order);
    j.before = before.data_ptr();
  }
  const Tensor out = at::empty({j.batches, pairs ? j.outer / 2 : j.outer, j.frames * (pairs ? 2 : 1), j.height, j.width},
                               x.options().memory_format(memory_order));
  if (add_in) {
    TORCH_CHECK(add_in->sizes() == out.sizes() && add_in->scalar_type() == out.scalar_type(), "what is added is ", add_in->sizes(), ", the output ", out.sizes());
    add = add_in->contiguous(memory_order);
    j.add = add.data_ptr();
  }
  const Tensor weights = Packed::all().of(weight_in, kernel), shift = at::zeros({up(j.outer, j.few ? conv::few_panel : kernel.lanes)});
  shift.narrow(0, 0, j.outer).copy_(bias);
  j.x = x.data_ptr(), j.weight = weights.data_ptr<float>(), j.bias = shift.data_ptr<float>(), j.out = out.data_ptr();
  if (j.few) cut_few(j);
  else cut(j, kernel);
  const int64_t scratch = kernel.scratch(j);
  at::parallel_for(0, kernel.tasks(j), 1, [&](int64_t first, int64_t last) {
    const Tensor memory = at::empty({scratch + 64}, at::kByte);
    char* const aligned = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.data_ptr()) + 63) / 64 * 64);
    for (int64_t task = first; task < last; task++) kernel.run(j, task, aligned);
  });
  return out;
}

Tensor pixel_norm(const Tensor& x_in, const Tensor& gamma, bool silu, const std::string& instructions) {
  TORCH_CHECK(x_in.device().is_cpu() && (x_in.scalar_type() == at::kFloat || x_in.scalar_type() == at::kBFloat16) && x_in.dim() == 5 &&
                  gamma.numel() == x_in.size(1),
              "x is ", x_in.sizes(), " ", x_in.scalar_type(), " on ", x_in.device(), ", gamma ", gamma.sizes());
  const auto& kernel = LT_BEST(conv, instructions);
  const bool few = x_in.size(1) <= conv::few_channels;
  const Tensor x = x_in.contiguous(order(few)), factor = gamma.to(at::kFloat).contiguous(), y = at::empty_like(x);
  const conv::Norm n{x.data_ptr(), factor.data_ptr<float>(), y.data_ptr(), x.size(1), few ? x.size(2) * x.size(3) * x.size(4) : 0,
                     x.scalar_type() == at::kBFloat16, silu};
  at::parallel_for(0, x.numel() / n.channels, std::max<int64_t>(1, (1 << 14) / n.channels), [&](int64_t first, int64_t last) { kernel.norm(n, first, last); });
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(longtake, m) {
  m.def("causal_conv(Tensor x, Tensor? before, Tensor weight, Tensor bias, Tensor? add=None, bool doubled=False, bool pairs=False, "
        "str instructions=\"avx512\") -> Tensor", causal_conv);
  m.def("pixel_norm(Tensor x, Tensor gamma, bool silu, str instructions=\"avx512\") -> Tensor", pixel_norm);
}

int32_t lt_release_packed() {
  return lt_guard([] { Packed::all().release(); });
}
