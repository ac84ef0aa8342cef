// Which bf16 weights are quantised while they are loaded, and to what: the object that
// --online-quant-config takes (spec/serving.md 3.1),
//
//   {"global_quant_config": "ptpc_fp8", "layer_quant_config": {"*experts*": "mxfp4"},
//    "exclude_layer": ["lm_head"]}
//
// A weight that a glob of exclude_layer matches stays as it is; else the first glob of
// layer_quant_config that matches says its format; else global_quant_config does, if it is there.
// Globs are those of fnmatch: * ? [seq] [!seq], over the whole of a name, `*` over dots too. A glob
// matches a weight if it matches its name ("model.layers.3.mlp.up_proj.weight") or the name up to
// one of its dots, so that a module stands for all in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ops/weight.h"

namespace talon {

struct OnlineQuantConfig {
  std::optional<WeightFormat> global;
  std::vector<std::pair<std::string, WeightFormat>> layers;  // glob and format, in order
  std::vector<std::string> excluded;                         // globs

  bool empty() const { return !global.has_value() && layers.empty(); }
};

// "ptpc_fp8": kFp8Channel; "per_block_fp8", "per_block128_fp8": kFp8Block; "mxfp4": kMxfp4. Fails,
// naming the key, for other formats and keys, for JSON that is none, and if nothing is quantised.
Result<OnlineQuantConfig> parse_online_quant(std::string_view json);

// What the weight of this name becomes; nothing: it stays as it is.
std::optional<WeightFormat> online_format(const OnlineQuantConfig& config, std::string_view name);

// The globs that match none of the names, each with the key it stands under, as
// "exclude_layer: \"*gate\"".
std::vector<std::string> unmatched_globs(const OnlineQuantConfig& config,
                                         const std::vector<std::string_view>& names);

}  // namespace talon
