// Runs steps of a Model and a Drafter without the engine: a Batch from lists of tokens, lengths and
// pages, a KvStore and an arena of exactly the size that the model asks for. Results are copied
// out, so that runs can be compared bit by bit. Aborts on misuse. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/arena.h"
#include "core/cpu_context.h"
#include "core/stream.h"
#include "kv/kv_store.h"
#include "model/batch.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon::test {

// The new rows of one sequence.
struct StepSequence {
  std::vector<int32_t> tokens;
  int32_t kv_len = 0;               // the position of the first row
  std::vector<int32_t> pages;       // ids in order; positions past the last have none
  std::vector<int32_t> logit_rows;  // among these rows, ascending
  int32_t num_dead_rows = 0;        // follow the rows of the sequence
};

// A step's arrays, with room for `max_pages` pages a sequence (0: the most that one has).
class StepArrays {
 public:
  StepArrays(Stream stream,
             std::span<const StepSequence> sequences,
             int32_t context_limit,
             int32_t max_pages = 0);

  const Batch& batch() const { return batch_; }

 private:
  void add(const StepSequence& sequence, int32_t index);

  std::vector<int32_t> tokens_, positions_, row_sequence_, query_starts_, query_lens_, kv_lens_;
  std::vector<int32_t> page_table_, logit_rows_;
  std::vector<int64_t> write_slots_;
  Batch batch_;
};

// A copied array of rows.
struct RowsCopy {
  DType dtype = DType::kF32;
  int64_t num_rows = 0;
  int64_t num_columns = 0;
  std::vector<std::byte> bytes;

  std::vector<std::byte> row_bytes(int64_t row) const;
  std::vector<double> row(int64_t row) const;
  void append(const RowsCopy& other);
};
RowsCopy copy_rows(ConstTensorView view);  // rank 2

struct StepOutput {
  RowsCopy logits;
  RowsCopy taps;
};

struct DriverOptions {
  int num_threads = 1;
  CpuPath path = detect_cpu_path();
  int32_t num_pages = 20;  // the null page included
  int32_t context_limit = 8192;
};

class StepDriver {
 public:
  // Both must outlive the driver; `drafter` may be null.
  StepDriver(const Model& model, const Drafter* drafter, const DriverOptions& options);

  StepOutput forward(std::span<const StepSequence> sequences,
                     std::span<const int32_t> tap_layers = {});

  // Runs the drafter over the rows of `sequences`; next_tokens and taps are given per row,
  // last_rows per sequence. Returns the features [B, C].
  struct Extension {
    std::span<const StepSequence> sequences;
    const RowsCopy& taps;
    std::span<const int32_t> next_tokens;
    std::span<const int32_t> last_rows;
  };
  RowsCopy extend(const Extension& extension);

  struct Drafting {
    RowsCopy features;
    std::vector<int32_t> kv_len;
    std::vector<int32_t> active;
    std::vector<std::vector<int32_t>> pages;
    int32_t num_drafts = 1;
    DraftSampling sampling{};
  };
  // [B] of K ids.
  std::vector<std::vector<int32_t>> draft(const Drafting& drafting);

  KvStore& kv() { return kv_; }
  Stream stream() { return Stream(cpu_); }

  // Every value of every plane becomes NaN: the null page's, and those of `pages` from position
  // `kv_len` on.
  void poison(std::span<const int32_t> pages, int64_t kv_len);

  // The bytes of all planes of `owner` for positions [0, kv_len).
  std::vector<std::byte> kv_bytes(PlaneOwner owner, std::span<const int32_t> pages, int64_t kv_len);

  // Arena use of the last call and the bound it was given.
  int64_t last_scratch() const { return last_scratch_; }
  int64_t last_bound() const { return last_bound_; }

 private:
  Arena& arena(int64_t num_bytes);

  const Model& model_;
  const Drafter* drafter_;
  DriverOptions options_;
  CpuContext cpu_;
  KvStore kv_;
  std::unique_ptr<Arena> arena_;
  int64_t last_scratch_ = 0;
  int64_t last_bound_ = 0;
};

// `count` page ids from 1; with a seed in an order drawn from it.
std::vector<int32_t> page_ids(int64_t count, uint64_t seed = 0);

// Pages that hold `num_tokens` positions.
int64_t pages_for(int64_t num_tokens);

// Rows 0 .. count - 1.
std::vector<int32_t> row_range(int64_t count);

}  // namespace talon::test
