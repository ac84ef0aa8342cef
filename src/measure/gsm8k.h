// The GSM8K task as lm-eval's `gsm8k` states it: prompt form, the two answer filters and the
// comparison. Pure functions on text, and a loader of its JSON lines.
//
// Prompt: "Question: {question}\nAnswer:", worked examples before it as
// "Question: ...\nAnswer: {answer}\n\n". Generation stops at "Question:" and at the end token.
//   strict_match      the first number after "#### "
//   flexible_extract  the last number of the text
// Two answers agree if they are equal after taking off "$", "," , a closing "." and, in the
// reference, everything up to "#### ".
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace talon {

struct Gsm8kProblem {
  std::string question;
  std::string answer;  // worked steps, then "#### n"
  std::string slice;   // empty: the file names none
};

// Reads at most `limit` lines (0: all). Throws Error naming file, line and field.
std::vector<Gsm8kProblem> load_gsm8k(const std::filesystem::path& file, int64_t limit);

std::string gsm8k_prompt(std::span<const Gsm8kProblem> examples, std::string_view question);

// The filters give "[invalid]" where the text holds no such number.
std::string gsm8k_strict_match(std::string_view text);
std::string gsm8k_flexible_extract(std::string_view text);

bool gsm8k_agrees(std::string_view filtered, std::string_view reference_answer);

}  // namespace talon
