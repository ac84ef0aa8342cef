#include "server/api/anthropic_answer.h"

#include <span>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "server/api/chat_choice.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

std::string event(const char* type, const Json& data) {
  Json json = {{"type", type}};
  json.update(data);
  return std::string("event: ") + type + "\n" + data_frame(json);
}

// Clients send it back with the block; it guards nothing here.
std::string signature_of(const std::string& reasoning) {
  return to_hex(xxh3_128(std::as_bytes(std::span(reasoning))));
}

// The empty block that a delta of this kind goes on.
Json empty_block(const Delta& delta, const ChatChoice& choice) {
  switch (delta.kind) {
    case DeltaKind::kReasoning:
      return {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
    case DeltaKind::kCall:
      return {{"type", "tool_use"},
              {"id", choice.call_id(delta.call_index)},
              {"name", delta.text},
              {"input", Json::object()}};
    default:
      return {{"type", "text"}, {"text", ""}};
  }
}

Json block_delta(const Delta& delta) {
  switch (delta.kind) {
    case DeltaKind::kReasoning:
      return {{"type", "thinking_delta"}, {"thinking", delta.text}};
    case DeltaKind::kArguments:
      return {{"type", "input_json_delta"}, {"partial_json", delta.text}};
    default:
      return {{"type", "text_delta"}, {"text", delta.text}};
  }
}

}  // namespace

struct AnthropicAnswer::State {
  State(const ChatCall& chat_call, AnswerHead answer_head)
      : call(chat_call),
        head(std::move(answer_head)),
        choice(chat_call, head.coalesce, head.id, 0) {}

  const ChatCall& call;
  AnswerHead head;
  ChatChoice choice;
  bool has_begun = false;
  bool is_closed = false;
  int32_t block_index = -1;
  DeltaKind block_kind = DeltaKind::kText;
  bool is_open = false;

  Json usage_json() const {
    return {{"input_tokens", call.generation.prompts.front().size()},
            {"output_tokens", choice.log().num_tokens()}};
  }

  Json message_json(Json content, Json reason, Json usage) const {
    return {{"id", head.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", call.generation.model},
            {"content", std::move(content)},
            {"stop_reason", std::move(reason)},
            {"stop_sequence", nullptr},
            {"usage", std::move(usage)}};
  }

  const char* stop_reason() const {
    if (choice.finish_reason() == "tool_calls") {
      return "tool_use";
    }
    return choice.end().reason == FinishReason::kLength ? "max_tokens" : "end_turn";
  }

  std::string begin() {
    if (std::exchange(has_begun, true)) {
      return {};
    }
    Json usage = usage_json();
    usage["output_tokens"] = 0;
    return event("message_start",
                 {{"message", message_json(Json::array(), nullptr, std::move(usage))}});
  }

  std::string close_block() {
    if (!std::exchange(is_open, false)) {
      return {};
    }
    std::string out;
    if (block_kind == DeltaKind::kReasoning) {
      const Json delta = {{"type", "signature_delta"},
                          {"signature", signature_of(choice.text().reasoning)}};
      out += event("content_block_delta", {{"index", block_index}, {"delta", delta}});
    }
    return out + event("content_block_stop", {{"index", block_index}});
  }

  std::string delta_events(const Delta& delta) {
    std::string out = begin();
    const bool goes_on =
        is_open && (delta.kind == block_kind ||
                    (delta.kind == DeltaKind::kArguments && block_kind == DeltaKind::kCall));
    if (!goes_on || delta.kind == DeltaKind::kCall) {
      out += close_block();
      is_open = true;
      block_kind = delta.kind;
      ++block_index;
      out += event("content_block_start",
                   {{"index", block_index}, {"content_block", empty_block(delta, choice)}});
    }
    if (delta.kind != DeltaKind::kCall) {
      out += event("content_block_delta", {{"index", block_index}, {"delta", block_delta(delta)}});
    }
    return out;
  }
};

AnthropicAnswer::AnthropicAnswer(const ChatCall& call, AnswerHead head)
    : state_(std::make_unique<State>(call, std::move(head))) {}

AnthropicAnswer::~AnthropicAnswer() = default;

void AnthropicAnswer::push(int32_t /*index*/, const ChoiceOutput& output) {
  state_->choice.push(output);
}

void AnthropicAnswer::finish(int32_t /*index*/, const ChoiceEnd& end) {
  state_->choice.finish(end);
}

std::optional<int64_t> AnthropicAnswer::stop_after(int32_t /*index*/) const {
  return state_->choice.stop_after();
}

bool AnthropicAnswer::is_done() const { return state_->choice.is_finished(); }

bool AnthropicAnswer::holds_text() const { return !state_->choice.buffer().empty(); }

UsageCounts AnthropicAnswer::usage() const {
  return usage_of(state_->call, std::span(&state_->choice, 1));
}

std::string AnthropicAnswer::take_frames(bool all) {
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
  out += state.close_block();
  out += event("message_delta",
               {{"delta", {{"stop_reason", state.stop_reason()}, {"stop_sequence", nullptr}}},
                {"usage", state.usage_json()}});
  return out + event("message_stop", Json::object());
}

std::string AnthropicAnswer::body(const std::optional<UsageTimings>& /*timings*/) const {
  TALON_CHECK(is_done(), "the answer {} is not done", state_->head.id);
  const ChatText& text = state_->choice.text();
  Json content = Json::array();
  if (!text.reasoning.empty()) {
    content.push_back({{"type", "thinking"},
                       {"thinking", text.reasoning},
                       {"signature", signature_of(text.reasoning)}});
  }
  if (!text.content.empty() || (text.reasoning.empty() && text.calls.empty())) {
    content.push_back({{"type", "text"}, {"text", text.content}});
  }
  for (const ChatToolCall& call : text.calls) {
    // The parser completes arguments to valid JSON; only nesting beyond all reason is left out.
    Result<Json> input = parse_json(call.arguments, {.max_depth = 256});
    content.push_back({{"type", "tool_use"},
                       {"id", call.id},
                       {"name", call.name},
                       {"input", input.ok() ? std::move(input).value() : Json::object()}});
  }
  return json_line(
      state_->message_json(std::move(content), state_->stop_reason(), state_->usage_json()));
}

}  // namespace talon::server
