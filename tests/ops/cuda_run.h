// Runs one call of an op on the CPU and on the first GPU and gives what it wrote on each.
//
// A call is a function of a Place, which hands it the stream and places its arrays: `in` and `out`
// are views of the test's tensors on the CPU, and of copies with guard bytes and all on the GPU.
// Outputs come back in the order of their `out`. On the GPU the call runs twice, at once and from a
// captured graph: it must give the same bits, and may take no device memory under capture.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/copy.h"
#include "core/cpu_context.h"
#include "core/cuda/context.h"
#include "core/cuda/graph.h"
#include "core/cuda/memory.h"
#include "core/stream.h"
#include "core/thread_pool.h"
#include "ops/weight.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/plane_types.h"
#include "tests/ops/test_weight.h"

namespace talon::ops {

inline constexpr int64_t kTestArenaBytes = int64_t{256} * 1024 * 1024;

// Row-major matrices of one format, stacked and in both layouts that kernels want.
class StackedWeight {
 public:
  explicit StackedWeight(const std::vector<const TestWeight*>& parts)
      : values_(make_values(parts)), scales_(make_scales(parts)) {
    for (const TestWeight* part : parts) {
      packed_.push_back(part->packed());
      parts_.push_back(part->weight());
    }
  }

  size_t size() const { return parts_.size(); }
  const Weight& packed(size_t i) const { return packed_[i].weight(); }
  const TestTensor& values() const { return values_; }
  const TestTensor& scales() const { return scales_; }

  // Matrix i as kCudaRows, of copies of values() and scales().
  Weight cuda_rows(size_t i, const ConstTensorView& values, const ConstTensorView& scales) const {
    Weight weight = parts_[i];
    const auto first = static_cast<int64_t>(i) * weight.num_out;  // all are alike
    weight.layout = WeightLayout::kCudaRows;
    weight.values = values.rows(first, weight.num_out);
    if (weight.format != WeightFormat::kBf16) {
      weight.scales = scales.rows(first, weight.num_out);
    }
    return weight;
  }

 private:
  static int64_t padded(const Weight& weight) {
    return (weight.num_in + kCudaRowInputs - 1) / kCudaRowInputs * kCudaRowInputs;
  }
  static int64_t count(const std::vector<const TestWeight*>& parts) {
    return static_cast<int64_t>(parts.size());
  }

  static TestTensor make_values(const std::vector<const TestWeight*>& parts) {
    const Weight first = parts[0]->weight();
    const int64_t columns =
        first.format == WeightFormat::kMxfp4 ? padded(first) / 2 : padded(first);
    TestTensor all(first.values.dtype(), {count(parts) * first.num_out, columns});
    const int64_t element = dtype_bytes(first.values.dtype());
    std::byte* to = all.view().data();
    for (const TestWeight* part : parts) {
      const ConstTensorView values = part->weight().values;
      for (int64_t row = 0; row < first.num_out; ++row, to += columns * element) {
        std::memset(to, 0, static_cast<size_t>(columns * element));
        const std::byte* from = values.data() + row * values.stride(0) * element;
        if (first.format == WeightFormat::kMxfp4) {
          halve_words(from, to, values.size(1));
        } else {
          std::memcpy(to, from, static_cast<size_t>(values.size(1) * element));
        }
      }
    }
    return all;
  }

  static TestTensor make_scales(const std::vector<const TestWeight*>& parts) {
    const Weight first = parts[0]->weight();
    const bool is_block = first.format == WeightFormat::kFp8Block;
    if (first.format == WeightFormat::kBf16) {
      return TestTensor(DType::kF32, {0, 1});
    }
    const int64_t columns = is_mx(first.format) ? padded(first) / kMxGroup : first.scales.size(1);
    TestTensor all(first.scales.dtype(), {count(parts) * first.num_out, columns});
    const int64_t element = dtype_bytes(first.scales.dtype());
    std::byte* to = all.view().data();
    for (const TestWeight* part : parts) {
      const ConstTensorView scales = part->weight().scales;
      for (int64_t row = 0; row < first.num_out; ++row, to += columns * element) {
        const int64_t from = is_block ? row / kFp8Block : row;
        std::memset(to, 0, static_cast<size_t>(columns * element));
        std::memcpy(to, scales.data() + from * scales.stride(0) * element,
                    static_cast<size_t>(scales.size(1) * element));
      }
    }
    return all;
  }

  TestTensor values_;
  TestTensor scales_;
  std::vector<PackedWeight> packed_;
  std::vector<Weight> parts_;
};

class Place {
 public:
  virtual ~Place() = default;
  virtual Stream stream() = 0;
  virtual Arena& arena() = 0;
  // A view of the tensor's contents.
  virtual ConstTensorView in(const TestTensor& tensor) = 0;
  // The same of a contiguous view of host memory; an empty one stays empty.
  ConstTensorView in_host(const ConstTensorView& view) {
    if (view.empty()) {
      return view;
    }
    kept_.push_back(std::make_unique<TestTensor>(view.dtype(), view.shape()));
    std::memcpy(kept_.back()->view().data(), view.data(),
                static_cast<size_t>(view.shape().num_elements() * dtype_bytes(view.dtype())));
    return in(*kept_.back());
  }
  // A view of a copy that the call may change.
  virtual TensorView out(const TestTensor& before) = 0;
  virtual std::vector<Weight> weights(const StackedWeight& stack) = 0;

