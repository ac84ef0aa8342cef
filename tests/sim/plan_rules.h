// What a plan must be whatever the state of the device: its rows within the bounds, one for each
// sequence and slot, each of one of the forms in engine/step_plan.h. A fault throws Violation.
#pragma once

#include "engine/step_plan.h"

namespace talon::test {

void check_rules(const StepPlan& plan, const StepBounds& bounds);

}  // namespace talon::test
