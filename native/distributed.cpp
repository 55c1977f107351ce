// Process groups: the collectives of libtorch's own c10d, Gloo for the CPU and NCCL for CUDA, as far as headers of each are
// here. Every verb takes one tensor in and at most one out, laid out by rank along the first dimension, and waits.
#include "longtake_torch.h"

#include <ATen/ATen.h>
#include <torch/version.h>

#if __has_include(<torch/csrc/distributed/c10d/TCPStore.hpp>)
#define LT_HAS_C10D 1
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#if __has_include(<gloo/rendezvous/store.h>) && __has_include(<torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>)
#define LT_HAS_GLOO 1
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#if defined(LT_CUDA) && __has_include(<nccl.h>) && __has_include(<torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>)
#define LT_HAS_NCCL 1
#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL
#endif
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#endif

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#if defined(LT_HAS_GLOO) || defined(LT_HAS_NCCL)
#define LT_HAS_GROUPS 1
namespace {

#if TORCH_VERSION_MAJOR >= 2
using Backend = c10d::Backend;
#else
using Backend = c10d::ProcessGroup;
#endif

struct Group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<Backend> backend;
  bool gloo;
  int32_t device, size;
};

at::Tensor borrow(void* handle) {
  auto* impl = static_cast<c10::TensorImpl*>(handle);
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(impl));
}

#ifdef LT_HAS_GLOO
// A rendezvous on the loopback stays there: a machine's own name often resolves to an address nobody can reach.
std::shared_ptr<gloo::transport::Device> gloo_device(const std::string& host) {
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface && *interface) return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  if (host == "localhost" || host.rfind("127.", 0) == 0) return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  return c10d::ProcessGroupGloo::createDefaultDevice();
}
#endif

c10::intrusive_ptr<Backend> make_backend(const std::string& kind, const std::string& host, int32_t rank, int32_t size,
                                         int32_t device, std::chrono::milliseconds timeout,
                                         const c10::intrusive_ptr<c10d::Store>& store) {
  (void)host; (void)device;
#ifdef LT_HAS_GLOO
  if (kind == "gloo") {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(gloo_device(host));
    return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  }
#endif
#ifdef LT_HAS_NCCL
  if (kind == "nccl") {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  }
#endif
  TORCH_CHECK(false, "the native library was built without ", kind);
}

void check_divides(const at::Tensor& t, const Group& group) {
  TORCH_CHECK(t.dim() > 0 && t.size(0) % group.size == 0, "the first dimension must divide by the ", group.size, " ranks");
}

// Gloo moves few element types; where nothing is added up, bytes will do. [n, ...] becomes [n, bytes of the rest].
at::Tensor as_bytes(const at::Tensor& t) { return t.reshape({t.dim() > 0 ? t.size(0) : 1, -1}).view(at::kByte); }

void broadcast(const Group& group, const at::Tensor& t, int32_t root) {
  std::vector<at::Tensor> tensors{group.gloo ? as_bytes(t) : t};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  group.backend->broadcast(tensors, options)->wait();
}

void all_reduce(const Group& group, const at::Tensor& t, int32_t reduction) {
  // Gloo has no bfloat16: add in single precision and round once.
  const bool widen = group.gloo && t.scalar_type() == at::kBFloat16;
  std::vector<at::Tensor> tensors{widen ? t.to(at::kFloat) : t};
  c10d::AllreduceOptions options;
  options.reduceOp = reduction == LT_MAX ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
  group.backend->allreduce(tensors, options)->wait();
  if (reduction == LT_MEAN) tensors[0].div_(group.size);
  if (widen) t.copy_(tensors[0]);
}

void all_gather(const Group& group, at::Tensor in, at::Tensor out) {
  check_divides(out, group);
  if (!group.gloo) {
    group.backend->_allgather_base(out, in)->wait();
    return;
  }
  std::vector<at::Tensor> from{as_bytes(in)};
  std::vector<std::vector<at::Tensor>> to{as_bytes(out).chunk(group.size)};
  group.backend->allgather(to, from)->wait();
}

