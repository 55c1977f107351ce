#include "longtake_torch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/version.h>

#if __has_include(<c10/cuda/CUDACachingAllocator.h>) && defined(LT_CUDA)
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#define LT_HAS_CUDA 1
#endif
#include <dlfcn.h>
#include <malloc.h>

#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace {

thread_local std::string error_text;

// Freed memory stays with the process, for the next step asks for the same again; what it gains was not measured by itself.
__attribute__((constructor)) void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most glibc takes
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

at::Tensor borrow(void* handle) {
  auto* impl = static_cast<c10::TensorImpl*>(handle);
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(impl));
}

void* give(at::Tensor tensor) { return tensor.defined() ? tensor.unsafeReleaseTensorImpl() : nullptr; }

at::Generator generator_of(void* handle) {
  return at::Generator(c10::intrusive_ptr<c10::GeneratorImpl>::reclaim_copy(static_cast<c10::GeneratorImpl*>(handle)));
}

c10::IValue to_ivalue(const lt_value& v) {
  const auto n = static_cast<size_t>(v.length);
  switch (v.tag) {
    case LT_NONE: return {};
    case LT_TENSOR: return borrow(v.pointer);
    case LT_INT: return v.integer;
    case LT_REAL: return v.real;
    case LT_BOOL: return v.integer != 0;
    case LT_INTS: return std::vector<int64_t>(static_cast<int64_t*>(v.pointer), static_cast<int64_t*>(v.pointer) + n);
    case LT_REALS: return std::vector<double>(static_cast<double*>(v.pointer), static_cast<double*>(v.pointer) + n);
    case LT_TENSORS: {
      c10::List<at::Tensor> list;
      for (size_t i = 0; i < n; i++) list.push_back(borrow(static_cast<void**>(v.pointer)[i]));
      return list;
    }
    case LT_OPTIONAL_TENSORS: {
      c10::List<c10::optional<at::Tensor>> list;
      for (size_t i = 0; i < n; i++) {
        void* handle = static_cast<void**>(v.pointer)[i];
        list.push_back(handle ? c10::optional<at::Tensor>(borrow(handle)) : c10::optional<at::Tensor>());
      }
      return list;
    }
    case LT_TEXT: return std::string(static_cast<char*>(v.pointer), n);
    case LT_DEVICE: return c10::Device(std::string(static_cast<char*>(v.pointer), n));
    case LT_GENERATOR: return generator_of(v.pointer);
    default: TORCH_CHECK(false, "unknown value tag ", v.tag);
  }
}

// Tensors of a result, lists flattened; numbers as numbers; an undefined tensor as none.
void from_ivalue(const c10::IValue& value, lt_value* results, int32_t capacity, int32_t& made) {
  if (value.isTensorList()) {
    for (const at::Tensor& t : value.toTensorVector()) from_ivalue(t, results, capacity, made);
    return;
  }
  TORCH_CHECK(made < capacity, "the operator returns more than ", capacity, " values");
  lt_value& r = results[made++];
  r = {};
  if (value.isTensor()) {
    r.pointer = give(value.toTensor());
    r.tag = r.pointer ? LT_TENSOR : LT_NONE;
  } else if (value.isInt()) { r.tag = LT_INT; r.integer = value.toInt(); }
  else if (value.isDouble()) { r.tag = LT_REAL; r.real = value.toDouble(); }
  else if (value.isBool()) { r.tag = LT_BOOL; r.integer = value.toBool(); }
  else if (value.isNone()) { r.tag = LT_NONE; }
  else TORCH_CHECK(false, "a result of kind ", value.tagKind(), " has no place in this boundary");
}

int32_t copy_text(const std::string& text, char* to, int32_t capacity) {
  return lt_guard([&] {
    TORCH_CHECK(capacity > 0, "no room for text");
    const size_t n = std::min(text.size(), static_cast<size_t>(capacity) - 1);
    std::memcpy(to, text.data(), n);
    to[n] = 0;
  });
}

// Activation checkpointing: the forward ran without a graph; backward runs it again with one and differentiates that.
// Parameters the forward closes over get their gradients from the inner backward, straight into .grad.
struct RecomputeNode : torch::autograd::Node {
  lt_recompute forward;
  void (*release_context)(void*);
  void* context;
  std::vector<at::Tensor> inputs;
  std::vector<bool> wanted;

  ~RecomputeNode() override { release_context(context); }