 private:
  std::vector<std::unique_ptr<TestTensor>> kept_;
};

using OpCall = std::function<void(Place&)>;

class CpuPlace : public Place {
 public:
  Stream stream() override { return Stream(context_); }
  Arena& arena() override { return arena_; }
  ConstTensorView in(const TestTensor& tensor) override { return tensor.cview(); }
  TensorView out(const TestTensor& before) override {
    outputs_.push_back(std::make_unique<TestTensor>(before));
    return outputs_.back()->view();
  }
  std::vector<Weight> weights(const StackedWeight& stack) override {
    std::vector<Weight> all;
    for (size_t i = 0; i < stack.size(); ++i) {
      all.push_back(stack.packed(i));
    }
    return all;
  }

  std::vector<TestTensor> outputs() const {
    std::vector<TestTensor> all;
    for (const auto& output : outputs_) {
      all.push_back(*output);
    }
    return all;
  }

 private:
  CpuContext context_{num_usable_processors(), detect_cpu_path(), /*pin=*/false};
  Arena arena_{kTestArenaBytes};
  std::vector<std::unique_ptr<TestTensor>> outputs_;
};

// Of the process, since a context with its workspace takes a while to make.
inline CudaContext& test_cuda_context() {
  static CudaContext context(cuda_device(0));
  return context;
}
inline Arena& test_cuda_arena() {
  static Arena arena(kTestArenaBytes, cuda_device(0));
  return arena;
}

class CudaPlace : public Place {
 public:
  Stream stream() override { return test_cuda_context().stream(); }
  Arena& arena() override { return test_cuda_arena(); }
  ConstTensorView in(const TestTensor& tensor) override {
    return tensor.view_of_copy(block_of(tensor, /*is_output=*/false), cuda_device(0));
  }
  TensorView out(const TestTensor& before) override {
    return before.view_of_copy(block_of(before, /*is_output=*/true), cuda_device(0));
  }
  std::vector<Weight> weights(const StackedWeight& stack) override {
    const ConstTensorView values = in(stack.values());
    const ConstTensorView scales = in(stack.scales());
    std::vector<Weight> all;
    for (size_t i = 0; i < stack.size(); ++i) {
      all.push_back(stack.cuda_rows(i, values, scales));
    }
    return all;
  }

  // Hands out the same memory again, with outputs as they were at first.
  void repeat() {
    next_ = 0;
    for (const Block& block : blocks_) {
      copy_bytes(stream(), block.memory.data(), block.before.data(),
                 static_cast<int64_t>(block.before.size()));
    }
    synchronize(stream());
  }

  std::vector<TestTensor> outputs() {
    std::vector<TestTensor> all;
    for (const Block& block : blocks_) {
      if (block.is_output) {
        all.push_back(block.tensor);
        copy_bytes(stream(), all.back().all_bytes().data(), block.memory.data(),
                   block.memory.num_bytes());
        synchronize(stream());
      }
    }
    return all;
  }

 private:
  struct Block {
    TestTensor tensor;  // for its shape
    std::vector<std::byte> before;
    Buffer memory;
    bool is_output;
  };

  std::byte* block_of(const TestTensor& tensor, bool is_output) {
    if (next_ == blocks_.size()) {
      const auto num_bytes = static_cast<int64_t>(tensor.all_bytes().size());
      blocks_.push_back({tensor, tensor.all_bytes(), Buffer(num_bytes, cuda_device(0)), is_output});
      copy_bytes(stream(), blocks_.back().memory.data(), blocks_.back().before.data(), num_bytes);
      synchronize(stream());
    }
    return blocks_[next_++].memory.data();
  }

  std::vector<Block> blocks_;
  size_t next_ = 0;
};

inline std::vector<TestTensor> run_on_cpu(const OpCall& call) {
  CpuPlace place;
  call(place);
  return place.outputs();
}

inline std::vector<TestTensor> run_on_cuda(const OpCall& call) {
  CudaPlace place;
  call(place);
  std::vector<TestTensor> eager = place.outputs();
  place.repeat();
  const int64_t allocations = talon::cuda::num_device_allocations();
  const CudaGraph graph = CudaGraph::capture(test_cuda_context(), [&] { call(place); });
  EXPECT_EQ(talon::cuda::num_device_allocations(), allocations) << "device memory under capture";
  graph.replay(test_cuda_context());
  const std::vector<TestTensor> replayed = place.outputs();
  for (size_t i = 0; i < eager.size(); ++i) {
    EXPECT_TRUE(same_bits(replayed[i], eager[i])) << "output " << i << " of a replayed graph";
  }
  return eager;
}

// One bound for each output; {} asks for equal bits.
inline void expect_cuda_near(const OpCall& call, std::span<const Bound> bounds) {
  const std::vector<TestTensor> expected = run_on_cpu(call);
  const std::vector<TestTensor> actual = run_on_cuda(call);
  ASSERT_EQ(actual.size(), expected.size());
  ASSERT_EQ(actual.size(), bounds.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (bounds[i].relative == 0.0 && bounds[i].absolute == 0.0) {
      EXPECT_TRUE(same_bits(actual[i], expected[i])) << "output " << i;
    } else if (actual[i].dtype() == DType::kF8E4M3) {
      EXPECT_TRUE(actual[i].guards_intact()) << "output " << i;
      EXPECT_TRUE(is_near(widened(actual[i]), widened(expected[i]).values(), bounds[i]))
          << "output " << i;
    } else {
      EXPECT_TRUE(is_near(actual[i], expected[i].values(), bounds[i])) << "output " << i;
    }
  }
}

inline void expect_cuda_near(const OpCall& call, std::initializer_list<Bound> bounds) {
  expect_cuda_near(call, std::span(bounds.begin(), bounds.size()));
}

// What two correctly rounded results of nearly the same value may differ by: one unit in the last
// place of bf16, of which is_near grants one half anyway; some roundings of float32.
inline Bound rounding_bound(DType dtype) {
  return dtype == DType::kBf16 ? Bound{0x1p-8, 1e-30} : Bound{0x1p-20, 1e-30};
}

}  // namespace talon::ops
