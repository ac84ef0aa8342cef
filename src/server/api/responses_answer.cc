#include "server/api/responses_answer.h"

#include <fmt/format.h>

#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "server/api/chat_choice.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

Json text_part(const std::string& text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}};
}

}  // namespace

struct ResponsesAnswer::State {
  State(const ChatCall& chat_call, AnswerHead answer_head)
      : call(chat_call),
        head(std::move(answer_head)),
        choice(chat_call, head.coalesce, head.id, 0) {}

  // An item of the output, as far as it has come.
  struct Item {
    DeltaKind kind = DeltaKind::kText;  // kText, kReasoning or kCall
    std::string id{};
    std::string text{};  // of a call: its arguments
    std::string name{};
    std::string call_id{};

    Json json(const char* status) const {
      if (kind == DeltaKind::kCall) {
        return {{"type", "function_call"}, {"id", id},        {"call_id", call_id}, {"name", name},
                {"arguments", text},       {"status", status}};
      }
      if (kind == DeltaKind::kReasoning) {
        const Json part = {{"type", "reasoning_text"}, {"text", text}};
        return {{"type", "reasoning"},
                {"id", id},
                {"summary", Json::array()},
                {"content", text.empty() ? Json::array() : Json::array({part})},
                {"status", status}};
      }
      return {{"type", "message"},
              {"id", id},
              {"role", "assistant"},
              {"content", text.empty() ? Json::array() : Json::array({text_part(text)})},
              {"status", status}};
    }
  };

  const ChatCall& call;
  AnswerHead head;
  ChatChoice choice;
  std::vector<Item> items{};  // the last one is open while the answer goes on
  int64_t sequence = 0;
  bool has_begun = false;
  bool is_closed = false;

  bool is_cut() const { return choice.end().reason == FinishReason::kLength; }
  const char* last_status() const { return is_cut() ? "incomplete" : "completed"; }

  Json usage_json() const {
    const UsageCounts counts = usage_of(call, std::span(&choice, 1));
    return {{"input_tokens", counts.prompt_tokens},
            {"input_tokens_details", {{"cached_tokens", counts.cached_tokens}}},
            {"output_tokens", counts.completion_tokens},
            {"output_tokens_details", {{"reasoning_tokens", *counts.reasoning_tokens}}},
            {"total_tokens", counts.prompt_tokens + counts.completion_tokens}};
  }

  Json response_json(const char* status, Json output) const {
    const bool is_over = choice.is_finished();
    Json details = nullptr;
    if (is_over && is_cut()) {
      details = {{"reason", "max_output_tokens"}};
    }
    return {{"id", head.id},
            {"object", "response"},
            {"created_at", head.created},
            {"status", status},
            {"error", nullptr},
            {"incomplete_details", std::move(details)},
            {"model", call.generation.model},
            {"output", std::move(output)},
            {"parallel_tool_calls", !call.stops_after_call},
            {"store", false},
            {"usage", is_over ? usage_json() : Json(nullptr)}};
  }

  Json output_json() const {
    Json output = Json::array();
    for (const Item& item : items) {
      output.push_back(item.json(&item == &items.back() ? last_status() : "completed"));
    }
    return output;
  }

  std::string event(const std::string& type, const Json& data) {
    Json json = {{"type", type}, {"sequence_number", sequence++}};
    json.update(data);
    return "event: " + type + "\n" + data_frame(json);
  }

  // An event of the open item; those of text parts name the part.
  std::string item_event(const std::string& type, const Json& data) {
    const Item& item = items.back();
    Json json = {{"item_id", item.id}, {"output_index", items.size() - 1}};
    if (item.kind != DeltaKind::kCall) {
      json["content_index"] = 0;
    }
    json.update(data);
    return event(type, json);
  }

  std::string begin() {
    if (std::exchange(has_begun, true)) {
      return {};
    }
    std::string out =
        event("response.created", {{"response", response_json("in_progress", Json::array())}});
    return out + event("response.in_progress",
                       {{"response", response_json("in_progress", Json::array())}});
  }

