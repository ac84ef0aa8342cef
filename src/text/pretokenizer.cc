#include "text/pretokenizer.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "base/result.h"
#include "text/pattern.h"

namespace talon::text {
namespace {

// The pattern that a ByteLevel step with use_regex stands for (GPT-2's encoder).
constexpr std::string_view kGpt2Expression =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// Enough for a pattern of quadratic cost a match to show itself; a good one takes a millisecond.
constexpr size_t kProbeBytes = 4096;
constexpr std::array<std::string_view, 10> kProbes = {
    "a", "A", "0", " ", "\n", "!", "'", "aA0 !\n", "\xE4\xB8\xAD", "e\xCC\x81"};

std::optional<Failure> probe(const Pattern& pattern) {
  MatchScratch scratch;
  for (const std::string_view unit : kProbes) {
    std::string text;
    while (text.size() < kProbeBytes) {
      text += unit;
    }
    PatternSplitter splitter(pattern, scratch, text);
    while (splitter.next()) {
    }
    if (!splitter.failure().empty()) {
      return Failure{fmt::format("unusable pattern: {} (long runs of ordinary characters)",
                                 splitter.failure())};
    }
  }
  return std::nullopt;
}

}  // namespace

Result<Pretokenizer> Pretokenizer::make(const PretokenizerSpec& spec) {
  Pretokenizer made;
  made.add_prefix_space_ = spec.add_prefix_space;
  for (const PretokenizerSpec::Split& split : spec.splits) {
    Result<Pattern> pattern = Pattern::compile(split.expression);
    if (!pattern.ok()) {
      return Failure{fmt::format("{}: {}", split.field, pattern.message())};
    }
    if (const std::optional<Failure> failure = probe(pattern.value())) {
      return Failure{fmt::format("{}: {}", split.field, failure->message)};
    }
    made.splits_.push_back(std::move(pattern).value());
  }
  if (spec.use_gpt2_pattern) {
    Result<Pattern> pattern = Pattern::compile(kGpt2Expression);
    TALON_CHECK(pattern.ok(), "GPT-2's pattern: {}", pattern.message());
    made.gpt2_ = std::move(pattern).value();
  }
  return made;
}

std::optional<Failure> Pretokenizer::failure_of(const PatternSplitter& splitter) {
  if (splitter.failure().empty()) {
    return std::nullopt;
  }
  return Failure{splitter.failure()};
}

}  // namespace talon::text
