#include "measure/gsm8k.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/error.h"
#include "base/json.h"

namespace talon {
namespace {

constexpr std::string_view kInvalid = "[invalid]";
constexpr std::string_view kMarker = "#### ";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The characters of lm-eval's number class [$0-9.,].
bool is_number_char(char c) { return is_digit(c) || c == '.' || c == ',' || c == '$'; }

std::string string_field(const Json& line, const char* name, const std::string& place) {
  const auto it = line.find(name);
  if (it == line.end() || !it->is_string()) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: field \"{}\" is missing or no string", place, name));
  }
  return it->get<std::string>();
}

// Length of a match of (-?[$0-9.,]{2,}) or, failing that, (-?[0-9]+) at the start of `text`; 0: no
// match. This is the order of alternatives of lm-eval's flexible filter.
size_t number_length(std::string_view text) {
  const size_t sign = text.starts_with('-') ? 1 : 0;
  const std::string_view rest = text.substr(sign);
  const auto run = static_cast<size_t>(std::find_if_not(rest.begin(), rest.end(), is_number_char) -
                                       rest.begin());
  if (run >= 2) {
    return sign + run;
  }
  const auto digits =
      static_cast<size_t>(std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin());
  return digits == 0 ? 0 : sign + digits;
}

std::string normalised(std::string_view text) {
  if (const size_t at = text.rfind(kMarker); at != std::string_view::npos) {
    text.remove_prefix(at + kMarker.size());
  }
  std::string out;
  for (const char c : text) {
    if (c != ',' && c != '$') {
      out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
  }
  if (out.ends_with('.')) {
    out.pop_back();
  }
  return out;
}

}  // namespace

std::vector<Gsm8kProblem> load_gsm8k(const std::filesystem::path& file, int64_t limit) {
  std::ifstream in(file);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", file.string()));
  }
  std::vector<Gsm8kProblem> problems;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    if (text.empty()) {
      continue;
    }
    const std::string place = fmt::format("{}:{}", file.string(), number);
    const Result<Json> parsed = parse_json(text);
    if (!parsed.ok()) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", place, parsed.message()));
    }
    const Json& line = parsed.value();
    if (!line.is_object()) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("{}: not a JSON object", place));
    }
    Gsm8kProblem problem{.question = string_field(line, "question", place),
                         .answer = string_field(line, "answer", place),
                         .slice = {}};
    if (line.contains("slice")) {
      problem.slice = string_field(line, "slice", place);
    }
    problems.push_back(std::move(problem));
    if (limit > 0 && std::ssize(problems) == limit) {
      break;
    }
  }
  if (problems.empty()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: holds no problem", file.string()));
  }
  return problems;
}

std::string gsm8k_prompt(std::span<const Gsm8kProblem> examples, std::string_view question) {
  std::string prompt;
  for (const Gsm8kProblem& example : examples) {
    prompt += fmt::format("Question: {}\nAnswer: {}\n\n", example.question, example.answer);
  }
  return prompt + fmt::format("Question: {}\nAnswer:", question);
}

std::string gsm8k_strict_match(std::string_view text) {
  // #### (\-?[0-9\.\,]+)
  for (size_t at = text.find(kMarker); at != std::string_view::npos;
       at = text.find(kMarker, at + 1)) {
    const std::string_view rest = text.substr(at + kMarker.size());
    const size_t sign = rest.starts_with('-') ? 1 : 0;
    size_t end = sign;
    while (end < rest.size() && (is_digit(rest[end]) || rest[end] == '.' || rest[end] == ',')) {
      ++end;
    }
    if (end > sign) {
      return std::string(rest.substr(0, end));
    }
  }
  return std::string(kInvalid);
}

std::string gsm8k_flexible_extract(std::string_view text) {
  std::string_view last;
  for (size_t at = 0; at < text.size();) {
    const size_t length = number_length(text.substr(at));
    if (length > 0) {
      last = text.substr(at, length);
      at += length;
    } else {
      ++at;
    }
  }
  return last.empty() ? std::string(kInvalid) : std::string(last);
}

bool gsm8k_agrees(std::string_view filtered, std::string_view reference_answer) {
  return normalised(filtered) == normalised(reference_answer);
}

}  // namespace talon