  at::Tensor run(const std::vector<at::Tensor>& with) const {
    std::vector<void*> handles;
    for (const auto& t : with) handles.push_back(t.unsafeGetTensorImpl());
    void* output = nullptr;
    TORCH_CHECK(forward(context, handles.data(), static_cast<int32_t>(handles.size()), &output) == 0,
                "the recomputed block failed");
    return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(
        static_cast<c10::TensorImpl*>(output)));
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    at::AutoGradMode with_graph(true);
    std::vector<at::Tensor> again;
    for (size_t i = 0; i < inputs.size(); i++) again.push_back(inputs[i].detach().requires_grad_(wanted[i]));
    at::Tensor output = run(again);
    if (grads[0].defined()) torch::autograd::backward({output}, {grads[0]});
    torch::autograd::variable_list result;
    for (const auto& t : again) result.push_back(t.grad());
    return result;
  }

  std::string name() const override { return "Recompute"; }
};

}  // namespace

void lt_set_error(const char* text) { error_text = text; }

const char* lt_current_exception() {
  static thread_local std::string text;
  try {
    throw;
  } catch (const c10::Error& e) {
    text = e.what_without_backtrace();
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
    text = "an unknown native exception";
  }
  return text.c_str();
}

const char* lt_error() { return error_text.c_str(); }

int32_t lt_value_layout(int64_t* size, int64_t* payload_offset) {
  *size = sizeof(lt_value);
  *payload_offset = offsetof(lt_value, pointer);
  return 0;
}

int32_t lt_find(const char* name, const char* overload, void** op) {
  return lt_guard([&] {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(found.has_value(), "this libtorch has no operator ", name, overload[0] ? "." : "", overload);
    *op = new c10::OperatorHandle(*found);  // one per operator for the life of the process
  });
}

int32_t lt_schema(void* op, char* text, int32_t capacity) {
  std::ostringstream out;
  out << static_cast<c10::OperatorHandle*>(op)->schema();
  return copy_text(out.str(), text, capacity);
}

int32_t lt_call(void* op, const lt_value* arguments, int32_t count, lt_value* results, int32_t capacity, int32_t* made) {
  *made = 0;
  return lt_guard([&] {
    const auto& handle = *static_cast<c10::OperatorHandle*>(op);
    torch::jit::Stack stack;
    stack.reserve(handle.schema().arguments().size());
    for (int32_t i = 0; i < count; i++) stack.push_back(to_ivalue(arguments[i]));
    handle.schema().checkAndNormalizeInputs(stack);  // a boxed call checks nothing by itself; this also fills defaults
    handle.callBoxed(stack);
    for (const auto& value : stack) from_ivalue(value, results, capacity, *made);
  });
}

int32_t lt_free(void* tensor) {
  return lt_guard([&] { c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(static_cast<c10::TensorImpl*>(tensor)); });
}

int32_t lt_share(void* tensor, void** again) {
  return lt_guard([&] { *again = give(borrow(tensor)); });
}

int32_t lt_describe(void* tensor, lt_info* info) {
  return lt_guard([&] {
    const at::Tensor t = borrow(tensor);
    *info = {};
    info->dtype = static_cast<int32_t>(t.scalar_type());
    info->device_type = static_cast<int32_t>(t.device().type());
    info->device_index = t.device().index();
    info->rank = static_cast<int32_t>(t.dim());
    info->requires_grad = t.requires_grad();
    info->contiguous = t.is_contiguous();
    info->numel = t.numel();
    info->element_size = static_cast<int64_t>(t.element_size());
    TORCH_CHECK(t.dim() <= 8, "tensors of more than 8 dimensions have no place in this boundary");
    for (int64_t i = 0; i < t.dim(); i++) info->sizes[i] = t.size(i);
    info->data = t.data_ptr();
  });
}

int32_t lt_from_memory(const void* data, int32_t dtype, const int64_t* sizes, int32_t rank, void** tensor) {
  return lt_guard([&] {
    at::Tensor t = at::empty(at::IntArrayRef(sizes, static_cast<size_t>(rank)), at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
    if (t.numel() > 0) std::memcpy(t.data_ptr(), data, t.nbytes());
    *tensor = give(t);
  });
}

int32_t lt_to_memory(void* tensor, void* data, int64_t bytes) {
  return lt_guard([&] {
    const at::Tensor t = borrow(tensor).detach().to(at::kCPU).contiguous();
    TORCH_CHECK(static_cast<int64_t>(t.nbytes()) == bytes, "the tensor has ", t.nbytes(), " bytes, the buffer ", bytes);
    if (bytes > 0) std::memcpy(data, t.data_ptr(), t.nbytes());
  });
}

int32_t lt_grad(void* tensor, void** grad) {
  return lt_guard([&] { *grad = give(borrow(tensor).grad()); });
}

int32_t lt_set_grad(void* tensor, void* grad) {
  return lt_guard([&] { borrow(tensor).mutable_grad() = grad ? borrow(grad) : at::Tensor(); });
}

int32_t lt_grad_mode(int32_t enabled, int32_t* before) {
  return lt_guard([&] {
    *before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled != 0);
  });
}

