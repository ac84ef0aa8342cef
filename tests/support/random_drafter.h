// EAGLE-3 heads of random weights for a target, loaded like the models of random_model.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "model/model.h"
#include "spec/eagle3_drafter.h"
#include "support/tiny_model.h"

namespace talon::test {

std::unique_ptr<Eagle3Drafter> load_drafter(const std::filesystem::path& folder,
                                            const Model& target,
                                            std::span<const uint8_t> allowed = {});
std::unique_ptr<Eagle3Drafter> random_drafter(const HeadOptions& options,
                                              const Model& target,
                                              std::span<const uint8_t> allowed = {});

}  // namespace talon::test