void reduce_scatter(const Group& group, at::Tensor in, at::Tensor out, int32_t rank, int32_t reduction) {
  check_divides(in, group);
  if (group.gloo) {  // Gloo had none for long: reduce all and keep one's own part
    at::Tensor whole = in.clone();
    all_reduce(group, whole, reduction);
    out.copy_(whole.chunk(group.size)[static_cast<size_t>(rank)]);
    return;
  }
  c10d::ReduceScatterOptions options;
  options.reduceOp = reduction == LT_MAX ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
  group.backend->_reduce_scatter_base(out, in, options)->wait();
  if (reduction == LT_MEAN) out.div_(group.size);
}

void all_to_all(const Group& group, at::Tensor in, at::Tensor out) {
  check_divides(in, group);
  std::vector<int64_t> equal_parts;
  if (group.gloo) { in = as_bytes(in); out = as_bytes(out); }
  group.backend->alltoall_base(out, in, equal_parts, equal_parts)->wait();
}

void barrier(const Group& group) {
  if (group.gloo) {
    group.backend->barrier()->wait();
    return;
  }
  // NCCL's own barrier guesses a device and only orders streams; reading a number back really waits.
  at::Tensor one = at::ones({1}, at::TensorOptions().device(at::kCUDA, static_cast<c10::DeviceIndex>(group.device)));
  all_reduce(group, one, LT_SUM);
  one.item();
}

}  // namespace
#endif

int32_t lt_group_create(const char* backend, const char* host, int32_t port, int32_t rank, int32_t size, int32_t serve,
                        int32_t device, const char* name, int64_t timeout_ms, void** group) {
  return lt_guard([&] {
#ifdef LT_HAS_GROUPS
    const std::chrono::milliseconds timeout(timeout_ms);
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = serve != 0;
    options.waitWorkers = false;  // the first collective waits for all anyway
    options.timeout = timeout;
    options.multiTenant = true;   // a second group of this process shares the server
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    auto store = c10::make_intrusive<c10d::PrefixStore>(name, tcp);
    store->setTimeout(timeout);
    const std::string kind = backend;
    *group = new Group{store, make_backend(kind, host, rank, size, device, timeout, store), kind == "gloo", device, size};
#else
    (void)host; (void)port; (void)rank; (void)size; (void)serve; (void)device; (void)name; (void)timeout_ms; (void)group;
    TORCH_CHECK(false, "the native library was built without ", backend,
                ": neither the headers of Gloo (libgloo-dev) nor those of NCCL were found");
#endif
  });
}

int32_t lt_group_free(void* group) {
  return lt_guard([&] {
#ifdef LT_HAS_GROUPS
    delete static_cast<Group*>(group);
#else
    (void)group;
#endif
  });
}

int32_t lt_group_call(void* group, int32_t verb, void* in, void* out, int32_t argument) {
  return lt_guard([&] {
#ifdef LT_HAS_GROUPS
    at::NoGradGuard no_graph;
    const Group& g = *static_cast<Group*>(group);
    if (verb == LT_BARRIER) return barrier(g);
    const at::Tensor given = borrow(in);
    if (given.numel() == 0) return;
    at::Tensor t = given.contiguous();
    switch (verb) {
      case LT_BROADCAST: broadcast(g, t, argument); break;
      case LT_ALL_REDUCE: all_reduce(g, t, argument); break;
      case LT_ALL_GATHER: all_gather(g, t, borrow(out)); return;
      case LT_REDUCE_SCATTER: reduce_scatter(g, t, borrow(out), g.backend->getRank(), argument); return;
      case LT_ALL_TO_ALL: all_to_all(g, t, borrow(out)); return;
      default: TORCH_CHECK(false, "unknown verb ", verb);
    }
    if (!t.is_same(given)) given.copy_(t);
#else
    (void)group; (void)verb; (void)in; (void)out; (void)argument;
    TORCH_CHECK(false, "the native library was built without process groups");
#endif
  });
}

int32_t lt_features(char* text, int32_t capacity) {
  return lt_guard([&] {
    std::string found;
#ifdef LT_HAS_GLOO
    found += "gloo ";
#endif
#ifdef LT_HAS_NCCL
    found += "nccl ";
#endif
#ifdef LT_CUDA
    if (at::hasCUDA()) found += "cuda ";
#endif
    if (!found.empty()) found.pop_back();
    TORCH_CHECK(static_cast<size_t>(capacity) > found.size(), "no room for text");
    std::memcpy(text, found.c_str(), found.size() + 1);
  });
}
