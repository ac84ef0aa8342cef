#include "model/tensor_table.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"

namespace talon {
namespace {

FileDType file_dtype_of(TensorRole role) {
  switch (role) {
    case TensorRole::kF32:
      return FileDType::kF32;
    case TensorRole::kI64:
      return FileDType::kI64;
    case TensorRole::kBool:
      return FileDType::kBool;
    case TensorRole::kLinear:
    case TensorRole::kBf16:
      break;
  }
  return FileDType::kBf16;
}

DType dtype_of_role(TensorRole role) {
  switch (role) {
    case TensorRole::kF32:
      return DType::kF32;
    case TensorRole::kI64:
      return DType::kI64;
    case TensorRole::kBool:
      return DType::kBool;
    case TensorRole::kLinear:
    case TensorRole::kBf16:
      break;
  }
  return DType::kBf16;
}

std::variant<LinearTensors, TensorProblem> find_plain(const Checkpoint& checkpoint,
                                                      const ExpectedTensor& expected) {
  const CheckpointTensor* tensor = checkpoint.find(expected.name);
  if (tensor == nullptr) {
    return TensorProblem{.file_name = "",
                         .text = fmt::format("tensor \"{}\": missing", expected.name)};
  }
  const FileDType dtype = file_dtype_of(expected.role);
  if (tensor->entry.dtype != dtype || tensor->entry.shape != expected.shape) {
    return TensorProblem{
        .file_name = tensor->file_name,
        .text =
            fmt::format("tensor \"{}\": {} shape {}, expected {} {}", printable(tensor->entry.name),
                        file_dtype_name(tensor->entry.dtype), shape_text(tensor->entry.shape),
                        file_dtype_name(dtype), shape_text(expected.shape))};
  }
  LinearTensors found;
  found.values = tensor;
  return found;
}

std::variant<LinearTensors, TensorProblem> find_expected(const Checkpoint& checkpoint,
                                                         const ExpectedTensor& expected) {
  if (expected.is_optional && checkpoint.find(expected.name) == nullptr) {
    return LinearTensors{};
  }
  if (expected.role == TensorRole::kLinear) {
    return find_linear(checkpoint, expected.name, expected.shape[0], expected.shape[1]);
  }
  return find_plain(checkpoint, expected);
}

// Marks the tensors of a row as known, whether or not they have a problem.
void mark_known(const Checkpoint& checkpoint,
                const ExpectedTensor& expected,
                std::vector<bool>& known) {
  const auto mark = [&](std::string_view name) {
    if (const CheckpointTensor* tensor = checkpoint.find(name)) {
      known[static_cast<size_t>(tensor - checkpoint.tensors().data())] = true;
    }
  };
  mark(expected.name);
  // Scales beside a bf16 weight belong to nothing and are unknown.
  const CheckpointTensor* values = checkpoint.find(expected.name);
  if (expected.role == TensorRole::kLinear && values != nullptr &&
      values->entry.dtype != FileDType::kBf16) {
    for (const std::string& name : scale_names(expected.name)) {
      mark(name);
    }
  }
}

}  // namespace

std::string_view model_part_name(ModelPart part) {
  static constexpr std::array<std::string_view, kNumModelParts> kNames = {
      "embedding", "attention",     "indexer",  "norms", "dense_mlp",     "router",
      "experts",   "shared_expert", "features", "head",  "vocabulary_map"};
  return kNames[static_cast<size_t>(part)];
}

int64_t ExpectedTensor::num_elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) {
    count *= size;  // sizes are products of bounded config values
  }
  return count;
}

int64_t MatchedTensor::num_bytes() const {
  const auto size = [](const CheckpointTensor* tensor) {
    return tensor == nullptr ? 0 : std::ssize(tensor->bytes);
  };
  return size(found.values) + size(found.scales);
}

TableMatch match_tensors(const Checkpoint& checkpoint, const TensorTable& table) {
  TableMatch match;
  std::vector<bool> known(checkpoint.tensors().size(), false);
  for (const ExpectedTensor& expected : table) {
    mark_known(checkpoint, expected, known);
    auto found = find_expected(checkpoint, expected);
    if (auto* problem = std::get_if<TensorProblem>(&found)) {
      match.problems.push_back(std::move(*problem));
    } else {
      match.rows.push_back({.expected = &expected, .found = std::get<LinearTensors>(found)});
    }
  }
  for (size_t i = 0; i < known.size(); ++i) {
    if (!known[i]) {
      match.unknown.push_back(&checkpoint.tensors()[i]);
    }
  }
  return match;
}

std::string problem_text(const Checkpoint& checkpoint, const TensorProblem& problem) {
  const auto& folder = checkpoint.folder();
  const auto path = problem.file_name.empty() ? folder : folder / problem.file_name;
  return fmt::format("{}: {}", path.string(), problem.text);
}

TensorSource::TensorSource(const Checkpoint& checkpoint,
                           TensorTable table,
                           Uploader* uploader,
                           OnlineQuantConfig quant)
    : checkpoint_(checkpoint),
      table_(std::move(table)),
      match_(match_tensors(checkpoint, table_)),
      uploader_(uploader),
      quant_(std::move(quant)) {
  if (!match_.problems.empty()) {
    const std::string more = match_.problems.size() == 1
                                 ? ""
                                 : fmt::format(" (and {} more)", match_.problems.size() - 1);
    throw Error(ErrorCode::kCorruptFile, problem_text(checkpoint, match_.problems[0]) + more);
  }
  if (!match_.unknown.empty()) {
    log(LogLevel::kWarn, "model", "folder={} unknown_tensors={} first={}",
        checkpoint.folder().string(), match_.unknown.size(),
        printable(match_.unknown[0]->entry.name));
  }
  for (const MatchedTensor& row : match_.rows) {
    by_name_.emplace(row.expected->name, &row);
  }
  if (!quant_.empty()) {
    report_quantised();
  }
}

