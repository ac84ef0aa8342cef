// The check behind "CPU kernels are row-invariant" (ARCHITECTURE.md): the bits of an output row do
// not depend on how many rows share the call, on their place in it, or on the threads.
//
// A case is a function that runs an op on rows [first, first + count) of kRowInvarianceRows fixed
// rows and returns the bytes of everything it wrote for each of them, `count` strings. Tests give a
// table of cases to expect_row_invariant.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {

inline constexpr int64_t kRowInvarianceRows = 128;

struct RowInvarianceCase {
  std::string name;
  std::function<std::vector<std::vector<std::byte>>(Stream, int64_t first, int64_t count)> run;
};

// Collects the bytes of row r of several outputs, each with `rows_each` innermost rows per row.
inline std::vector<std::vector<std::byte>> rows_of(const std::vector<const TestTensor*>& outputs,
                                                   int64_t count) {
  std::vector<std::vector<std::byte>> rows(static_cast<size_t>(count));
  for (const TestTensor* output : outputs) {
    EXPECT_TRUE(output->guards_intact());
    const int64_t inner_rows = output->num_elements() / output->num_columns();
    const int64_t rows_each = inner_rows / count;
    for (int64_t r = 0; r < count; ++r) {
      const auto bytes = output->row_bytes(r * rows_each, rows_each);
      auto& row = rows[static_cast<size_t>(r)];
      row.insert(row.end(), bytes.begin(), bytes.end());
    }
  }
  return rows;
}

inline void expect_row_invariant_on(CpuPath path, const RowInvarianceCase& op) {
  CpuContext one_thread(1, path, /*pin=*/false);
  const auto all = op.run(Stream(one_thread), 0, kRowInvarianceRows);
  ASSERT_EQ(all.size(), static_cast<size_t>(kRowInvarianceRows));

  for (const int num_threads : {1, 2}) {
    CpuContext context(num_threads, path, /*pin=*/false);
    for (const int64_t count : {1, 2, 3, 4, 8, 33, 128}) {
      for (const int64_t first : {int64_t{0}, kRowInvarianceRows - count}) {
        const auto some = op.run(Stream(context), first, count);
        ASSERT_EQ(some.size(), static_cast<size_t>(count));
        for (int64_t r = 0; r < count; ++r) {
          ASSERT_TRUE(some[static_cast<size_t>(r)] == all[static_cast<size_t>(first + r)])
              << "row " << first + r << " of " << count << " rows from " << first << " on "
              << num_threads << " threads differs from the row among 128";
        }
      }
    }
  }
}

inline void expect_row_invariant(const RowInvarianceCase& op) {
  for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (cpu_path_available(path)) {
      SCOPED_TRACE(op.name + ", " + std::string(cpu_path_name(path)));
      expect_row_invariant_on(path, op);
    }
  }
}

}  // namespace talon::ops
