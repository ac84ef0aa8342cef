#include "ops/round_metadata.h"

#include "base/check.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void write_slots(Stream stream, const WriteSlotsArgs& args) {
  const OpChecks check("write_slots", stream);
  check.rank("positions", args.positions, 1);
  check.rank("page_table", args.page_table, 2);
  const int64_t num_rows = args.positions.size(0);
  check.operand("slots", args.slots, DType::kI64, {num_rows});
  check.operand("positions", args.positions, DType::kI32, {num_rows});
  check.operand("row_sequence", args.row_sequence, DType::kI32, {num_rows});
  check.strided("page_table", args.page_table, DType::kI32, args.page_table.shape());
  check.output("slots", args.slots, args.positions, args.row_sequence, args.page_table);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("write_slots");
      return cuda::write_slots(stream.cuda(), args);
    }
  }
  cpu::write_slots(stream.cpu(), args);
}

void draft_step(Stream stream, const DraftStepArgs& args) {
  const OpChecks check("draft_step", stream);
  check.rank("kv_len", args.kv_len, 1);
  check.rank("page_table", args.page_table, 2);
  const int64_t num_sequences = args.kv_len.size(0);
  check.operand("positions", args.positions, DType::kI32, {num_sequences});
  check.operand("slots", args.slots, DType::kI64, {num_sequences});
  check.operand("kv_len", args.kv_len, DType::kI32, {num_sequences});
  check.operand("active", args.active, DType::kI32, {num_sequences});
  check.strided("page_table", args.page_table, DType::kI32,
                {num_sequences, args.page_table.size(1)});
  TALON_CHECK(args.step >= 1, "draft_step: step {} of a chain is no chain step", args.step);
  check.disjoint("positions", args.positions, "slots", args.slots);
  check.output("positions", args.positions, args.kv_len, args.active, args.page_table);
  check.output("slots", args.slots, args.kv_len, args.active, args.page_table);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("draft_step");
      return cuda::draft_step(stream.cuda(), args);
    }
  }
  cpu::draft_step(stream.cpu(), args);
}

}  // namespace talon::ops
