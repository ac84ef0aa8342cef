#include "server/api/completion_answer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "server/api/choice_log.h"
#include "server/api/json_text.h"
#include "server/api/logprob_json.h"
#include "server/api/usage_json.h"
#include "stream/spec_json.h"
#include "text/detokenizer.h"

namespace talon::server {
namespace {

struct Choice {
  explicit Choice(const CoalesceLimits& limits) : buffer(limits) {}

  DeltaBuffer buffer;
  ChoiceLog log{};
  std::string text{};             // of the whole answer, if it is not streamed
  size_t num_characters = 0;      // of the text so far
  std::vector<size_t> offsets{};  // where the text of each token begins, in characters
  std::vector<PositionLogprobs> prompt_logprobs{};
  bool has_begun = false;
  bool has_sent = false;
  std::optional<ChoiceEnd> end{};
  bool has_sent_end = false;
};

}  // namespace

struct CompletionAnswer::State {
  const text::Tokenizer& tokenizer;
  const CompletionCall& call;
  AnswerHead head;
  std::vector<Choice> choices{};
  bool is_closed = false;

  const GenerationCall& generation() const { return call.generation; }
  const std::vector<TokenId>& prompt_of(size_t index) const {
    return generation().prompts[index / static_cast<size_t>(generation().settings.num_choices)];
  }

  void add_text(Choice& choice, std::string_view text) const {
    choice.num_characters += count_characters(text);
    if (generation().stream) {
      choice.buffer.push(DeltaKind::kText, 0, text);
    } else {
      choice.text += text;
    }
  }

  // Before the first token: the prompt, if it is echoed. Its logprobs are all there by then.
  void begin(size_t index, const ChoiceOutput& output) {
    Choice& choice = choices[index];
    if (choice.has_begun) {
      return;
    }
    choice.has_begun = true;
    choice.prompt_logprobs.assign(output.prompt_logprobs.begin(), output.prompt_logprobs.end());
    if (call.echo) {
      add_text(choice, tokenizer.decode(prompt_of(index), false));
    }
  }

  // Logprobs of `count` tokens, after those of an echoed prompt.
  Json logprobs(size_t index, size_t first, size_t count, bool with_prompt) const {
    if (call.num_logprobs < 0) {
      return nullptr;
    }
    const Choice& choice = choices[index];
    CompletionLogprobs out(tokenizer);
    if (with_prompt && call.echo) {
      add_prompt(index, out);
    }
    const auto positions = choice.log.logprobs(first, count);
    for (size_t i = 0; i < positions.size(); ++i) {
      out.add(positions[i], choice.offsets[first + i]);
    }
    return out.take();
  }

  void add_prompt(size_t index, CompletionLogprobs& out) const {
    const std::vector<TokenId>& prompt = prompt_of(index);
    const std::vector<PositionLogprobs>& positions = choices[index].prompt_logprobs;
    text::Detokenizer detokenizer(tokenizer, false);
    size_t offset = 0;
    for (size_t i = 0; i < prompt.size(); ++i) {
      if (i == 0) {
        out.add_first(prompt[i], offset);
      } else if (i <= positions.size()) {
        PositionLogprobs shown = positions[i - 1];
        const auto num_top = static_cast<size_t>(call.num_logprobs);
        shown.top.resize(std::min(shown.top.size(), num_top));
        out.add(shown, offset);
      }
      offset += count_characters(detokenizer.push(prompt[i]));
    }
  }

