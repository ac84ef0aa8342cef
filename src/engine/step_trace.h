// Plans and results as JSON lines: the form of `--trace` files and of bug reports. The first line
// of a file states the bounds, then each step gives its plan and its result. Members that have
// their default value are left out; log-probabilities and times are never written.
//
// Parsing is for untrusted text: every id, length and count is held against the bounds, a member
// that is not known is a fault, and the message says which line member is wrong. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/step_plan.h"

namespace talon {

std::string to_json_line(const StepBounds& bounds);
std::string to_json_line(const StepPlan& plan);
std::string to_json_line(const StepResult& result);

// Whether a line is meant as a plan; what is neither bounds nor plan is read as a result.
bool is_plan_line(std::string_view line);

Result<StepBounds> parse_bounds(std::string_view line);
Result<StepPlan> parse_plan(std::string_view line, const StepBounds& bounds);
Result<StepResult> parse_result(std::string_view line, const StepBounds& bounds);

}  // namespace talon
