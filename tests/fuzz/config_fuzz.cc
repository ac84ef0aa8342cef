// A config.json or a checkpoint index of any text is parsed or refused with one line, and a config
// that is accepted gives a table of tensors whose sizes are positive and whose bytes can be
// counted.
#include "model/eagle3/config.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/dtype.h"
#include "model/checkpoint_index.h"
#include "model/eagle3/kv_layout.h"
#include "model/eagle3/tensor_table.h"
#include "model/minimax_m3/config.h"
#include "model/minimax_m3/kv_layout.h"
#include "model/minimax_m3/tensor_table.h"
#include "model/model_identity.h"

namespace {

// Larger tables are legal, and building them is all that a fuzzer would do.
constexpr int64_t kMaxTensors = 20000;

template <class T>
bool accepted(const talon::Result<T>& result) {
  if (!result.ok()) {
    TALON_CHECK(!result.message().empty(), "a failure without a message");
    TALON_CHECK(result.message().find('\n') == std::string::npos, "{}", result.message());
  }
  return result.ok();
}

void check_table(const talon::TensorTable& table) {
  for (const talon::ExpectedTensor& tensor : table) {
    std::optional<int64_t> bytes = 4;
    for (const int64_t extent : tensor.shape) {
      TALON_CHECK(extent > 0, "{}", tensor.name);
      bytes = talon::checked_mul(*bytes, extent);
      TALON_CHECK(bytes.has_value(), "{}", tensor.name);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  accepted(talon::read_model_identity(text));
  accepted(talon::parse_checkpoint_index(text));
  const auto target = talon::parse_m3_config(text);
  if (accepted(target)) {
    const talon::M3Config& config = target.value();
    if (int64_t{config.num_layers} * (config.num_experts + 16) <= kMaxTensors) {
      check_table(talon::m3_tensor_table(config));
    }
    TALON_CHECK(talon::m3_kv_layout(config, talon::DType::kF32).bytes_per_page() > 0, "no KV");
  }
  const auto head = talon::parse_eagle3_config(text);
  if (accepted(head)) {
    check_table(talon::eagle3_tensor_table(head.value()));
    TALON_CHECK(talon::eagle3_kv_layout(head.value(), talon::DType::kF32).bytes_per_page() > 0,
                "no KV");
  }
  return 0;
}
