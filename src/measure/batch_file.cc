#include "measure/batch_file.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "measure/report.h"
#include "stream/offline_runner.h"

namespace talon {
namespace {

struct BatchLine {
  std::string place;  // file and line number
  CompletionRequest request;
  Json extra = Json::object();
};

[[noreturn]] void fail(const std::string& place, std::string_view field, std::string_view rule) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: field \"{}\" {}", place, field, rule));
}

std::vector<std::string> stop_list(const Json& value, const std::string& place) {
  std::vector<std::string> stops;
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& stop : list) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty()) {
      fail(place, "stop", "must be a non-empty string or a list of them");
    }
    stops.push_back(stop.get<std::string>());
  }
  return stops;
}

int32_t count(const Json& value, std::string_view field, const std::string& place) {
  if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > INT32_MAX) {
    fail(place, field, "must be an integer of at least 1");
  }
  return value.get<int32_t>();
}

BatchLine parse_line(const std::string& text,
                     const CompletionRequest& defaults,
                     const std::string& place) {
  const Result<Json> parsed = parse_json(text);
  if (!parsed.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", place, parsed.message()));
  }
  const Json& object = parsed.value();
  if (!object.is_object() || !object.contains("prompt") || !object["prompt"].is_string()) {
    fail(place, "prompt", "is missing or no string");
  }
  BatchLine line{.place = place, .request = defaults};
  for (const auto& [key, value] : object.items()) {
    if (key == "prompt") {
      line.request.prompt = value.get<std::string>();
    } else if (key == "max_tokens") {
      line.request.max_tokens = count(value, key, place);
    } else if (key == "n") {
      line.request.num_choices = count(value, key, place);
    } else if (key == "ignore_eos") {
      if (!value.is_boolean()) {
        fail(place, key, "must be true or false");
      }
      line.request.ignore_eos = value.get<bool>();
    } else if (key == "stop") {
      line.request.output.stop = stop_list(value, place);
    } else {
      line.extra[key] = value;
    }
  }
  return line;
}

Completion choice_of(const BatchLine& line, CompletionOutcome&& outcome) {
  try {
    return completion_or_throw(std::move(outcome));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", line.place, error.what()));
  }
}

}  // namespace

void run_batch_file(LocalModel& model,
                    const CompletionRequest& defaults,
                    const std::filesystem::path& input,
                    const std::filesystem::path& output) {
  std::ifstream in(input);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", input.string()));
  }
  std::vector<BatchLine> lines;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    lines.push_back(parse_line(text, defaults, fmt::format("{}:{}", input.string(), number)));
  }
  std::ofstream file;
  if (!output.empty()) {
    file.open(output);
    if (!file) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be written", output.string()));
    }
  }
  std::ostream& out = output.empty() ? std::cout : file;
  std::vector<CompletionRequest> requests;
  requests.reserve(lines.size());
  for (const BatchLine& line : lines) {
    requests.push_back(line.request);
  }
  std::vector<Completion> choices;  // of the line whose turn it is
  complete_all(model, requests, [&](int64_t index, CompletionOutcome&& outcome) {
    const BatchLine& line = lines[static_cast<size_t>(index)];
    choices.push_back(choice_of(line, std::move(outcome)));
    if (std::ssize(choices) == line.request.num_choices) {
      Json answer = line.extra;
      answer.update(completions_json(choices, model.engine->max_drafts()));
      out << answer.dump() << '\n' << std::flush;
      choices.clear();
    }
  });
}

}  // namespace talon
