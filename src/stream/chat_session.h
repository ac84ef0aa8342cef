// A conversation with a local model: what was said so far, rendered anew by the model's chat
// template for each turn. The prefix cache makes that cheap. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stream/completion.h"
#include "stream/local_model.h"
#include "text/chat_template.h"

namespace talon {

class ChatSession {
 public:
  // `model` must outlive the session.
  ChatSession(LocalModel& model, text::ChatTemplate chat_template)
      : model_(model), template_(std::move(chat_template)) {}

  void set_system(std::string text) { system_ = std::move(text); }  // empty: none
  // The template's switch: "enabled", "adaptive" or "disabled"; empty: as the template has it.
  void set_thinking(std::string mode) { thinking_ = std::move(mode); }

  // Says something and gives the answer, whose text reaches `sink` as it comes. `settings` has all
  // but the prompt. Throws Error if the template or the engine refuses; the turn is not kept then.
  Completion say(const std::string& text,
                 const CompletionRequest& settings,
                 const SegmentSink& sink);

  void forget() { turns_.clear(); }
  bool take_back();  // the last turn; false if there is none
  int64_t num_turns() const { return std::ssize(turns_); }

 private:
  struct Turn {
    std::string question;
    std::string reasoning;
    std::string answer;
  };

  std::string prompt_with(const std::string& question) const;
  Turn turn_of(const std::string& prompt,
               const std::string& question,
               const Completion& completion) const;

  LocalModel& model_;
  text::ChatTemplate template_;
  std::string system_;
  std::string thinking_;
  std::vector<Turn> turns_;
};

}  // namespace talon
