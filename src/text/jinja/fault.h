// How the template engine stops: a private exception that Template::parse and Template::render
// catch and turn into a Result.
//
// An exception from the rule that untrusted input gives values (docs/adr/0024-own-jinja.md): every
// one of some hundred filters, methods and operators can fail at any depth of an evaluation, and
// one forgotten check would be a silently wrong prompt. It never leaves this folder.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace talon::text {

struct TemplateFault {
  std::string message;
  int line = 0;  // 0: the line being evaluated
};

template <class... Args>
[[noreturn]] void fault(fmt::format_string<Args...> format, Args&&... args) {
  throw TemplateFault{fmt::format(format, std::forward<Args>(args)...), 0};
}

}  // namespace talon::text
