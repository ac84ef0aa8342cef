#include "text/jinja/replace.h"

#include "base/utf8.h"
#include "text/characters.h"

namespace talon::text {
namespace {

std::string inserted_between(Budget& budget, const Replacement& replacement) {
  std::string out;
  std::string_view rest = replacement.text;
  for (int64_t i = 0; replacement.max_count < 0 || i < replacement.max_count; ++i) {
    budget.build(replacement.new_part.size());
    out += replacement.new_part;
    if (rest.empty()) {
      return out;
    }
    const size_t size = first_character(rest).num_bytes;
    out += rest.substr(0, size);
    rest.remove_prefix(size);
  }
  return out += rest;
}

}  // namespace

std::string replaced(Budget& budget, const Replacement& replacement) {
  budget.build(replacement.text.size());
  if (replacement.old_part.empty()) {
    return inserted_between(budget, replacement);
  }
  std::string out;
  size_t from = 0;
  for (int64_t i = 0; replacement.max_count < 0 || i < replacement.max_count; ++i) {
    const size_t at = replacement.text.find(replacement.old_part, from);
    if (at == std::string_view::npos) {
      break;
    }
    budget.build(replacement.new_part.size());
    out += replacement.text.substr(from, at - from);
    out += replacement.new_part;
    from = at + replacement.old_part.size();
  }
  return out += replacement.text.substr(from);
}

std::string_view strip_characters(std::string_view text,
                                  std::string_view set,
                                  bool at_start,
                                  bool at_end) {
  const auto in_set = [&](std::string_view character) {
    return set.find(character) != std::string_view::npos;
  };
  while (at_start && !text.empty() && in_set(text.substr(0, first_character(text).num_bytes))) {
    text.remove_prefix(first_character(text).num_bytes);
  }
  while (at_end && !text.empty() && in_set(text.substr(last_character(text)))) {
    text = text.substr(0, last_character(text));
  }
  return text;
}

}  // namespace talon::text