  Json choice_json(size_t index, const std::string& text, Json logprobs) const {
    return {{"index", index},
            {"text", text},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", nullptr}};
  }

  // What a choice adds on request: its tokens from `first`.
  void add_tokens(size_t index, size_t first, size_t count, Json& json) const {
    const ChoiceLog& log = choices[index].log;
    if (generation().return_token_ids) {
      json["token_ids"] = log.ids(first, count);
    }
    if (generation().return_spec_info) {
      json["talon"] = log.spec(first, count);
    }
  }

  void add_end(const Choice& choice, Json& json) const {
    json["finish_reason"] = finish_reason_name(choice.end->reason);
    if (generation().return_spec_info) {
      json["talon"]["spec"] = spec_json(choice.end->stats, head.num_speculative_tokens);
    }
  }

  Json answer_json(Json choices_json) const {
    return {{"id", head.id},
            {"object", "text_completion"},
            {"created", head.created},
            {"model", generation().model},
            {"choices", std::move(choices_json)}};
  }

  std::string frame(Json choice, const UsageCounts& counts) const {
    Json json = answer_json(Json::array({std::move(choice)}));
    if (generation().continuous_usage) {
      json["usage"] = usage_json(counts);
    }
    return data_frame(json);
  }

  std::string take_choice_frames(size_t index, bool all, const UsageCounts& counts) {
    Choice& choice = choices[index];
    std::string out;
    for (const Delta& delta : choice.buffer.take(all || choice.end.has_value())) {
      const size_t first = choice.log.send(delta.num_tokens);
      Json json = choice_json(index, delta.text,
                              logprobs(index, first, delta.num_tokens, !choice.has_sent));
      add_tokens(index, first, delta.num_tokens, json);
      if (!choice.has_sent && generation().return_token_ids) {
        json["prompt_token_ids"] = ids_json(prompt_of(index));
      }
      choice.has_sent = true;
      out += frame(std::move(json), counts);
    }
    if (choice.end.has_value() && !choice.has_sent_end) {
      const size_t count = choice.buffer.take_loose_tokens();
      const size_t first = choice.log.send(count);
      Json json = choice_json(index, "", logprobs(index, first, count, !choice.has_sent));
      add_tokens(index, first, count, json);
      add_end(choice, json);
      choice.has_sent_end = true;
      out += frame(std::move(json), counts);
    }
    return out;
  }
};

CompletionAnswer::CompletionAnswer(const text::Tokenizer& tokenizer,
                                   const CompletionCall& call,
                                   AnswerHead head) {
  std::vector<Choice> choices(static_cast<size_t>(call.generation.num_answers()),
                              Choice(head.coalesce));
  state_ = std::make_unique<State>(tokenizer, call, std::move(head), std::move(choices));
}

CompletionAnswer::~CompletionAnswer() = default;

void CompletionAnswer::push(int32_t index, const ChoiceOutput& output) {
  if (output.tokens.empty()) {
    return;
  }
  const auto at = static_cast<size_t>(index);
  state_->begin(at, output);
  if (state_->call.is_prompt_only) {
    return;
  }
  Choice& choice = state_->choices[at];
  choice.log.add(output);
  for (const OutputToken& token : output.tokens) {
    if (token.token.value >= 0) {
      choice.offsets.push_back(choice.num_characters);
      choice.buffer.push_tokens(1);
    }
    state_->add_text(choice, token.text);
  }
}

void CompletionAnswer::finish(int32_t index, const ChoiceEnd& end) {
  const auto at = static_cast<size_t>(index);
  TALON_CHECK(!state_->choices[at].end.has_value(), "choice {} ended twice", index);
  state_->begin(at, {});
  state_->choices[at].end = end;
}

bool CompletionAnswer::is_done() const {
  return std::all_of(state_->choices.begin(), state_->choices.end(),
                     [](const Choice& choice) { return choice.end.has_value(); });
}

bool CompletionAnswer::holds_text() const {
  return std::any_of(state_->choices.begin(), state_->choices.end(),
                     [](const Choice& choice) { return !choice.buffer.empty(); });
}

UsageCounts CompletionAnswer::usage() const {
  UsageCounts counts;
  const auto n = static_cast<size_t>(state_->generation().settings.num_choices);
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    const Choice& choice = state_->choices[i];
    counts.completion_tokens += static_cast<int64_t>(choice.log.num_tokens());
    if (i % n == 0) {
      counts.prompt_tokens += std::ssize(state_->prompt_of(i));
      counts.cached_tokens += choice.end.has_value() ? choice.end->cached_tokens : 0;
    }
  }
  return counts;
}

std::string CompletionAnswer::take_frames(bool all) {
  if (state_->is_closed) {
    return {};
  }
  const UsageCounts counts = usage();
  std::string out;
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    out += state_->take_choice_frames(i, all, counts);
  }
  if (!is_done()) {
    return out;
  }
  state_->is_closed = true;
  if (state_->generation().include_usage || state_->head.always_usage) {
    Json json = state_->answer_json(Json::array());
    json["usage"] = usage_json(counts);
    out += data_frame(json);
  }
  return out + "data: [DONE]\n\n";
}

std::string CompletionAnswer::body(const std::optional<UsageTimings>& timings) const {
  TALON_CHECK(is_done(), "the answer {} is not done", state_->head.id);
  Json choices = Json::array();
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    const Choice& choice = state_->choices[i];
    const size_t count = choice.log.num_tokens();
    Json json = state_->choice_json(i, choice.text, state_->logprobs(i, 0, count, true));
    state_->add_tokens(i, 0, count, json);
    state_->add_end(choice, json);
    if (state_->generation().return_token_ids) {
      json["prompt_token_ids"] = ids_json(state_->prompt_of(i));
    }
    if (state_->generation().settings.num_prompt_logprobs >= 0) {
      json["prompt_logprobs"] = prompt_logprobs_json(state_->tokenizer, choice.prompt_logprobs);
    }
    choices.push_back(std::move(json));
  }
  Json json = state_->answer_json(std::move(choices));
  json["usage"] = usage_json(usage(), timings);
  return json_line(json);
}

}  // namespace talon::server
