// What linear.cpp (checks, autograd, threads) and linear_kernel.cpp (arithmetic, compiled once per instruction set) share. As in attention.h, no
// header of libtorch or of the standard library's templates.
#pragma once
#include <cstdint>

namespace linear {

// C [rows, columns] = A B + bias in float32. A is read by its two strides where it lies, B from packed panels of all its columns.
struct Product {
  int64_t rows, units, columns;
  const float* a;
  int64_t row_a, unit_a;
  const float* b;     // panels of `panel` columns, [units][panel] each
  int64_t panel_b;    // floats from one panel to the next
  const float* bias;  // of each column, or null
  void* c;            // rows lie `row_c` elements apart
  int64_t row_c;
  bool half, add;     // C is bfloat16; A B is added to what stands there (float only)
};

struct Kernels {
  int64_t panel;  // columns that lie together
  // Panels of B [units, columns], the last one filled up with zeros, whose rows (or columns) lie `stride` elements apart.
  void (*pack_rows)(const void* from, bool half, int64_t stride, int64_t units, int64_t columns, float* to);
  void (*pack_columns)(const float* from, int64_t stride, int64_t units, int64_t columns, float* to);
  void (*product)(const Product&);
};
extern const Kernels plain, avx2, avx512;

}  // namespace linear
