// What linear.cpp and int8.cpp share: a product of tokens cut in tasks for libtorch's threads. What is stored as bfloat16 becomes units of a kind a stretch at a time, on its
// way into the product.
#pragma once
#include "fused.h"
#include "instructions.h"
#include "linear.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

namespace {

using linear::Kind;
using linear::panel;

constexpr int64_t block = 64;  // tokens of a task at most: their units stay in a core's nearest caches
constexpr int64_t rows_at_once = 8;
constexpr int64_t near = 1 << 18;  // units of the right side that stay in a core's second cache

inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

// Does work(i) for i from 0 to count, each thread the next that nobody has begun. Which thread does what changes no result.
template <class F> void tasks(int64_t count, const F& work) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next++) < count;) work(i);
  });
}

LT_CLONES inline void narrow(const float* from, BFloat16* to, int64_t stride, int64_t rows, int64_t width) {
  for (int64_t n = 0; n < rows; n++)
#pragma omp simd
    for (int64_t i = 0; i < width; i++) put(to + n * stride + i, from[n * width + i]);
}

inline Tensor flat(const Tensor& t, int64_t width) { return t.reshape({-1, width}).contiguous(); }

inline const linear::Kernels& kernels(const std::string& instructions) { return LT_BEST(linear, instructions); }

// A left side as its units are read, and the scales of its rows.
struct Left {
  const void* data;
  int64_t row, unit;
  const float* scales;
};

// A tensor [tokens, width] as products read it: where it lies (float32 as floats), or packed in memory of the thread's own until the next is asked for.
class Tokens {
 public:
  Tokens(const Tensor& t, const linear::Kernels& kernel, Kind kind)
      : t_(t), kernel_(kernel), kind_(kind), half_(t.scalar_type() == at::kBFloat16), width_(t.size(1)) {}
  // `n` tokens from `from` on; of each the `count` numbers from `column` on, which are summed.
  Left rows(int64_t from, int64_t n, int64_t column, int64_t count) const {
    if (in_place()) return {row(from) + column * 4, width_, 1, nullptr};
    const int64_t units = parts(count, kind_);
    float* const memory = room(n * units + n);
    kernel_.pack_tokens(kind_, source(from, column), n, count, memory, memory + n * units);
    return {memory, units, 1, memory + n * units};
  }
  // The `count` columns from `column` on, a panel at most, as rows; the n tokens are summed.
  Left columns(int64_t from, int64_t n, int64_t column, int64_t count) const {
    if (in_place()) return {row(from) + column * 4, 1, width_, nullptr};
    const int64_t units = parts(n, kind_);
    float* const memory = room((units + 1) * panel);
    kernel_.pack_rows(kind_, source(from, column), n, count, memory, 0, memory + units * panel);
    return {memory, 1, panel, memory + units * panel};
  }
  linear::Source source(int64_t from, int64_t column) const { return {row(from) + column * t_.element_size(), half_, width_}; }
  bool half() const { return half_; }
  int64_t width() const { return width_; }
  char* row(int64_t n) const { return static_cast<char*>(t_.data_ptr()) + n * width_ * t_.element_size(); }

 private:
  bool in_place() const { return kind_ == linear::floats && !half_; }
  static float* room(int64_t count) {
    static thread_local std::vector<float> memory;
    if (memory.size() < static_cast<size_t>(count)) memory.resize(count);
    return memory.data();
  }

  Tensor t_;
  const linear::Kernels& kernel_;
  Kind kind_;
  bool half_;
  int64_t width_;
};

// The right side of products [length, columns], packed in panels of its columns.
struct Right {
  Kind kind;
  int64_t length, columns, depth;  // `depth` numbers are summed at a time
  Tensor packed, scales, zero;     // [panels, units, panel]; [stretches of depth, panels, panel]; of bytes: [panels, panel]

  int64_t units() const { return parts(length, kind); }
  int64_t panels() const { return parts(columns, panel); }
  const char* unit(int64_t column, int64_t at) const { return static_cast<const char*>(packed.data_ptr()) + 4 * (column * units() + at / kind * panel); }
  float* scale(int64_t column, int64_t at) const { return kind == linear::floats ? nullptr : scales.data_ptr<float>() + at / depth * panels() * panel + column; }
};

// to = tokens times right, plus bias, as tasks of some tokens, equal and of a number that few threads share without rest, and, if these are too few for many
// threads or the panels too large to stay near, of some panels, one group of them after the other. No cut here asks how many threads there are, so their number
// changes no result.
struct Layer {
  const linear::Kernels& kernel;
  const Tokens& from;
  int64_t from_column;
  const Right& right;
  const float* bias;
  const Tokens& to;
  int64_t to_column, tokens, blocks = blocks_of(tokens);
  int64_t groups = std::max<int64_t>({1, std::min(16 / std::max<int64_t>(1, blocks), right.panels() / 4), right.panels() * panel * parts(std::min(right.length, right.depth), right.kind) / near});

  static int64_t blocks_of(int64_t tokens) { return tokens <= block ? parts(tokens, block) : parts(parts(tokens, block), 4) * 4; }
  int64_t first_of(int64_t i) const { return std::min(tokens, parts(tokens, rows_at_once) * i / blocks * rows_at_once); }
  int64_t count() const { return blocks * groups; }
  // begin(number, first, n) once for each block of tokens.
  template <class F> void run(int64_t task, const F& begin) const {
    const int64_t group = task / blocks, number = task % blocks, first = first_of(number), n = first_of(number + 1) - first;
    if (group == 0) begin(number, first, n);
    const int64_t column = right.panels() * group / groups * panel, end = std::min(right.columns, right.panels() * (group + 1) / groups * panel);
    if (column >= end) return;
    const bool half = to.half(), several = right.length > right.depth;
    std::vector<float> sum(several && half ? n * (end - column) : 0);
    char* const out = to.row(first) + (to_column + column) * (half ? 2 : 4);
    for (int64_t at = 0; at < right.length; at += right.depth) {
      const int64_t length = std::min(right.depth, right.length - at);
      const Left left = from.rows(first, n, from_column + at, length);
      kernel.product({right.kind, n, parts(length, right.kind), end - column, left.data, left.row, left.unit, right.unit(column, at), right.units() * panel,
                      left.scales, right.scale(column, at), right.zero.defined() ? right.zero.data_ptr<int32_t>() + column : nullptr, bias && at == 0 ? bias + column : nullptr,
                      sum.empty() ? out : static_cast<void*>(sum.data()), sum.empty() ? to.width() : end - column, half && !several, at > 0});
    }
    if (!sum.empty()) narrow(sum.data(), reinterpret_cast<BFloat16*>(out), to.width(), n, end - column);
  }
  void run(int64_t task) const {
    run(task, [](int64_t, int64_t, int64_t) {});
  }
};

}  // namespace
