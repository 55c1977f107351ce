// longtake::attention, an operator like any other: softmax(scale q k^T) v on a CPU in memory that grows with the tokens, not with
// their square. The arithmetic is in attention_kernel.cpp; here are the checks, autograd and the threads.
#include "attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <array>
#include <limits>
#include <string>

namespace {

using attention::Job;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The best instruction set this processor has, or a lesser one where that is asked for (by tests).
const attention::Kernels& kernels(const std::string& at_most) {
#ifdef LT_X86
  static const int best = [] {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512dq") ? 2 : 1;
  }();
  if (best == 2 && at_most == "avx512") return attention::avx512;
  if (best >= 1 && at_most != "plain") return attention::avx2;
#endif
  (void)at_most;
  return attention::plain;
}

attention::View view(const at::Tensor& t) { return {t.data_ptr(), t.stride(0), 0, t.stride(1), t.stride(2)}; }

at::Tensor rows(const at::Tensor& t) { return t.stride(3) == 1 ? t : t.contiguous(); }

// Which queries see a key; both undefined: all. Constants, so autograd is not told of them.
struct Mask { at::Tensor from, until; };

// Fills everything of a job but its results.
Job job_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, const Mask& mask) {
  Job j{};
  j.batches = q.size(0), j.inner = 1, j.queries = q.size(1), j.heads = q.size(2), j.d = q.size(3), j.keys = k.size(1);
  j.scale = static_cast<float>(scale);
  j.q = view(q), j.k = view(k), j.v = view(v);
  if (mask.from.defined()) {
    j.from = mask.from.data_ptr<int32_t>();
    j.until = mask.until.data_ptr<int32_t>();
    j.mask_batch = mask.from.size(0) == 1 ? 0 : mask.from.size(1);
  }
  return j;
}

