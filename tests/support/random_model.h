// Targets of random weights, loaded through the real loader from a checkpoint that is written for
// the purpose and removed again. The same options give the same weights as the oracle's helpers.
#pragma once

#include <filesystem>
#include <memory>

#include "model/minimax_m3/m3_model.h"
#include "support/tiny_model.h"

namespace talon::test {

std::unique_ptr<M3Model> load_model(const std::filesystem::path& folder,
                                    ActivationType type,
                                    KvFormat kv = {});
std::unique_ptr<M3Model> random_model(const TargetOptions& options,
                                      ActivationType type,
                                      KvFormat kv = {});

}  // namespace talon::test
