// What layer.h (threads), linear.cpp and int8.cpp (checks, autograd) and linear_kernel.cpp (arithmetic, compiled once per instruction set) share. As in attention.h, no
// header of libtorch or of the standard library's templates.
#pragma once
#include <cstdint>

namespace linear {

// What a unit of 32 bits holds, and how many: numbers that are multiplied and summed in one step. Whole numbers (of 16 bits) and bytes are block floating point
// (arXiv 1804.01526): those of a row of A, and of a column of B, times a scale. None of the whole ones is larger than the root of 2^31 / length, so that their products are
// summed exactly in 32 bits. Bytes of A are from 0 to 255, their zero is 128.
enum Kind : int64_t { floats = 1, wholes = 2, bytes = 4 };

constexpr int64_t panel = 48;         // columns of B that lie together
constexpr int64_t whole_depth = 512;  // whole numbers of a sum at most: then they have 12 bits with their sign

// C [rows, columns] = A B + bias. A is read by its two strides where it lies, B from packed panels of all its columns.
struct Product {
  Kind kind;
  int64_t rows, units, columns;
  const void* a;
  int64_t row_a, unit_a;
  const void* b;                   // panels, [units][panel] each
  int64_t panel_b;                 // units from one panel to the next
  const float *scale_a, *scale_b;  // of each row and column of what is not floats
  const int32_t* zero;             // of bytes: 128 times the sum of each column
  const float* bias;               // of each column, or null
  void* c;                         // rows lie `row_c` elements apart
  int64_t row_c;
  bool half, add;                  // C is bfloat16, else float; A B is added to what stands there (float only)
};

// Numbers that are read: float or bfloat16, rows `stride` elements apart.
struct Source {
  const void* data;
  bool half;
  int64_t stride;
};

struct Kernels {
  // B [length, columns], whose rows (or columns, floats all of them) are the source's, as panels `next` units apart, the last one filled up with zeros; and the scales of as many
  // columns. Bytes by columns alone. A number that is not finite makes a scale that is none.
  void (*pack_rows)(Kind, const Source&, int64_t length, int64_t columns, void* to, int64_t next, float* scales);
  void (*pack_columns)(Kind, const Source&, int64_t length, int64_t columns, void* to, int64_t next, float* scales);
  // Rows of A, one after the other, and their scales.
  void (*pack_tokens)(Kind, const Source&, int64_t rows, int64_t length, void* to, float* scales);
  void (*product)(const Product&);
};
extern const Kernels plain, avx2, avx512;

}  // namespace linear
