// Kernels that are compiled once per instruction set: which of a namespace's tables `plain`, `avx2` and `avx512` to use.
#pragma once
#include <c10/util/Exception.h>

#include <string>

namespace instructions {

// 2 with everything that `avx512` is compiled for, 1 with AVX2, 0.
inline int level() {
#ifdef LT_X86
  static const int best = [] {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") ? 2 : 1;
  }();
  return best;
#else
  return 0;
#endif
}

// The best one this processor has, or a lesser one where that is asked for (by tests).
template <class Kernels>
const Kernels& best(const std::string& at_most, const Kernels& plain, const Kernels& avx2, const Kernels& avx512) {
  TORCH_CHECK(at_most == "plain" || at_most == "avx2" || at_most == "avx512", "instructions: ", at_most, "; there are plain, avx2 and avx512");
  if (level() == 2 && at_most == "avx512") return avx512;
  if (level() >= 1 && at_most != "plain") return avx2;
  return plain;
}

}  // namespace instructions

#ifdef LT_X86
#define LT_BEST(space, at_most) instructions::best(at_most, space::plain, space::avx2, space::avx512)
#else
#define LT_BEST(space, at_most) instructions::best(at_most, space::plain, space::plain, space::plain)
#endif
