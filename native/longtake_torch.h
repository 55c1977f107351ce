// C boundary over libtorch: any operator by name, a little autograd, a few facts. Every function returns 0 on success and
// 1 on failure; lt_error() then holds one line (per thread). Ownership: a tensor handle that comes out is owned by the
// caller and released with lt_free; a handle that goes in is borrowed. Compiles against libtorch 1.13 and later.
#pragma once
#include <cstdint>

#if defined(_WIN32)
#define LT_API extern "C" __declspec(dllexport)
#else
#define LT_API extern "C" __attribute__((visibility("default")))
#endif

enum lt_tag : int32_t {
  LT_NONE, LT_TENSOR, LT_INT, LT_REAL, LT_BOOL, LT_INTS, LT_REALS, LT_TENSORS, LT_OPTIONAL_TENSORS, LT_TEXT, LT_DEVICE,
  LT_GENERATOR,
};

// 16 bytes: what one argument or result is. Lists and text point to memory of the caller that lives until the call returns.
struct lt_value {
  int32_t tag;
  int32_t length;
  union { void* pointer; int64_t integer; double real; };
};

struct lt_info {
  int32_t dtype, device_type, device_index, rank, requires_grad, contiguous;
  int64_t numel, element_size;
  int64_t sizes[8];
  void* data;
};

typedef int32_t (*lt_recompute)(void* context, void** inputs, int32_t count, void** output);

LT_API const char* lt_error();
LT_API int32_t lt_value_layout(int64_t* size, int64_t* payload_offset);
LT_API int32_t lt_find(const char* name, const char* overload, void** op);
LT_API int32_t lt_schema(void* op, char* text, int32_t capacity);
LT_API int32_t lt_call(void* op, const lt_value* arguments, int32_t count, lt_value* results, int32_t capacity, int32_t* made);
LT_API int32_t lt_free(void* tensor);
LT_API int32_t lt_share(void* tensor, void** again);
LT_API int32_t lt_describe(void* tensor, lt_info* info);
LT_API int32_t lt_from_memory(const void* data, int32_t dtype, const int64_t* sizes, int32_t rank, void** tensor);
LT_API int32_t lt_to_memory(void* tensor, void* data, int64_t bytes);
LT_API int32_t lt_grad(void* tensor, void** grad);          // *grad = null when there is none
LT_API int32_t lt_set_grad(void* tensor, void* grad);       // grad may be null
LT_API int32_t lt_grad_mode(int32_t enabled, int32_t* before);
LT_API int32_t lt_recompute_call(lt_recompute forward, void (*release)(void*), void* context, void** inputs,
                                 int32_t count, void** output);
LT_API int32_t lt_generator(int64_t seed, void** generator);
LT_API int32_t lt_generator_free(void* generator);
LT_API int32_t lt_threads(int32_t set, int32_t* now);       // set <= 0 only asks
LT_API int32_t lt_memory(int32_t device, int64_t* used, int64_t* peak, int64_t* total);   // CUDA devices only
LT_API int32_t lt_cpu_memory(int32_t restart, int64_t* now, int64_t* most);   // of tensors made since the first call (memory.cpp)
LT_API int32_t lt_release_packed();   // what convolutions packed of weights that are no more (conv.cpp)
LT_API int32_t lt_device_count(int32_t* cuda);
LT_API int32_t lt_synchronize();
LT_API int32_t lt_copy_aside(void* tensor, const char* device, void** copy);  // on a stream of its own; there on return
LT_API int32_t lt_version(char* text, int32_t capacity);
LT_API int32_t lt_library_path(char* text, int32_t capacity);
LT_API int32_t lt_features(char* text, int32_t capacity);   // "gloo nccl cuda", what this build can do

// Process groups (distributed.cpp). Every verb reads `in` and, where its result has another shape or place,
// writes `out` (contiguous); parts of ranks follow each other along the first dimension. broadcast and all-reduce work in place.
// serve: this process holds the rendezvous; name: keeps groups apart that meet at the same address.
enum lt_verb : int32_t { LT_BARRIER, LT_BROADCAST, LT_ALL_REDUCE, LT_ALL_GATHER, LT_REDUCE_SCATTER, LT_ALL_TO_ALL };
enum lt_reduction : int32_t { LT_SUM, LT_MEAN, LT_MAX };
LT_API int32_t lt_group_create(const char* backend, const char* host, int32_t port, int32_t rank, int32_t size, int32_t serve,
                               int32_t device, const char* name, int64_t timeout_ms, void** group);
LT_API int32_t lt_group_free(void* group);
LT_API int32_t lt_group_call(void* group, int32_t verb, void* in, void* out, int32_t argument);  // argument: root or reduction

// The guard is shared by the files of this library.
void lt_set_error(const char* text);
const char* lt_current_exception();
template <class F> int32_t lt_guard(F&& body) {
  try {
    body();
    return 0;
  } catch (...) {
    lt_set_error(lt_current_exception());
    return 1;
  }
}
