#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

namespace talon {
namespace {

constexpr const char* kDraftColour = "\x1b[32m";
constexpr const char* kDim = "\x1b[2m";
constexpr const char* kReset = "\x1b[0m";

}  // namespace

Terminal::Terminal(std::FILE* out) : out_(out), is_terminal_(isatty(fileno(out)) == 1) {}

void Terminal::show(std::span<const TextSegment> segments) {
  for (const TextSegment& segment : segments) {
    if (is_terminal_ && segment.draft_position > 0) {
      fmt::print(out_, "{}{}{}", kDraftColour, segment.text, kReset);
    } else {
      fmt::print(out_, "{}", segment.text);
    }
  }
  std::fflush(out_);
}

void Terminal::show_statistics(const Completion& completion, int32_t num_drafts) {
  std::string line =
      fmt::format("{} tokens, {}, {:.0f} tokens/s", completion.tokens.size(),
                  finish_reason_name(completion.finish_reason), completion.decode_tokens_per_s());
  if (num_drafts > 0) {
    line += fmt::format("; K = {}: {:.1f} % of drafts accepted, {:.2f} tokens per forward",
                        num_drafts, 100.0 * completion.stats.acceptance_rate(),
                        completion.stats.tokens_per_forward());
  }
  if (completion.synthetic_acceptance) {
    line += "; acceptance was forced, the text means nothing";
  }
  if (completion.synthetic_weights) {
    line += "; the weights are random, the text means nothing";
  }
  fmt::print(out_, "\n");
  std::fflush(out_);
  // Statistics are not part of the text: a pipe gets the text alone.
  if (is_terminal_) {
    line = kDim + line + kReset;
  }
  fmt::print(stderr, "{}\n", line);
}

void Terminal::show_choices(std::span<const Completion> choices, int32_t num_drafts) {
  for (const Completion& completion : choices) {
    fmt::print(out_, "--- choice {} ---\n{}", completion.choice, completion.text);
    show_statistics(completion, num_drafts);
  }
}

}  // namespace talon
