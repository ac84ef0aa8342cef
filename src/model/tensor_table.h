// The tensors that a config promises, and how a checkpoint keeps the promise. One table serves the
// loader, which stops at the first problem, and `talon inspect`, which lists them all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "core/upload.h"
#include "model/checkpoint.h"
#include "model/quantisation.h"
#include "ops/pack.h"

namespace talon {

enum class TensorRole : uint8_t {
  kLinear,  // [out, in] in any WeightFormat
  kBf16,    // gains and embeddings
  kF32,     // the router
  kI64,     // d2t
  kBool,    // t2d
};

enum class ModelPart : uint8_t {
  kEmbedding,
  kAttention,  // with the gains of q and k
  kIndexer,
  kNorms,
  kDenseMlp,
  kRouter,
  kExperts,
  kSharedExpert,
  kFeatures,  // what turns the target's taps into the drafter's input
  kHead,
  kVocabularyMap,
};
std::string_view model_part_name(ModelPart part);
inline constexpr int kNumModelParts = 11;

struct ExpectedTensor {
  std::string name;  // as the loader asks for it
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::kBf16;
  ModelPart part = ModelPart::kNorms;
  bool is_optional = false;

  int64_t num_elements() const;
};
using TensorTable = std::vector<ExpectedTensor>;

// What a row of the table was found to be. A missing optional tensor has no `values`.
struct MatchedTensor {
  const ExpectedTensor* expected = nullptr;
  LinearTensors found;  // of other roles than kLinear only `values` means something

  int64_t num_bytes() const;
};

struct TableMatch {
  std::vector<MatchedTensor> rows;  // those without a problem
  std::vector<TensorProblem> problems;
  std::vector<const CheckpointTensor*> unknown;  // in the files, not in the table
};

// The table and the checkpoint must outlive the result.
TableMatch match_tensors(const Checkpoint& checkpoint, const TensorTable& table);

// One line: the folder or file, then the problem.
std::string problem_text(const Checkpoint& checkpoint, const TensorProblem& problem);

// The loader's access to a checkpoint that fits its table. Tensors asked for by a name that is not
// in the table are a programmer error. The checkpoint must outlive it.
class TensorSource {
 public:
  // Throws Error for the first problem; warns once of unknown tensors. What is copied and packed
  // goes to the uploader's device, or without one to the CPU; the uploader must outlive this.
  TensorSource(const Checkpoint& checkpoint, TensorTable table, Uploader* uploader = nullptr);
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;

  bool has(std::string_view name) const;
  Weight linear(std::string_view name) const;  // row-major, showing the mapped file
  std::string_view bytes(std::string_view name) const;

  // A copy that `storage` owns, in the dtype of the file.
  ConstTensorView copy(std::string_view name, std::vector<Buffer>& storage) const;

  // Weights in the layout of the device's kernels, rows one under the other.
  PackedWeight pack(std::string_view name) const;
  PackedWeight stack(std::span<const std::string> names) const;  // throws as same_format

  Uploader* uploader() const { return uploader_; }

  // Throws Error naming the first weight whose format is not that of the first one.
  std::vector<Weight> same_format(std::span<const std::string> names) const;

 private:
  const MatchedTensor& row(std::string_view name) const;

  const Checkpoint& checkpoint_;
  TensorTable table_;
  TableMatch match_;
  Uploader* uploader_;
  std::unordered_map<std::string_view, const MatchedTensor*> by_name_;
};

}  // namespace talon
