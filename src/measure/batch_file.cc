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
      if (!value.is_number_integer() || value.get<int64_t>() < 1 ||
          value.get<int64_t>() > INT32_MAX) {
        fail(place, key, "must be an integer of at least 1");
      }
      line.request.max_tokens = value.get<int32_t>();
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

std::string answer_line(const BatchLine& line, CompletionOutcome&& outcome, int32_t num_drafts) {
  try {
    Json answer = line.extra;
    answer.update(completion_json(completion_or_throw(std::move(outcome)), num_drafts));
    return answer.dump();
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
  complete_all(model, requests, [&](int64_t index, CompletionOutcome&& outcome) {
    const BatchLine& line = lines[static_cast<size_t>(index)];
    out << answer_line(line, std::move(outcome), model.engine->max_drafts()) << '\n' << std::flush;
  });
}

}  // namespace talon
