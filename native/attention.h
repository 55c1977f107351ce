// What attention.cpp (checks, autograd, threads) and attention_kernel.cpp (arithmetic, compiled once per instruction set) share.
// No header of libtorch or of the standard library's templates: their inline functions must not be compiled with AVX-512 and
// then be linked into code that runs elsewhere.
#pragma once
#include <cstdint>

namespace attention {

// A [batch, token, head, d] tensor with a contiguous last dimension; strides in elements. Batch entry b lies at
// b / inner * batch + b % inner * place: what attends together need not lie together.
struct View { void* data; int64_t batch, place, token, head; };

struct Job {
  int64_t batches, inner, heads, queries, keys, d;
  float scale;
  View q, k, v, out, grad, dq, dk, dv;
  // Key j is seen by the queries from[j] <= i < until[j]; both null: by all. One row of `keys` a batch entry, mask_batch apart.
  const int32_t *from, *until;
  int64_t mask_batch;
  float* lse;    // [batches, heads, queries], base 2; infinite where a query sees no key
  void* packed;  // workspace, the sizes below
};

// Work of one pass over the data: independent tasks, each needing `scratch` bytes (64-aligned) of its own.
struct Phase {
  int64_t tasks, scratch;
  void (*run)(const Job&, int64_t task, char* scratch);
};
struct Plan {
  int64_t packed;  // bytes of Job::packed
  Phase phases[3];
  int count;
};

// Elements are bfloat16 (half) or float; those of bfloat16 are multiplied as pairs of them, where there are such instructions and `pairs` asks for them, or as
// floats. Sizes depend on the shape alone, never on the number of threads.
struct Kernels {
  Plan (*plan)(const Job&, bool backward, bool half, bool pairs);
};
extern const Kernels plain, avx2, avx512;

}  // namespace attention