int32_t lt_recompute_call(lt_recompute forward, void (*release)(void*), void* context, void** inputs, int32_t count,
                          void** output) {
  return lt_guard([&] {
    auto node = std::shared_ptr<RecomputeNode>(new RecomputeNode, torch::autograd::deleteNode);
    node->forward = forward;
    node->release_context = release;
    node->context = context;
    for (int32_t i = 0; i < count; i++) {
      at::Tensor t = borrow(inputs[i]);
      node->inputs.push_back(t.detach());
      node->wanted.push_back(t.requires_grad());
    }
    at::Tensor result;
    {
      at::NoGradGuard no_graph;
      result = node->run(node->inputs).detach();
    }
    std::vector<at::Tensor> sources;
    bool any = false;
    for (int32_t i = 0; i < count; i++) {
      sources.push_back(borrow(inputs[i]));
      any = any || sources.back().requires_grad();
    }
    if (any && at::GradMode::is_enabled()) {
      node->set_next_edges(torch::autograd::collect_next_edges(sources));
      torch::autograd::create_gradient_edge(result, node);
    }
    *output = give(result);
  });
}

int32_t lt_generator(int64_t seed, void** generator) {
  return lt_guard([&] {
    *generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed)).unsafeReleaseGeneratorImpl();
  });
}

int32_t lt_generator_free(void* generator) {
  return lt_guard([&] { c10::intrusive_ptr<c10::GeneratorImpl>::reclaim(static_cast<c10::GeneratorImpl*>(generator)); });
}

int32_t lt_threads(int32_t set, int32_t* now) {
  return lt_guard([&] {
    if (set > 0) at::set_num_threads(set);
    *now = at::get_num_threads();
  });
}

int32_t lt_memory(int32_t device, int64_t* used, int64_t* peak, int64_t* total) {
  return lt_guard([&] {
#ifdef LT_HAS_CUDA
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    *used = stats.allocated_bytes[0].current;
    *peak = stats.allocated_bytes[0].peak;
    size_t free_bytes = 0, total_bytes = 0;
    TORCH_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes) == cudaSuccess, "the CUDA driver gives no memory figures");
    *total = static_cast<int64_t>(total_bytes);
#else
    (void)used; (void)peak; (void)total;
    TORCH_CHECK(false, "device ", device, ": this build has no CUDA");
#endif
  });
}

int32_t lt_device_count(int32_t* cuda) {
  return lt_guard([&] { *cuda = at::hasCUDA() ? static_cast<int32_t>(at::detail::getCUDAHooks().getNumGPUs()) : 0; });
}

int32_t lt_synchronize() {
  return lt_guard([&] {
#ifdef LT_HAS_CUDA
    if (at::hasCUDA()) c10::cuda::device_synchronize();
#endif
  });
}

int32_t lt_copy_aside(void* tensor, const char* device, void** copy) {
  return lt_guard([&] {
    const at::Tensor t = borrow(tensor);
    const c10::Device to{std::string(device)};
#ifdef LT_HAS_CUDA
    if (to.is_cuda()) {
      // One stream for all: the allocator keeps freed memory by stream.
      static const c10::cuda::CUDAStream aside = c10::cuda::getStreamFromPool();
      const c10::cuda::CUDAStreamGuard guard(aside);
      at::Tensor made = t.to(to);
      aside.synchronize();
      *copy = give(made);
      return;
    }
#endif
    *copy = give(t.to(to));
  });
}

int32_t lt_version(char* text, int32_t capacity) { return copy_text(TORCH_VERSION, text, capacity); }

int32_t lt_library_path(char* text, int32_t capacity) {
  Dl_info info{};
  const bool found = dladdr(reinterpret_cast<void*>(&at::set_num_threads), &info) != 0 && info.dli_fname;
  return copy_text(found ? info.dli_fname : "", text, capacity);
}
