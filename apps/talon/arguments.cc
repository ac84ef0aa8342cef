#include "arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace talon {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kShortNames = {{
    {"-tp", "--tensor-parallel-size"},
    {"-pp", "--pipeline-parallel-size"},
    {"-dp", "--data-parallel-size"},
    {"-pcp", "--prefill-context-parallel-size"},
    {"-dcp", "--decode-context-parallel-size"},
}};

// A flag, and not a negative number.
bool is_flag(std::string_view argument) {
  return argument.size() > 1 && argument[0] == '-' &&
         (argument[1] == '-' || std::isalpha(static_cast<unsigned char>(argument[1])) != 0);
}

std::string name_of(std::string_view argument) {
  return std::string(argument.substr(0, argument.find('=')));
}

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("--config {}: {}", file, what));
}

Json read_object(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    fail(file, "cannot be read");
  }
  std::stringstream text;
  text << in.rdbuf();
  Result<Json> parsed = parse_json(text.str());
  if (!parsed.ok()) {
    fail(file, parsed.message());
  }
  if (!parsed.value().is_object()) {
    fail(file, "an object of flags is needed");
  }
  return std::move(parsed).value();
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// The arguments that set one key of the file.
std::vector<std::string> arguments_of(const std::string& flag,
                                      const CLI::Option& option,
                                      const Json& value) {
  if (value.is_boolean() && option.get_expected_max() == 0) {
    return {value.get<bool>() ? flag : "--no-" + flag.substr(2)};
  }
  if (!value.is_array() || option.get_expected_max() <= 1) {
    return {flag + "=" + text_of(value)};
  }
  std::vector<std::string> out;
  out.reserve(value.size());
  for (const Json& entry : value) {
    out.push_back(flag + "=" + text_of(entry));
  }
  return out;
}

// The file of the last `--config`; empty: there is none.
std::string config_file(const std::vector<std::string>& arguments) {
  std::string file;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with("--config=")) {
      file = arguments[i].substr(std::string_view("--config=").size());
    } else if (arguments[i] == "--config" && i + 1 < arguments.size()) {
      file = arguments[i + 1];
    }
  }
  return file;
}

}  // namespace

std::vector<std::string> normalised(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    const std::string name = name_of(argument);
    const auto* found =
        std::ranges::find(kShortNames, name, [](const auto& pair) { return pair.first; });
    if (found != kShortNames.end()) {
      argument.replace(0, name.size(), found->second);
    } else if (argument.starts_with("--")) {
      std::ranges::replace(argument.begin(), argument.begin() + std::ssize(name), '_', '-');
    }
  }
  return arguments;
}

std::vector<std::string> take_out(std::vector<std::string>& arguments, std::string_view prefix) {
  std::vector<std::string> taken;
  std::vector<std::string> kept;
  bool is_in_taken = false;
  for (std::string& argument : arguments) {
    if (is_flag(argument)) {
      is_in_taken = argument.starts_with(prefix);
      if (is_in_taken) {
        taken.push_back(name_of(argument));
      }
    }
    if (!is_in_taken) {
      kept.push_back(std::move(argument));
    }
  }
  arguments = std::move(kept);
  return taken;
}

std::vector<std::string> with_config(const CLI::App& command, std::vector<std::string> arguments) {
  const std::string file = config_file(arguments);
  if (file.empty()) {
    return arguments;
  }
  std::set<const CLI::Option*> given;
  for (const std::string& argument : arguments) {
    given.insert(is_flag(argument) ? command.get_option_no_throw(name_of(argument)) : nullptr);
  }
  const Json settings = read_object(file);
  for (const auto& [key, value] : settings.items()) {
    const std::string flag = normalised({"--" + key}).front();
    const CLI::Option* option = command.get_option_no_throw(flag);
    if (option == nullptr || flag == "--config") {
      fail(file, fmt::format("there is no flag {}", flag));
    }
    if (value.is_null() || given.contains(option)) {
      continue;
    }
    std::ranges::move(arguments_of(flag, *option, value), std::back_inserter(arguments));
  }
  return arguments;
}

std::vector<std::string> find_faults(const std::function<void(CLI::App&)>& add_flags,
                                     const std::vector<std::string>& arguments,
                                     std::vector<std::string>& usable) {
  std::vector<std::string> faults;
  auto begin = arguments.begin();
  while (begin != arguments.end()) {
    const auto end = std::find_if(begin + 1, arguments.end(), is_flag);
    const std::vector<std::string> group(begin, end);
    begin = end;
    CLI::App app;
    add_flags(app);
    try {
      parse_arguments(app, group);
      usable.insert(usable.end(), group.begin(), group.end());
    } catch (const CLI::ParseError& error) {
      faults.emplace_back(error.what());
    }
  }
  return faults;
}

void parse_arguments(CLI::App& app, const std::vector<std::string>& arguments) {
  app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
}

int exit_code_of(ErrorCode code) { return code == ErrorCode::kInvalidArgument ? 2 : 1; }

}  // namespace talon
