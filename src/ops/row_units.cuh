// How the rows of a step are dealt to blocks that read a sequence's pages once for several of its
// rows. Sequences have about T / B rows each, and exactly so many in a verify; their rows follow
// each other. A unit is up to kRows of them. It may hold rows of different sequences (in a step of
// verifies and prompts) and dead rows: a kernel takes those apart, so this is about speed alone.
#pragma once

#include <algorithm>

#include "base/checked_int.h"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {

struct RowUnits {
  int num_rows;    // of the launch
  int rows_each;   // of a sequence
  int parts_each;  // units of a sequence
  int unit_rows;

  // First row, counted from the launch's first, and number of rows; none past the last row.
  __device__ int2 at(int unit) const {
    const int part = unit % parts_each * unit_rows;
    const int first = unit / parts_each * rows_each + part;
    return {first, min(min(unit_rows, rows_each - part), num_rows - first)};
  }
  unsigned count() const { return grid_size(num_rows, rows_each) * parts_each; }
};

inline int64_t rows_of_a_sequence(int64_t num_rows, int64_t num_sequences) {
  return std::max<int64_t>(1, num_rows / std::max<int64_t>(1, num_sequences));
}

inline RowUnits row_units(int64_t num_rows, int64_t rows_each, int64_t unit_rows) {
  return {.num_rows = static_cast<int>(num_rows),
          .rows_each = static_cast<int>(rows_each),
          .parts_each = static_cast<int>(ceil_div(rows_each, unit_rows)),
          .unit_rows = static_cast<int>(unit_rows)};
}

}  // namespace talon::ops::cuda
