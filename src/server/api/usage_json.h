// The object `usage` of answers. Pure; include from .cc files only.
#pragma once

#include <optional>

#include "base/json.h"
#include "server/api/answer.h"

namespace talon::server {

Json usage_json(const UsageCounts& counts, const std::optional<UsageTimings>& timings = {});

}  // namespace talon::server
