#include "engine/step_trace.h"

#include <utility>

#include "base/json.h"
#include "engine/sampling_fields.h"

namespace talon {
namespace {

template <class Id>
Json ids_json(const std::vector<Id>& ids) {
  Json list = Json::array();
  for (const Id id : ids) {
    list.push_back(id.value);
  }
  return list;
}

// Adds a member unless it has its default value.
template <class T>
void put(Json& object, const char* name, const T& value, const T& usual) {
  if (value != usual) {
    object[name] = value;
  }
}

template <class Id>
void put_ids(Json& object, const char* name, const std::vector<Id>& ids) {
  if (!ids.empty()) {
    object[name] = ids_json(ids);
  }
}

void put_list(Json& object, const char* name, Json&& list) {
  if (!list.empty()) {
    object[name] = std::move(list);
  }
}

Json sampling_json(const SamplingSettings& settings) {
  const SamplingSettings usual;
  Json object = Json::object();
  visit_scalars(
      [&](const char* name, auto member) { put(object, name, settings.*member, usual.*member); });
  visit_id_lists([&](const char* name, auto member) { put_ids(object, name, settings.*member); });
  Json biases = Json::array();
  for (const LogitBias& entry : settings.logit_bias) {
    biases.push_back({entry.token.value, entry.bias});
  }
  put_list(object, "logit_bias", std::move(biases));
  return object;
}

Json slot_patch_json(const SlotPatch& patch) {
  Json object = {{"slot", patch.slot.value}};
  put<int64_t>(object, "kv_len", patch.kv_len, 0);
  put<int64_t>(object, "prompt_len", patch.prompt_len, 0);
  put<int64_t>(object, "min_end_index", patch.min_end_index, 0);
  put_ids(object, "end_ids", patch.end_ids);
  put_ids(object, "tokens", patch.tokens);
  put_list(object, "sampling", sampling_json(patch.sampling));
  return object;
}

Json plan_row_json(const PlanRow& row) {
  Json object = {{"sequence", row.sequence.value}, {"slot", row.slot.value}};
  put<int64_t>(object, "first_position", row.first_position, 0);
  put_ids(object, "tokens", row.tokens);
  put(object, "next_token", row.next_token.value, 0);
  put(object, "num_drafts", row.num_drafts, 0);
  put(object, "drafts_to_make", row.drafts_to_make, 0);
  put(object, "sample", row.sample, false);
  put(object, "num_logprobs", row.num_logprobs, -1);
  put(object, "num_prompt_logprobs", row.num_prompt_logprobs, -1);
  if (!row.masks.empty()) {
    object["masks"] = row.masks;
  }
  return object;
}

}  // namespace

std::string to_json_line(const StepBounds& bounds) {
  const Json line = {{"num_pages", bounds.num_pages},   {"context_limit", bounds.context_limit},
                     {"vocab_size", bounds.vocab_size}, {"max_sequences", bounds.max_sequences},
                     {"max_rows", bounds.max_rows},     {"max_logit_rows", bounds.max_logit_rows},
                     {"max_drafts", bounds.max_drafts}, {"has_drafter", bounds.has_drafter}};
  return line.dump();
}

std::string to_json_line(const StepPlan& plan) {
  Json line = {{"plan", plan.round}};
  put(line, "ahead", plan.ahead, false);
  Json slots = Json::array();
  for (const SlotPatch& patch : plan.slot_patches) {
    slots.push_back(slot_patch_json(patch));
  }
  put_list(line, "slot_patches", std::move(slots));
  Json pages = Json::array();
  for (const PagePatch& patch : plan.page_patches) {
    pages.push_back({{"slot", patch.slot.value},
                     {"first_index", patch.first_index},
                     {"pages", ids_json(patch.pages)}});
  }
  put_list(line, "page_patches", std::move(pages));
  Json copies = Json::array();
  for (const PageCopy& copy : plan.page_copies) {
    copies.push_back({copy.from.value, copy.to.value});
  }
  put_list(line, "page_copies", std::move(copies));
  Json rows = Json::array();
  for (const PlanRow& row : plan.rows) {
    rows.push_back(plan_row_json(row));
  }
  put_list(line, "rows", std::move(rows));
  return line.dump();
}

std::string to_json_line(const StepResult& result) {
  Json line = {{"result", result.round}};
  Json rows = Json::array();
  for (const RowResult& row : result.rows) {
    Json object = {{"sequence", row.sequence.value}};
    put_ids(object, "tokens", row.tokens);
    put(object, "drafted", row.drafted, 0);
    put(object, "accepted", row.accepted, 0);
    put<int64_t>(object, "kv_len", row.kv_len, 0);
    put_ids(object, "drafts", row.drafts);
    rows.push_back(std::move(object));
  }
  put_list(line, "rows", std::move(rows));
  return line.dump();
}

bool is_plan_line(std::string_view line) { return line.starts_with("{\"plan\":"); }

}  // namespace talon
