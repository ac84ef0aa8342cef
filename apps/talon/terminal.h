// What a person sees of a running generation: the text as it comes, tokens that the drafter
// guessed right in colour if the output is a terminal, and one line of statistics at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>

#include "stream/completion.h"

namespace talon {

class Terminal {
 public:
  explicit Terminal(std::FILE* out);

  void show(std::span<const TextSegment> segments);
  void show_statistics(const Completion& completion, int32_t num_drafts);
  // Several answers to one prompt, each under a line with its number and with its own
  // statistics.
  void show_choices(std::span<const Completion> choices, int32_t num_drafts);

 private:
  std::FILE* out_;
  bool is_terminal_;
};

}  // namespace talon