void run(Job& j, const attention::Plan& plan) {
  const at::Tensor packed = at::empty({plan.packed + 64}, at::kByte);
  const auto aligned = [](const at::Tensor& t) {
    return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(t.data_ptr()) + 63) / 64 * 64);
  };
  j.packed = aligned(packed);
  for (int p = 0; p < plan.count; p++) {
    const auto& phase = plan.phases[p];
    at::parallel_for(0, phase.tasks, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch = at::empty({phase.scratch + 64}, at::kByte);
      for (int64_t task = begin; task < end; task++) phase.run(j, task, aligned(scratch));
    });
  }
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in, double scale,
                            const Mask& mask, const std::string& instructions) {
    const auto& kernel = kernels(instructions);
    const bool half = q_in.scalar_type() == at::kBFloat16 && kernel.half;
    const auto type = half ? at::kBFloat16 : at::kFloat;
    const at::Tensor q = rows(q_in.to(type)), k = rows(k_in.to(type)), v = rows(v_in.to(type));
    const at::Tensor out = at::empty(q.sizes(), q.options());
    const at::Tensor lse = at::empty({q.size(0), q.size(2), q.size(1)}, q.options().dtype(at::kFloat));
    Job j = job_of(q, k, v, scale, mask);
    j.out = view(out);
    j.lse = lse.data_ptr<float>();
    run(j, kernel.forward(j, half));
    const at::Tensor result = out.to(q_in.scalar_type());
    context->saved_data["scale"] = scale;
    context->saved_data["instructions"] = instructions;
    context->save_for_backward({q_in, k_in, v_in, result, lse});
    if (mask.from.defined()) context->saved_data["from"] = mask.from, context->saved_data["until"] = mask.until;
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::attention has no second derivative");
    const auto saved = context->get_saved_variables();
    const auto asked = saved[0].scalar_type();
    const auto& kernel = kernels(context->saved_data["instructions"].toStringRef());
    const bool half = asked == at::kBFloat16 && kernel.half;
    const auto type = half ? at::kBFloat16 : at::kFloat;
    const at::Tensor q = rows(saved[0].to(type)), k = rows(saved[1].to(type)), v = rows(saved[2].to(type)), out = saved[3].to(type);
    const at::Tensor grad = rows(grads[0].to(type)), lse = saved[4];
    const at::Tensor dq = at::empty(q.sizes(), q.options()), dk = at::empty(k.sizes(), k.options()), dv = at::empty(v.sizes(), v.options());
    Mask mask;
    if (context->saved_data.count("from")) mask = {context->saved_data["from"].toTensor(), context->saved_data["until"].toTensor()};
    Job j = job_of(q, k, v, context->saved_data["scale"].toDouble(), mask);
    j.out = view(out), j.grad = view(grad), j.dq = view(dq), j.dk = view(dk), j.dv = view(dv);
    j.lse = lse.data_ptr<float>();
    run(j, kernel.backward(j, half));
    return {dq.to(asked), dk.to(asked), dv.to(asked), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// Heads first.. of [B, frames * places, heads, d]: each place over time, or each frame over its places. Views only.
struct Axis {
  int64_t frames, places, first, heads;
  bool time;
  attention::View view(const at::Tensor& t) const {
    const int64_t latent = places * t.stride(1);
    return {static_cast<char*>(t.data_ptr()) + first * t.stride(2) * t.element_size(), t.stride(0), time ? t.stride(1) : latent,
            time ? latent : t.stride(1), t.stride(2)};
  }
  Job job(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) const {
    Job j{};
    j.inner = time ? places : frames;
    j.queries = j.keys = time ? frames : places;
    j.batches = q.size(0) * j.inner, j.heads = heads, j.d = q.size(3);
    j.scale = static_cast<float>(scale);
    j.q = view(q), j.k = view(k), j.v = view(v);
    return j;
  }
  static std::array<Axis, 2> both(const at::Tensor& q, int64_t frames) {
    const int64_t half = q.size(2) / 2, places = q.size(1) / frames;
    return {Axis{frames, places, 0, half, true}, Axis{frames, places, half, q.size(2) - half, false}};
  }
};

struct AxialAttention : torch::autograd::Function<AxialAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in, double scale,
                            int64_t frames, const std::string& instructions) {
    const auto& kernel = kernels(instructions);
    const bool half = q_in.scalar_type() == at::kBFloat16 && kernel.half;
    const auto type = half ? at::kBFloat16 : at::kFloat;
    const at::Tensor q = rows(q_in.to(type)), k = rows(k_in.to(type)), v = rows(v_in.to(type));
    const at::Tensor out = at::empty(q.sizes(), q.options());
    at::Tensor lse[2];
    const auto axes = Axis::both(q, frames);
    for (int a = 0; a < 2; a++) {
      if (axes[a].heads == 0) continue;
      Job j = axes[a].job(q, k, v, scale);
      lse[a] = at::empty({j.batches * j.heads * j.queries}, q.options().dtype(at::kFloat));
      j.out = axes[a].view(out);
      j.lse = lse[a].data_ptr<float>();
      run(j, kernel.forward(j, half));
    }
    const at::Tensor result = out.to(q_in.scalar_type());
    context->saved_data["scale"] = scale;
    context->saved_data["frames"] = frames;
    context->saved_data["instructions"] = instructions;
    context->save_for_backward({q_in, k_in, v_in, result, lse[0], lse[1]});
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::axial_attention has no second derivative");
    const auto saved = context->get_saved_variables();
    const auto asked = saved[0].scalar_type();
    const auto& kernel = kernels(context->saved_data["instructions"].toStringRef());
    const bool half = asked == at::kBFloat16 && kernel.half;
    const auto type = half ? at::kBFloat16 : at::kFloat;
    const at::Tensor q = rows(saved[0].to(type)), k = rows(saved[1].to(type)), v = rows(saved[2].to(type)), out = saved[3].to(type);
    const at::Tensor grad = rows(grads[0].to(type));
    const at::Tensor dq = at::empty(q.sizes(), q.options()), dk = at::empty(k.sizes(), k.options()), dv = at::empty(v.sizes(), v.options());
    const auto axes = Axis::both(q, context->saved_data["frames"].toInt());
    for (int a = 0; a < 2; a++) {
      if (axes[a].heads == 0) continue;
      Job j = axes[a].job(q, k, v, context->saved_data["scale"].toDouble());
      j.out = axes[a].view(out), j.grad = axes[a].view(grad);
      j.dq = axes[a].view(dq), j.dk = axes[a].view(dk), j.dv = axes[a].view(dv);
      j.lse = saved[4 + a].data_ptr<float>();
      run(j, kernel.backward(j, half));
    }
    return {dq.to(asked), dk.to(asked), dv.to(asked), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, const std::string& instructions) {
  TORCH_CHECK(q.device().is_cpu() && k.device().is_cpu() && v.device().is_cpu(), "longtake::attention runs on the CPU");
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && v.sizes() == k.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) && q.size(3) == k.size(3),
              "q is ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes(), "; wanted are [B, N, heads, d] and twice [B, M, heads, d]");
  TORCH_CHECK((q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16) && k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(),
              "q, k and v are ", q.scalar_type(), ", ", k.scalar_type(), ", ", v.scalar_type(), "; wanted are three times float or BFloat16");
  TORCH_CHECK(q.numel() > 0 && k.numel() > 0, "q is ", q.sizes(), ", k ", k.sizes(), ": nothing to attend with or to");
  TORCH_CHECK(scale > 0, "the scale is ", scale, "; it must be positive");
  TORCH_CHECK(q.size(1) < std::numeric_limits<int32_t>::max() - 1024, "too many queries: ", q.size(1));
  TORCH_CHECK(instructions == "plain" || instructions == "avx2" || instructions == "avx512", "instructions: ", instructions, "; there are plain, avx2 and avx512");
}

at::Tensor attend_axial(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, int64_t frames, const std::string& instructions) {
  check(q, k, v, scale, instructions);
  TORCH_CHECK(q.sizes() == k.sizes() && frames > 0 && q.size(1) % frames == 0, "q is ", q.sizes(), ", k ", k.sizes(), ": not the tokens of ", frames, " frames");
  return AxialAttention::apply(q, k, v, scale, frames, instructions);
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                  const c10::optional<at::Tensor>& from, const c10::optional<at::Tensor>& until, const std::string& instructions) {
  check(q, k, v, scale, instructions);
  Mask mask;
  TORCH_CHECK(from.has_value() == until.has_value(), "from and until come together");
  if (from.has_value()) {
    mask = {from->contiguous(), until->contiguous()};
    const auto &first = mask.from, &last = mask.until;
    TORCH_CHECK(first.dim() == 2 && first.sizes() == last.sizes() && first.size(1) == k.size(1) && (first.size(0) == 1 || first.size(0) == k.size(0)) &&
                    first.scalar_type() == at::kInt && last.scalar_type() == at::kInt && first.device().is_cpu() && last.device().is_cpu(),
                "from is ", first.sizes(), " ", first.scalar_type(), ", until ", last.sizes(), " ", last.scalar_type(),
                "; wanted are [B or 1, M] of int32, with M = ", k.size(1));
  }
  return Attention::apply(q, k, v, scale, mask, instructions);
}

}  // namespace

TORCH_LIBRARY(longtake, library) {
  library.def("attention(Tensor query, Tensor key, Tensor value, float scale, Tensor? from=None, Tensor? until=None, "
              "str instructions=\"avx512\") -> Tensor", attend);
  library.def("axial_attention(Tensor query, Tensor key, Tensor value, float scale, int frames, str instructions=\"avx512\") -> Tensor", attend_axial);
}