  std::string close_item(const char* status) {
    if (items.empty()) {
      return {};
    }
    const Item& item = items.back();
    std::string out;
    if (item.kind == DeltaKind::kCall) {
      out += item_event("response.function_call_arguments.done", {{"arguments", item.text}});
    } else if (item.kind == DeltaKind::kReasoning) {
      out += item_event("response.reasoning_text.done", {{"text", item.text}});
    } else {
      out += item_event("response.output_text.done", {{"text", item.text}});
      out += item_event("response.content_part.done", {{"part", text_part(item.text)}});
    }
    return out + event("response.output_item.done",
                       {{"output_index", items.size() - 1}, {"item", item.json(status)}});
  }

  // Begins the item that a delta belongs to, unless it is the open one.
  std::string open_item(const Delta& delta) {
    const bool is_arguments = delta.kind == DeltaKind::kArguments;
    if (is_arguments ||
        (!items.empty() && delta.kind == items.back().kind && delta.kind != DeltaKind::kCall)) {
      return {};
    }
    std::string out = close_item("completed");
    Item item = {.kind = delta.kind, .id = fmt::format("{}_{}", head.id, items.size())};
    if (delta.kind == DeltaKind::kCall) {
      item.name = delta.text;
      item.call_id = choice.call_id(delta.call_index);
    }
    items.push_back(std::move(item));
    out += event("response.output_item.added",
                 {{"output_index", items.size() - 1}, {"item", items.back().json("in_progress")}});
    if (delta.kind == DeltaKind::kText) {
      out += item_event("response.content_part.added", {{"part", text_part("")}});
    }
    return out;
  }

  std::string delta_events(const Delta& delta) {
    std::string out = begin();  // first: events are numbered as they are made
    out += open_item(delta);
    if (delta.kind == DeltaKind::kCall) {
      return out;
    }
    items.back().text += delta.text;
    const char* type = delta.kind == DeltaKind::kArguments   ? "response.function_call_arguments"
                       : delta.kind == DeltaKind::kReasoning ? "response.reasoning_text"
                                                             : "response.output_text";
    return out + item_event(std::string(type) + ".delta", {{"delta", delta.text}});
  }
};

ResponsesAnswer::ResponsesAnswer(const ChatCall& call, AnswerHead head)
    : state_(std::make_unique<State>(call, std::move(head))) {}

ResponsesAnswer::~ResponsesAnswer() = default;

void ResponsesAnswer::push(int32_t /*index*/, const ChoiceOutput& output) {
  state_->choice.push(output);
}

void ResponsesAnswer::finish(int32_t /*index*/, const ChoiceEnd& end) {
  State& state = *state_;
  state.choice.finish(end);
  if (state.call.generation.stream) {
    return;
  }
  for (const Delta& delta : state.choice.buffer().take(true)) {
    (void)state.delta_events(delta);
  }
}

std::optional<int64_t> ResponsesAnswer::stop_after(int32_t /*index*/) const {
  return state_->choice.stop_after();
}

bool ResponsesAnswer::is_done() const { return state_->choice.is_finished(); }

bool ResponsesAnswer::holds_text() const { return !state_->choice.buffer().empty(); }

UsageCounts ResponsesAnswer::usage() const {
  return usage_of(state_->call, std::span(&state_->choice, 1));
}

std::string ResponsesAnswer::take_frames(bool all) {
  State& state = *state_;
  if (state.is_closed) {
    return {};
  }
  std::string out;
  for (const Delta& delta : state.choice.buffer().take(all || is_done())) {
    out += state.delta_events(delta);
  }
  if (!is_done()) {
    return out;
  }
  state.is_closed = true;
  out += state.begin();
  out += state.close_item(state.last_status());
  return out +
         state.event(state.is_cut() ? "response.incomplete" : "response.completed",
                     {{"response", state.response_json(state.last_status(), state.output_json())}});
}

std::string ResponsesAnswer::body(const std::optional<UsageTimings>& /*timings*/) const {
  TALON_CHECK(is_done(), "the answer {} is not done", state_->head.id);
  return json_line(state_->response_json(state_->last_status(), state_->output_json()));
}

}  // namespace talon::server