// How many weights are quantised, and which globs did nothing: a misspelt one looks like a choice.
void TensorSource::report_quantised() const {
  std::vector<std::string_view> names;
  names.reserve(match_.rows.size() + checkpoint_.skipped().size());
  int64_t num_quantised = 0;
  int64_t num_linear = 0;
  for (const MatchedTensor& row : match_.rows) {
    names.push_back(row.expected->name);
    if (row.expected->role == TensorRole::kLinear && row.found.values != nullptr) {
      ++num_linear;
      num_quantised += format(row.expected->name) != row.found.format ? 1 : 0;
    }
  }
  for (const CheckpointTensor& tensor : checkpoint_.skipped()) {
    names.push_back(tensor.name);
  }
  for (const std::string& glob : unmatched_globs(quant_, names)) {
    log(LogLevel::kWarn, "model", "online-quant-config: {}: matches no tensor", glob);
  }
  log(num_quantised == 0 ? LogLevel::kWarn : LogLevel::kInfo, "model",
      "online-quant-config: folder={} weights={} quantised={}", checkpoint_.folder().string(),
      num_linear, num_quantised);
}

const MatchedTensor& TensorSource::row(std::string_view name) const {
  const auto at = by_name_.find(name);
  TALON_CHECK(at != by_name_.end(), "{} is not in the table of tensors", name);
  TALON_CHECK(at->second->found.values != nullptr, "{} is optional and absent", name);
  return *at->second;
}

bool TensorSource::has(std::string_view name) const {
  const auto at = by_name_.find(name);
  TALON_CHECK(at != by_name_.end(), "{} is not in the table of tensors", name);
  return at->second->found.values != nullptr;
}

const LinearTensors& TensorSource::linear(std::string_view name) const {
  const MatchedTensor& found = row(name);
  TALON_CHECK(found.expected->role == TensorRole::kLinear, "{} is no linear weight", name);
  return found.found;
}

WeightFormat TensorSource::format(std::string_view name) const {
  const WeightFormat stored = linear(name).format;
  return stored == WeightFormat::kBf16 ? online_format(quant_, name).value_or(stored) : stored;
}

std::string_view TensorSource::bytes(std::string_view name) const {
  const std::span<const std::byte> bytes = row(name).found.values->bytes;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ConstTensorView TensorSource::copy(std::string_view name, std::vector<Buffer>& storage) const {
  const MatchedTensor& found = row(name);
  const std::vector<int64_t>& sizes = found.expected->shape;
  TALON_CHECK(found.expected->role != TensorRole::kLinear, "{} is a linear weight", name);
  TALON_CHECK(sizes.size() == 1 || sizes.size() == 2, "{} has rank {}", name, sizes.size());
  const std::span<const std::byte> bytes = found.found.values->bytes;
  const Buffer& buffer = storage.emplace_back(place(uploader_, bytes.data(), std::ssize(bytes)));
  const Shape shape = sizes.size() == 1 ? Shape{sizes[0]} : Shape{sizes[0], sizes[1]};
  return buffer.view(dtype_of_role(found.expected->role), shape);
}

PackedWeight TensorSource::stack(std::span<const std::string> names) const {
  check_same_format(names);
  std::vector<QuantisedWeight> quantised;
  std::vector<Weight> parts;
  quantised.reserve(names.size());
  parts.reserve(names.size());
  for (const std::string& name : names) {
    const WeightFormat wanted = format(name);
    if (wanted == linear(name).format) {
      parts.push_back(linear(name).row_major());
    } else {
      parts.push_back(quantised.emplace_back(quantise(name, wanted)).weight());
    }
  }
  return uploader_ == nullptr ? PackedWeight::stack(parts)
                              : PackedWeight::stack_rows(parts, *uploader_);
}

void TensorSource::fail(std::string_view name, std::string_view problem) const {
  throw Error(ErrorCode::kUnsupported,
              problem_text(checkpoint_, {.file_name = linear(name).values->file_name,
                                         .text = fmt::format("tensor \"{}\": {}", name, problem)}));
}

void TensorSource::check_same_format(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    if (format(name) != format(names[0])) {
      fail(name, fmt::format("{}, but \"{}\" beside it is {}", weight_format_name(format(name)),
                             names[0], weight_format_name(format(names[0]))));
    }
  }
}

QuantisedWeight TensorSource::quantise(std::string_view name, WeightFormat format) const {
  const LinearTensors& found = linear(name);
  if (format == WeightFormat::kMxfp4 && found.num_in % kMxGroup != 0) {
    fail(name, fmt::format("{} inputs are not whole groups of {}, as mxfp4 needs", found.num_in,
                           kMxGroup));
  }
  std::optional<QuantisedWeight> quantised = QuantisedWeight::make(found.row_major(), format);
  if (!quantised.has_value()) {
    fail(name, "a value that is not finite cannot be quantised");
  }
  return std::move(*quantised);
}

}  // namespace talon
