// What linear.cpp (checks, autograd, threads) and linear_kernel.cpp (arithmetic, compiled once per instruction set) share. As in attention.h, no
// header of libtorch or of the standard library's templates.
#pragma once
#include <cstdint>

namespace linear {

// C [rows, columns] = A B + bias. A is read by its two strides where it lies, B from packed panels of all its columns; both consist of units of 32 bits, `units` for
// each sum: a float, or two whole numbers of 16 bits that stand side by side (an odd last one beside a zero).
// Whole numbers are block floating point (arXiv 1804.01526): those of a row of A, and of a column of B, times a scale. None is larger than most(n) where n
// products are summed, so that the sum is exact in 32 bits.
struct Product {
  int64_t rows, units, columns;
  const void* a;
  int64_t row_a, unit_a;
  const void* b;      // panels of `panel` columns, [units][panel] each
  int64_t panel_b;    // units from one panel to the next
  const float *scale_a, *scale_b;  // of whole numbers: of each row and column
  const float* bias;  // of each column, or null
  void* c;            // rows lie `row_c` elements apart
  int64_t row_c;
  bool half, add;     // C is bfloat16, else float; A B is added to what stands there (float only)
};

// Numbers that are read: float or bfloat16, rows `stride` elements apart.
struct Source {
  const void* data;
  bool half;
  int64_t stride;
};

struct Kernels {
  int64_t panel;  // columns that lie together
  // Panels of floats of B [units, columns], the last one filled up with zeros, whose rows (or columns) are the source's.
  void (*pack_rows)(const Source&, int64_t units, int64_t columns, float* to);
  void (*pack_columns)(const Source&, int64_t units, int64_t columns, float* to);
  void (*product)(const Product&);
  // Whole numbers: panels as above, [(length + 1) / 2][panel] pairs each and `next` pairs apart, with the scales of whole panels of columns; and rows of A, (length + 1) / 2
  // pairs each. A number that is not finite makes a scale that is none.
  void (*whole_rows)(const Source&, int64_t length, int64_t columns, int32_t* to, int64_t next, float* scales);
  void (*whole_columns)(const Source&, int64_t length, int64_t columns, int32_t* to, int64_t next, float* scales);
  void (*whole_tokens)(const Source&, int64_t rows, int64_t length, int32_t* to, float* scales);
  void (*whole_product)(const Product&);
};
extern const Kernels plain, avx2, avx512;

constexpr int64_t whole_depth = 512;  // as many products of numbers of 12 bits, sign included, are exact in 32 bits

}  // namespace linear
