// Requests run together to their ends on a local model, and what they answer as text. Header-only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/request.h"
#include "stream/local_model.h"
#include "stream/output_processor.h"

namespace talon::test {

struct AnswerText {
  std::string text;
  FinishReason reason = FinishReason::kLength;

  friend bool operator==(const AnswerText& a, const AnswerText& b) { return a.text == b.text; }
  friend void PrintTo(const AnswerText& answer, std::ostream* out) { *out << answer.text; }
};

// The embedded pair with this many drafts a round; 0: without the drafter.
inline LocalModel open_with_drafts(int32_t num_drafts) {
  EngineConfig config;
  config.model_dir = "models/talon-tiny";
  config.draft_model_dir = num_drafts > 0 ? "models/talon-tiny-eagle3" : "";
  config.num_speculative_tokens = num_drafts;
  config.max_model_len = 1024;
  config.max_num_seqs = 4;
  return open_local_model(config);
}

// Of requests with one choice.
inline std::vector<AnswerText> answer_together(LocalModel& model, std::vector<Request> requests) {
  std::vector<std::unique_ptr<OutputProcessor>> outputs;
  outputs.reserve(requests.size());
  for (Request& request : requests) {
    auto submissions = std::get<std::vector<Submission>>(model.engine->submit(std::move(request)));
    outputs.push_back(std::make_unique<OutputProcessor>(*model.tokenizer, *model.engine,
                                                        submissions.front(), OutputSettings{}));
  }
  std::vector<AnswerText> answers(outputs.size());
  bool is_running = true;
  while (is_running) {
    (void)model.engine->step();
    is_running = false;
    for (size_t i = 0; i < outputs.size(); ++i) {
      for (const TextSegment& segment : outputs[i]->drain()) {
        answers[i].text += segment.text;
      }
      is_running = is_running || !outputs[i]->finished();
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    answers[i].reason = outputs[i]->finish_reason();
  }
  return answers;
}

}  // namespace talon::test
