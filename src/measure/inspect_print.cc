// The two printed forms of an InspectReport.
#include <fmt/format.h>

#include "base/json.h"
#include "measure/inspect.h"

namespace talon {
namespace {

// 12345678 as "12 345 678".
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = std::ssize(digits) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), 1, ' ');
  }
  return digits;
}

std::string count_line(std::string_view name, const InspectCount& count) {
  return fmt::format("  {:<16} {:>9} {:>19} {:>19}\n", name, grouped(count.num_tensors),
                     grouped(count.num_parameters), grouped(count.num_bytes));
}

std::string counts_text(const InspectReport& report) {
  std::string text =
      fmt::format("\n  {:<16} {:>9} {:>19} {:>19}\n", "part", "tensors", "parameters", "bytes");
  for (const auto& [part, count] : report.parts) {
    text += count_line(model_part_name(part), count);
  }
  text += count_line("loaded", report.loaded);
  text += count_line("skipped", report.skipped);
  text += count_line("all", report.all);
  if (!report.formats.empty()) {
    text +=
        fmt::format("\n  {:<16} {:>9} {:>19} {:>19}\n", "format", "tensors", "parameters", "bytes");
  }
  for (const auto& [format, count] : report.formats) {
    text += count_line(format, count);
  }
  return text;
}

std::string tensors_text(const InspectReport& report) {
  std::string text = "\n";
  for (const InspectedTensor& tensor : report.tensors) {
    text += fmt::format("  {:<64} {:<11} {:<16} {:>14}  {}\n", tensor.name,
                        tensor.format.empty() ? "derived" : tensor.format, shape_text(tensor.shape),
                        grouped(tensor.num_bytes), tensor.file_name);
  }
  return text;
}

Json count_json(const InspectCount& count) {
  return {{"tensors", count.num_tensors},
          {"parameters", count.num_parameters},
          {"bytes", count.num_bytes}};
}

Json memory_json(const InspectReport& report) {
  if (!report.memory) {
    return nullptr;
  }
  return {{"weights", report.memory->fixed_bytes},
          {"page", report.memory->page_bytes},
          {"pages", report.memory->num_pages},
          {"total", report.memory->total_bytes}};
}

std::string_view cache_name(bool is_fp8) { return is_fp8 ? "fp8" : "bf16"; }

std::string_view shapes_source(const InspectReport& report) {
  return report.has_headers ? "shard headers" : "derived from config.json (index alone)";
}

}  // namespace

std::string inspect_text(const InspectReport& report, bool with_tensors) {
  std::string text = fmt::format("{}\n", report.folder.string());
  const auto line = [&text](std::string_view name, std::string_view value) {
    text += fmt::format("  {:<22} {}\n", name, value);
  };
  line("architecture", fmt::format("{} ({})", report.architecture, report.role));
  for (const auto& [name, value] : report.sizes) {
    line(name, value);
  }
  line("context", fmt::format("{}", report.max_positions));
  line("quantisation", report.quant_method.empty() ? "none" : report.quant_method);
  line("files", fmt::format("{}", report.num_files));
  line("shapes", shapes_source(report));
  text += counts_text(report);
  text += "\n";
  line("KV bytes per token",
       fmt::format("{} in {}, {} of it index keys in {}", grouped(report.kv_bytes_per_token),
                   cache_name(report.kv.fp8_kv), grouped(report.index_bytes_per_token),
                   cache_name(report.kv.fp8_index)));
  if (report.memory) {
    line("memory",
         fmt::format("{} of weights as stored, {} of pages for one sequence of {} tokens",
                     grouped(report.memory->fixed_bytes), grouped(report.memory->kv_bytes),
                     grouped(report.memory->context_limit)));
  }
  if (with_tensors) {
    text += tensors_text(report);
  }
  for (const std::string& warning : report.warnings) {
    text += fmt::format("  warning: {}\n", warning);
  }
  for (const std::string& problem : report.problems) {
    text += fmt::format("  problem: {}\n", problem);
  }
  line("check",
       fmt::format(
           "{} of {} tensors: {}", report.has_headers ? "names, shapes and dtypes" : "names",
           grouped(report.loaded.num_tensors),
           report.problems.empty() ? "ok" : fmt::format("{} problems", report.problems.size())));
  return text;
}

std::string inspect_json(const InspectReport& report, bool with_tensors) {
  Json json = {{"folder", report.folder.string()},
               {"architecture", report.architecture},
               {"role", report.role},
               {"sizes", Json::object()},
               {"max_positions", report.max_positions},
               {"quant_method", report.quant_method},
               {"files", report.num_files},
               {"shapes", report.has_headers ? "headers" : "derived"},
               {"parts", Json::object()},
               {"formats", Json::object()},
               {"loaded", count_json(report.loaded)},
               {"skipped", count_json(report.skipped)},
               {"all", count_json(report.all)},
               {"kv_cache_dtype", cache_name(report.kv.fp8_kv)},
               {"index_cache_dtype", cache_name(report.kv.fp8_index)},
               {"kv_bytes_per_token", report.kv_bytes_per_token},
               {"index_bytes_per_token", report.index_bytes_per_token},
               {"memory", memory_json(report)},
               {"warnings", report.warnings},
               {"problems", report.problems}};
  for (const auto& [name, value] : report.sizes) {
    json["sizes"][name] = value;
  }
  for (const auto& [part, count] : report.parts) {
    json["parts"][std::string(model_part_name(part))] = count_json(count);
  }
  for (const auto& [format, count] : report.formats) {
    json["formats"][format] = count_json(count);
  }
  for (size_t i = 0; with_tensors && i < report.tensors.size(); ++i) {
    const InspectedTensor& tensor = report.tensors[i];
    json["tensors"].push_back({{"name", tensor.name},
                               {"format", tensor.format},
                               {"shape", tensor.shape},
                               {"bytes", tensor.num_bytes},
                               {"file", tensor.file_name}});
  }
  // A folder's name may be anything.
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace talon
