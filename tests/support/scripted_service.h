// A server whose model plays a script, and what its chat answers say, whole or put together from
// their frames as a client does. Header-only.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "support/http_client.h"
#include "support/running_service.h"
#include "support/script.h"
#include "support/scripted_model.h"
#include "support/sse_reader.h"

namespace talon::test {

struct SpokenCall {
  std::string name{};
  std::string arguments{};

  friend bool operator==(const SpokenCall&, const SpokenCall&) = default;
  // NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
  friend void PrintTo(const SpokenCall& call, std::ostream* out) {
    *out << call.name << call.arguments;
  }
};

// One choice of a chat answer.
struct Spoken {
  std::string reasoning{};
  std::string content{};
  std::vector<SpokenCall> calls{};
  std::string finish_reason{};
  int64_t completion_tokens = 0;

  friend bool operator==(const Spoken&, const Spoken&) = default;
  // NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
  friend void PrintTo(const Spoken& spoken, std::ostream* out) {
    *out << "reasoning: " << spoken.reasoning << "\ncontent: " << spoken.content << "\ncalls: ";
    for (const SpokenCall& call : spoken.calls) {
      PrintTo(call, out);
    }
    *out << "\n" << spoken.finish_reason << " after " << spoken.completion_tokens << " tokens";
  }
};

inline std::string text_or_empty(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? "" : found->get<std::string>();
}

inline Spoken read_message(const Json& body) {
  const Json& choice = body.at("choices").at(0);
  const Json& message = choice.at("message");
  Spoken spoken{.reasoning = text_or_empty(message, "reasoning_content"),
                .content = text_or_empty(message, "content"),
                .finish_reason = choice.at("finish_reason"),
                .completion_tokens = body.at("usage").at("completion_tokens")};
  for (const Json& call : message.value("tool_calls", Json::array())) {
    EXPECT_EQ(call.at("type"), "function");
    EXPECT_TRUE(call.at("id").get<std::string>().starts_with("call_"));
    spoken.calls.push_back(
        {.name = call.at("function").at("name"), .arguments = call.at("function").at("arguments")});
  }
  return spoken;
}

inline void add_call_delta(const Json& delta, std::vector<SpokenCall>& calls) {
  const auto index = delta.at("index").get<size_t>();
  const Json& function = delta.at("function");
  if (index == calls.size()) {  // the first delta of a call has its name and id
    EXPECT_TRUE(delta.at("id").get<std::string>().starts_with("call_"));
    calls.push_back({.name = function.at("name")});
  } else {
    EXPECT_FALSE(delta.contains("id"));
    EXPECT_FALSE(function.contains("name"));
  }
  if (index >= calls.size()) {
    ADD_FAILURE() << "call " << index << " begins before call " << calls.size();
    return;
  }
  calls[index].arguments += function.at("arguments").get<std::string>();
}

inline Spoken read_chat_stream(const std::string& stream) {
  Spoken spoken;
  for (const Json& frame : read_frames(stream)) {
    if (frame.at("choices").empty()) {
      spoken.completion_tokens = frame.at("usage").at("completion_tokens");
      continue;
    }
    const Json& choice = frame.at("choices").at(0);
    const Json& delta = choice.at("delta");
    const std::string reasoning = text_or_empty(delta, "reasoning_content");
    const std::string content = text_or_empty(delta, "content");
    EXPECT_TRUE(reasoning.empty() || content.empty()) << frame.dump();
    EXPECT_TRUE(reasoning.empty() || spoken.calls.empty()) << "reasoning after a call";
    spoken.reasoning += reasoning;
    spoken.content += content;
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      add_call_delta(call, spoken.calls);
    }
    spoken.finish_reason += text_or_empty(choice, "finish_reason");
  }
  EXPECT_TRUE(stream.ends_with("data: [DONE]\n\n"));
  return spoken;
}

class ScriptedService {
 public:
  explicit ScriptedService(int32_t num_drafts, server::ServiceOptions options = {})
      : ScriptedService(
            num_drafts,
            std::move(options),
            std::make_unique<text::Tokenizer>(text::Tokenizer::load("models/talon-tiny"))) {}

  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  Script& script() { return *script_; }
  uint16_t port() const { return service_.port(); }

  HttpAnswer post(const std::string& path, const Json& body) const {
    return http_post(port(), path, body.dump());
  }

  // What is said to `user`, greedily; `fields` are those of the request besides.
  Spoken whole(const std::string& user, const Json& fields) const {
    const HttpAnswer answer = post("/v1/chat/completions", request(user, fields));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? read_message(parse_json(answer.body).value()) : Spoken();
  }
  Spoken streamed(const std::string& user, const Json& fields) const {
    Json body = request(user, fields);
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    const HttpAnswer answer = post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? read_chat_stream(answer.body) : Spoken();
  }
  // Both, which must be the same.
  Spoken say(const std::string& user, const Json& fields) const {
    Spoken spoken = whole(user, fields);
    EXPECT_EQ(streamed(user, fields), spoken);
    return spoken;
  }

 private:
  ScriptedService(int32_t num_drafts,
                  server::ServiceOptions options,
                  std::unique_ptr<text::Tokenizer> tokenizer)
      : tokenizer_(tokenizer.get()),
        script_(std::make_shared<Script>(*tokenizer_)),
        service_(LocalModel{.tokenizer = std::move(tokenizer),
                            .engine = build_scripted_engine(*tokenizer_, script_, num_drafts),
                            .end_token_ids = {script_->end()}},
                 std::move(options)) {}

  static Json request(const std::string& user, const Json& fields) {
    Json body = fields;
    body["messages"] = {{{"role", "user"}, {"content", user}}};
    body["temperature"] = 0;
    return body;
  }

  const text::Tokenizer* tokenizer_;  // the service's
  std::shared_ptr<Script> script_;
  RunningService service_;
};

}  // namespace talon::test
