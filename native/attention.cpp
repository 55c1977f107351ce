// longtake::attention, an operator like any other: softmax(scale q k^T) v on a CPU in memory that grows with the tokens, not with
// their square. The arithmetic is in attention_kernel.cpp; here are the checks, autograd and the threads.
#include "attention.h"
#include "instructions.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <limits>
#include <string>
#include <vector>

namespace {

using attention::Job;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Which queries see a key; both undefined: all. Constants, so autograd is not told of them.
struct Mask { at::Tensor from, until; };

// Some heads of [B, N, heads, d] and what attends to each other in them: all tokens, each place over time, or each frame over its places. Views only.
struct Part {
  enum Along { all, time, space } along;
  int64_t frames, places, first, heads;  // tokens are frames x places

  // All heads over all tokens, or (frames > 0) the first half of them over time and the rest over space.
  static std::vector<Part> of(const at::Tensor& q, int64_t frames) {
    const int64_t heads = q.size(2), half = heads / 2;
    if (frames == 0) return {{all, 1, q.size(1), 0, heads}};
    const int64_t places = q.size(1) / frames;
    if (half == 0) return {{space, frames, places, 0, heads}};
    return {{time, frames, places, 0, half}, {space, frames, places, half, heads - half}};
  }

  attention::View view(const at::Tensor& t) const {
    char* const data = static_cast<char*>(t.data_ptr()) + first * t.stride(2) * t.element_size();
    const int64_t token = t.stride(1), frame = places * token;
    return {data, t.stride(0), along == time ? token : frame, along == time ? frame : token, t.stride(2)};
  }

  // Everything but its results.
  Job job(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, const Mask& mask) const {
    Job j{};
    j.inner = along == time ? places : frames;
    j.queries = along == time ? frames : places;
    j.keys = along == all ? k.size(1) : j.queries;
    j.batches = q.size(0) * j.inner, j.heads = heads, j.d = q.size(3);
    j.scale = static_cast<float>(scale);
    j.q = view(q), j.k = view(k), j.v = view(v);
    if (mask.from.defined()) {
      j.from = mask.from.data_ptr<int32_t>();
      j.until = mask.until.data_ptr<int32_t>();
      j.mask_batch = mask.from.size(0) == 1 ? 0 : mask.from.size(1);
    }
    return j;
  }
};

// AMD's instruction for pairs of bfloat16 multiplies twice as many numbers a cycle as those for floats, Intel's no more, and that at a lower rate.
bool pairs_are_faster() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

// How a kernel reads tensors.
struct Reader {
  const attention::Kernels& kernel;
  bool half, pairs;
  Reader(at::ScalarType type, const std::string& instructions, bool pairs)
      : kernel(LT_BEST(attention, instructions)), half(type == at::kBFloat16), pairs(pairs) {}
  at::Tensor operator()(const at::Tensor& t) const { return t.stride(3) == 1 ? t : t.contiguous(); }
};

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
                            int64_t frames, const Mask& mask, const std::string& instructions, bool pairs) {
    const Reader read(q_in.scalar_type(), instructions, pairs);
    const at::Tensor q = read(q_in), k = read(k_in), v = read(v_in), out = at::empty(q.sizes(), q.options());
    variable_list saved{q_in, k_in, v_in, at::Tensor()};
    for (const Part& part : Part::of(q, frames)) {
      Job j = part.job(q, k, v, scale, mask);
      const at::Tensor lse = at::empty({j.batches * j.heads * j.queries}, q.options().dtype(at::kFloat));
      j.out = part.view(out);
      j.lse = lse.data_ptr<float>();
      run(j, read.kernel.plan(j, false, read.half, read.pairs));
      saved.push_back(lse);
    }
    saved[3] = out;
    context->save_for_backward(saved);
    context->saved_data["scale"] = scale;
    context->saved_data["frames"] = frames;
    context->saved_data["instructions"] = instructions;
    context->saved_data["pairs"] = pairs;
    if (mask.from.defined()) context->saved_data["from"] = mask.from, context->saved_data["until"] = mask.until;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "longtake::attention has no second derivative");
    const auto saved = context->get_saved_variables();
    const auto type = saved[0].scalar_type();
    const Reader read(type, context->saved_data["instructions"].toStringRef(), context->saved_data["pairs"].toBool());
    const at::Tensor q = read(saved[0]), k = read(saved[1]), v = read(saved[2]), out = saved[3], grad = read(grads[0].to(type));
    const at::Tensor dq = at::empty(q.sizes(), q.options()), dk = at::empty(k.sizes(), k.options()), dv = at::empty(v.sizes(), v.options());
    Mask mask;
    if (context->saved_data.count("from")) mask = {context->saved_data["from"].toTensor(), context->saved_data["until"].toTensor()};
    size_t lse = 4;
    for (const Part& part : Part::of(q, context->saved_data["frames"].toInt())) {
      Job j = part.job(q, k, v, context->saved_data["scale"].toDouble(), mask);
      j.out = part.view(out), j.grad = part.view(grad), j.dq = part.view(dq), j.dk = part.view(dk), j.dv = part.view(dv);
      j.lse = saved[lse++].data_ptr<float>();
      run(j, read.kernel.plan(j, true, read.half, read.pairs));
    }
    return {dq, dk, dv, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  TORCH_CHECK(q.device().is_cpu() && k.device().is_cpu() && v.device().is_cpu(), "longtake::attention runs on the CPU");
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && v.sizes() == k.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) && q.size(3) == k.size(3),
              "q is ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes(), "; wanted are [B, N, heads, d] and twice [B, M, heads, d]");
  TORCH_CHECK((q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16) && k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(),
              "q, k and v are ", q.scalar_type(), ", ", k.scalar_type(), ", ", v.scalar_type(), "; wanted are three times float or BFloat16");
  TORCH_CHECK(q.numel() > 0 && k.numel() > 0, "q is ", q.sizes(), ", k ", k.sizes(), ": nothing to attend with or to");
  TORCH_CHECK(scale > 0, "the scale is ", scale, "; it must be positive");
  TORCH_CHECK(q.size(1) < std::numeric_limits<int32_t>::max() - 1024, "too many queries: ", q.size(1));
}

at::Tensor attend_axial(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, int64_t frames, const std::string& instructions,
                        c10::optional<bool> pairs) {
  check(q, k, v, scale);
  TORCH_CHECK(q.sizes() == k.sizes() && frames > 0 && q.size(1) % frames == 0, "q is ", q.sizes(), ", k ", k.sizes(), ": not the tokens of ", frames, " frames");
  return Attention::apply(q, k, v, scale, frames, Mask{}, instructions, pairs.value_or(pairs_are_faster()));
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                  const c10::optional<at::Tensor>& from, const c10::optional<at::Tensor>& until, const std::string& instructions, c10::optional<bool> pairs) {
  check(q, k, v, scale);
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
  return Attention::apply(q, k, v, scale, 0, mask, instructions, pairs.value_or(pairs_are_faster()));
}

}  // namespace

TORCH_LIBRARY(longtake, library) {
  library.def("attention(Tensor query, Tensor key, Tensor value, float scale, Tensor? from=None, Tensor? until=None, "
              "str instructions=\"avx512\", bool? pairs=None) -> Tensor", attend);
  library.def("axial_attention(Tensor query, Tensor key, Tensor value, float scale, int frames, str instructions=\"avx512\", bool? pairs=None) -> Tensor", attend_axial);
}
