#include "engine/step_plan.h"

#include "base/json.h"

namespace talon {
namespace {

template <class Id>
Json to_json(const std::vector<Id>& ids) {
  Json list = Json::array();
  for (const Id id : ids) {
    list.push_back(id.value);
  }
  return list;
}

}  // namespace

std::string to_json_line(const StepPlan& plan) {
  Json rows = Json::array();
  for (const PlanRow& row : plan.rows) {
    rows.push_back({{"sequence", row.sequence.value},
                    {"slot", row.slot.value},
                    {"first_position", row.first_position},
                    {"tokens", to_json(row.tokens)},
                    {"next_token", row.next_token.value},
                    {"num_drafts", row.num_drafts},
                    {"drafts_to_make", row.drafts_to_make},
                    {"sample", row.sample}});
  }
  Json patches = Json::array();
  for (const PagePatch& patch : plan.page_patches) {
    patches.push_back({{"slot", patch.slot.value},
                       {"first_index", patch.first_index},
                       {"pages", to_json(patch.pages)}});
  }
  const Json line = {{"plan", plan.round}, {"page_patches", patches}, {"rows", rows}};
  return line.dump();
}

std::string to_json_line(const StepResult& result) {
  Json rows = Json::array();
  for (const RowResult& row : result.rows) {
    rows.push_back({{"sequence", row.sequence.value},
                    {"tokens", to_json(row.tokens)},
                    {"drafted", row.drafted},
                    {"accepted", row.accepted},
                    {"kv_len", row.kv_len},
                    {"drafts", to_json(row.drafts)}});
  }
  const Json line = {{"result", result.round}, {"rows", rows}};
  return line.dump();
}

}  // namespace talon
