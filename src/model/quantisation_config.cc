#include "model/quantisation_config.h"

#include <fmt/format.h>

#include <array>

#include "base/printable.h"

namespace talon {
namespace {

void read_mxfp8(ConfigReader& config) {
  config.require("weight_block_size", Json::array({1, 32}));
  config.require("scale_fmt", "ue8m0");
}

void read_fp8(ConfigReader& config) {
  config.require("weight_block_size", Json::array({128, 128}));
  config.require("fmt", "e4m3");
}

// AMD Quark's export (spec/minimax_m3.md 4.3).
void read_quark(ConfigReader& config) {
  const Json* global = config.object("global_quant_config");
  if (global == nullptr) {
    config.fail("global_quant_config", "missing");
    return;
  }
  ConfigReader all(*global, config.path() + "global_quant_config.");
  const Json* object = all.object("weight");
  if (object == nullptr) {
    all.fail("weight", "missing");
  } else {
    ConfigReader weight(*object, all.path() + "weight.");
    weight.require("dtype", "fp4");
    weight.require("qscheme", "per_group");
    weight.require("group_size", 32);
    weight.require("ch_axis", -1);
    weight.require("scale_format", "e8m0");
    weight.require("is_dynamic", false);
    all.adopt(weight);
  }
  config.adopt(all);
}

}  // namespace

std::string read_quantisation(ConfigReader& reader, std::string_view key) {
  const Json* object = reader.object(key);
  if (object == nullptr) {
    return "";
  }
  struct Method {
    std::string_view name;
    void (*read)(ConfigReader&);
  };
  constexpr std::array<Method, 3> kMethods = {
      {{"mxfp8", read_mxfp8}, {"fp8", read_fp8}, {"quark", read_quark}}};
  ConfigReader config(*object, fmt::format("{}{}.", reader.path(), key));
  const std::string name = config.text_or("quant_method", "");
  const Method* found = nullptr;
  for (const Method& method : kMethods) {
    found = method.name == name ? &method : found;
  }
  if (found == nullptr) {
    config.fail("quant_method",
                fmt::format("\"{}\" is not implemented, only \"mxfp8\", \"fp8\" and \"quark\" are",
                            printable(name, 40)));
  } else {
    found->read(config);
  }
  reader.adopt(config);
  return name;
}

}  // namespace talon
