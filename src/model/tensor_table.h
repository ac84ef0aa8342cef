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
#include "model/online_quant.h"
#include "model/quantisation.h"
#include "ops/pack.h"
#include "ops/quantise_weight.h"

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
  // Throws Error for the first problem; warns once of unknown tensors and of globs that match none.
  // What is copied and packed goes to the uploader's device, or without one to the CPU; the
  // uploader must outlive this. bf16 weights are quantised on their way as `quant` says.
  TensorSource(const Checkpoint& checkpoint,
               TensorTable table,
               Uploader* uploader = nullptr,
               OnlineQuantConfig quant = {});
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;

  bool has(std::string_view name) const;
  std::string_view bytes(std::string_view name) const;

  // A copy that `storage` owns, in the dtype of the file.
  ConstTensorView copy(std::string_view name, std::vector<Buffer>& storage) const;

  // Weights in the layout of the device's kernels, rows one under the other. Throws Error naming
  // the first weight whose format is not that of the first one, or which cannot be quantised.
  PackedWeight pack(std::string_view name) const {
    const std::string only(name);
    return stack({&only, 1});
  }
  PackedWeight stack(std::span<const std::string> names) const;

  Uploader* uploader() const { return uploader_; }

 private:
  const MatchedTensor& row(std::string_view name) const;
  const LinearTensors& linear(std::string_view name) const;
  WeightFormat format(std::string_view name) const;  // in which it is packed
  [[noreturn]] void fail(std::string_view name, std::string_view problem) const;
  void check_same_format(std::span<const std::string> names) const;
  QuantisedWeight quantise(std::string_view name, WeightFormat format) const;
  void report_quantised() const;

  const Checkpoint& checkpoint_;
  TensorTable table_;
  TableMatch match_;
  Uploader* uploader_;
  OnlineQuantConfig quant_;
  std::unordered_map<std::string_view, const MatchedTensor*> by_name_;
};

}  // namespace talon
