#include "support/step_driver.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/checked_int.h"
#include "base/ids.h"
#include "ops/round_metadata.h"
#include "support/random_weights.h"

namespace talon::test {
namespace {

template <class T>
ConstTensorView array_view(const std::vector<T>& values) {
  return ConstTensorView(values.data(), Shape{std::ssize(values)});
}

KvLayout joint_layout(const Model& model, const Drafter* drafter) {
  KvLayout layout = model.kv_layout();
  if (drafter != nullptr) {
    layout.append(drafter->kv_layout());
  }
  return layout;
}

// A quiet NaN of either float type: all bits set.
constexpr int kNanByte = 0xFF;

}  // namespace

StepArrays::StepArrays(Stream stream,
                       std::span<const StepSequence> sequences,
                       int32_t context_limit,
                       int32_t max_pages) {
  int64_t num_pages = std::max<int64_t>(max_pages, 1);
  for (const StepSequence& sequence : sequences) {
    num_pages = std::max(num_pages, std::ssize(sequence.pages));
  }
  page_table_.assign(sequences.size() * static_cast<size_t>(num_pages), kNullPage.value);
  for (size_t b = 0; b < sequences.size(); ++b) {
    std::copy(sequences[b].pages.begin(), sequences[b].pages.end(),
              page_table_.begin() + static_cast<int64_t>(b) * num_pages);
    add(sequences[b], static_cast<int32_t>(b));
  }
  query_starts_.push_back(static_cast<int32_t>(tokens_.size()));
  write_slots_.resize(tokens_.size());
  batch_ = {
      .num_rows = static_cast<int32_t>(tokens_.size()),
      .num_sequences = static_cast<int32_t>(sequences.size()),
      .context_limit = context_limit,
      .token_ids = array_view(tokens_),
      .positions = array_view(positions_),
      .row_sequence = array_view(row_sequence_),
      .query_starts = array_view(query_starts_),
      .query_lens = array_view(query_lens_),
      .kv_lens = array_view(kv_lens_),
      .page_table = ConstTensorView(page_table_.data(), Shape{std::ssize(sequences), num_pages}),
      .write_slots = array_view(write_slots_),
      .logit_rows = array_view(logit_rows_)};
  ops::write_slots(stream, {.slots = TensorView(write_slots_.data(), Shape{batch_.num_rows}),
                            .positions = batch_.positions,
                            .row_sequence = batch_.row_sequence,
                            .page_table = batch_.page_table,
                            .context_limit = context_limit});
}

void StepArrays::add(const StepSequence& sequence, int32_t index) {
  const auto first_row = static_cast<int32_t>(tokens_.size());
  const auto count = static_cast<int32_t>(sequence.tokens.size());
  query_starts_.push_back(first_row);
  query_lens_.push_back(count);
  kv_lens_.push_back(sequence.kv_len);
  for (int32_t i = 0; i < count; ++i) {
    tokens_.push_back(sequence.tokens[static_cast<size_t>(i)]);
    positions_.push_back(sequence.kv_len + i);
    row_sequence_.push_back(index);
  }
  for (int32_t i = 0; i < sequence.num_dead_rows; ++i) {
    tokens_.push_back(0);
    positions_.push_back(-1);
    row_sequence_.push_back(index);
  }
  for (const int32_t row : sequence.logit_rows) {
    TALON_CHECK(row >= 0 && row < count, "logits of row {} of {}", row, count);
    logit_rows_.push_back(first_row + row);
  }
}

std::vector<std::byte> RowsCopy::row_bytes(int64_t row) const {
  const int64_t size = num_columns * dtype_bytes(dtype);
  return {bytes.begin() + row * size, bytes.begin() + (row + 1) * size};
}

std::vector<double> RowsCopy::row(int64_t row) const {
  const std::vector<std::byte> from = row_bytes(row);
  std::vector<double> values;
  for (size_t i = 0; i < static_cast<size_t>(num_columns); ++i) {
    dispatch_float(dtype, [&]<class T>() {
      T value;
      std::memcpy(&value, from.data() + i * sizeof(T), sizeof(T));
      values.push_back(static_cast<double>(to_float(value)));
    });
  }
  return values;
}

void RowsCopy::append(const RowsCopy& other) {
  if (num_rows == 0) {
    *this = other;
    return;
  }
  TALON_CHECK(dtype == other.dtype && num_columns == other.num_columns, "unlike rows");
  bytes.insert(bytes.end(), other.bytes.begin(), other.bytes.end());
  num_rows += other.num_rows;
}

RowsCopy copy_rows(ConstTensorView view) {
  RowsCopy copy{
      .dtype = view.dtype(), .num_rows = view.size(0), .num_columns = view.size(1), .bytes = {}};
  const int64_t size = view.size(1) * dtype_bytes(view.dtype());
  for (int64_t r = 0; r < view.size(0); ++r) {
    const std::byte* row = view.data() + r * view.stride(0) * dtype_bytes(view.dtype());
    copy.bytes.insert(copy.bytes.end(), row, row + size);
  }
  return copy;
}

StepDriver::StepDriver(const Model& model, const Drafter* drafter, const DriverOptions& options)
    : model_(model),
      drafter_(drafter),
      options_(options),
      cpu_(options.num_threads, options.path, /*pin=*/false),
      kv_(joint_layout(model, drafter), options.num_pages) {}

// A new arena whenever the size changes, so that running over a bound aborts.
Arena& StepDriver::arena(int64_t num_bytes) {
  if (arena_ == nullptr || arena_->capacity() != num_bytes) {
    arena_ = std::make_unique<Arena>(num_bytes);
  }
  last_bound_ = num_bytes;
  return *arena_;
}

StepOutput StepDriver::forward(std::span<const StepSequence> sequences,
                               std::span<const int32_t> tap_layers) {
  const StepArrays arrays(stream(), sequences, options_.context_limit);
  const Batch& batch = arrays.batch();
  const int64_t num_logits = batch.logit_rows.size(0);
  const DType dtype = activation_dtype(model_.activation_type());
  const int64_t tap_columns = std::ssize(tap_layers) * model_.limits().hidden_size;
  const int64_t vocabulary = model_.limits().vocab_size;
  const Buffer logits(num_logits * vocabulary * dtype_bytes(DType::kF32));
  const Buffer taps(batch.num_rows * tap_columns * dtype_bytes(dtype));
  if (logits.num_bytes() > 0) {
    std::memset(logits.data(), kNanByte, static_cast<size_t>(logits.num_bytes()));
  }
  const ForwardOutput out{.logits = logits.view(DType::kF32, Shape{num_logits, vocabulary}),
                          .tap_layers = tap_layers,
                          .taps = tap_columns == 0
                                      ? TensorView{}
                                      : taps.view(dtype, Shape{batch.num_rows, tap_columns})};
  Arena& scratch = arena(model_.scratch_bytes(batch.num_rows, static_cast<int32_t>(num_logits)));
  model_.forward(stream(), batch, kv_, scratch, out);
  TALON_CHECK(scratch.used() == 0, "a forward pass kept {} bytes", scratch.used());
  last_scratch_ = scratch.high_water();
  return {.logits = copy_rows(out.logits),
          .taps = tap_columns == 0 ? RowsCopy{} : copy_rows(out.taps)};
}

RowsCopy StepDriver::extend(const Extension& extension) {
  const StepArrays arrays(stream(), extension.sequences, options_.context_limit);
  const Batch& batch = arrays.batch();
  const RowsCopy& taps = extension.taps;
  TALON_CHECK(taps.num_rows == batch.num_rows, "{} taps", taps.num_rows);
  TALON_CHECK(std::ssize(extension.next_tokens) == batch.num_rows, "next tokens");
  TALON_CHECK(std::ssize(extension.last_rows) == batch.num_sequences, "last rows");
  const Shape shape{batch.num_sequences, model_.limits().hidden_size};
  const Buffer features(shape.num_elements() * dtype_bytes(taps.dtype));
  Arena& scratch = arena(drafter_->scratch_bytes(batch.num_rows, batch.num_sequences));
  drafter_->extend(
      stream(),
      {.batch = batch,
       .taps =
           ConstTensorView(taps.bytes.data(), taps.dtype, Shape{taps.num_rows, taps.num_columns}),
       .next_tokens = ConstTensorView(extension.next_tokens.data(), Shape{batch.num_rows}),
       .last_rows = ConstTensorView(extension.last_rows.data(), Shape{batch.num_sequences}),
       .features = features.view(taps.dtype, shape)},
      kv_, scratch);
  TALON_CHECK(scratch.used() == 0, "an extension kept {} bytes", scratch.used());
  last_scratch_ = scratch.high_water();
  return copy_rows(features.view(taps.dtype, shape));
}

std::vector<std::vector<int32_t>> StepDriver::draft(const Drafting& drafting) {
  RowsCopy features = drafting.features;
  const int64_t num_sequences = features.num_rows;
  std::vector<StepSequence> tables;
  tables.reserve(drafting.pages.size());
  for (const std::vector<int32_t>& pages : drafting.pages) {
    tables.push_back({.tokens = {}, .kv_len = 0, .pages = pages, .logit_rows = {}});
  }
  const auto max_pages = static_cast<int32_t>(pages_for(options_.context_limit));
  const StepArrays arrays(stream(), tables, options_.context_limit, max_pages);
  std::vector<int32_t> drafts(static_cast<size_t>(num_sequences * drafting.num_drafts), -7);
  Arena& scratch = arena(drafter_->scratch_bytes(0, static_cast<int32_t>(num_sequences)));
  drafter_->draft(stream(),
                  {.features = TensorView(features.bytes.data(), features.dtype,
                                          Shape{num_sequences, features.num_columns}),
                   .kv_len = array_view(drafting.kv_len),
                   .active = array_view(drafting.active),
                   .page_table = arrays.batch().page_table,
                   .context_limit = options_.context_limit,
                   .drafts = TensorView(drafts.data(), Shape{num_sequences, drafting.num_drafts}),
                   .sampling = drafting.sampling},
                  kv_, scratch);
  TALON_CHECK(scratch.used() == 0, "drafting kept {} bytes", scratch.used());
  last_scratch_ = scratch.high_water();
  std::vector<std::vector<int32_t>> out;
  for (int64_t b = 0; b < num_sequences; ++b) {
    const auto begin = drafts.begin() + b * drafting.num_drafts;
    out.emplace_back(begin, begin + drafting.num_drafts);
  }
  return out;
}

void StepDriver::poison(std::span<const int32_t> pages, int64_t kv_len) {
  for (const Plane& plane : kv_.layout().planes) {
    const TensorView view = kv_.plane(plane.owner, plane.layer, plane.kind);
    const int64_t token_bytes = plane.bytes_per_token();
    const auto fill = [&](int64_t page, int64_t first) {
      std::byte* begin = view.data() + (page * kPageTokens + first) * token_bytes;
      std::memset(begin, kNanByte, static_cast<size_t>((kPageTokens - first) * token_bytes));
    };
    fill(kNullPage.value, 0);
    for (size_t i = 0; i < pages.size(); ++i) {
      const int64_t first = kv_len - static_cast<int64_t>(i) * kPageTokens;
      fill(pages[i], std::clamp<int64_t>(first, 0, kPageTokens));
    }
  }
}

std::vector<std::byte> StepDriver::kv_bytes(PlaneOwner owner,
                                            std::span<const int32_t> pages,
                                            int64_t kv_len) {
  std::vector<std::byte> bytes;
  for (const Plane& plane : kv_.layout().planes) {
    if (plane.owner != owner) {
      continue;
    }
    const TensorView view = kv_.plane(plane.owner, plane.layer, plane.kind);
    const int64_t size = plane.bytes_per_token();
    for (int64_t p = 0; p < kv_len; ++p) {
      const int64_t page = pages[static_cast<size_t>(p / kPageTokens)];
      const std::byte* token = view.data() + (page * kPageTokens + p % kPageTokens) * size;
      bytes.insert(bytes.end(), token, token + size);
    }
  }
  return bytes;
}

std::vector<int32_t> page_ids(int64_t count, uint64_t seed) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), 1);
  for (size_t i = ids.size(); seed != 0 && i > 1; --i) {
    std::swap(ids[i - 1], ids[random_bits(seed, "pages", i) % i]);
  }
  return ids;
}

int64_t pages_for(int64_t num_tokens) { return ceil_div(num_tokens, kPageTokens); }

std::vector<int32_t> row_range(int64_t count) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

}  // namespace talon::test
