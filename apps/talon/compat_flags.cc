#include "compat_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace talon {
namespace {

// A flag with values that changes nothing. `only`: the values that are true of this program, with
// commas between them; others are faults. Empty: any.
struct ValueFlag {
  const char* names;
  const char* only;
  const char* why;
  bool is_quiet = false;  // its only value says what is so anyway
  bool is_list = false;   // several values may follow it
};

constexpr std::array kValueFlags = {
    ValueFlag{"--tensor-parallel-size", "1", "the model runs on one rank", true},
    ValueFlag{"--draft-tensor-parallel-size", "1", "the model runs on one rank", true},
    ValueFlag{"--pipeline-parallel-size", "1", "layers are not split over ranks"},
    ValueFlag{"--data-parallel-size", "1", "one engine is served"},
    ValueFlag{"--prefill-context-parallel-size", "1", "prompts are not split over ranks"},
    ValueFlag{"--decode-context-parallel-size", "1", "contexts are not split over ranks"},
    ValueFlag{"--block-size,--page-size", "128", "pages have 128 tokens", true},
    ValueFlag{"--scheduler-delay-factor", "0,0.0", "nothing waits for company", true},
    ValueFlag{"--cudagraph-capture-sizes", "", "sizes follow from --max-num-seqs", false, true},
    ValueFlag{"--level", "", "there is nothing to compile"},
    ValueFlag{"--all2all-backend", "", "experts stay on one rank"},
    ValueFlag{"--moe-backend", "", "kernels are chosen by format and device"},
    ValueFlag{"--attn-prefill-chunk-size", "", "--max-num-batched-tokens bounds a chunk"},
    ValueFlag{"--state-checkpoint-interval-tokens", "", "the model has no recurrent state"},
};

struct SwitchFlag {
  const char* names;
  const char* why;
  bool is_refused = false;
  bool is_quiet = false;
};

constexpr std::array kSwitchFlags = {
    SwitchFlag{"--trust-remote-code,--no-trust-remote-code", "nothing of a checkpoint is executed",
               false, true},
    SwitchFlag{"--enable-chunked-prefill", "long prompts are always computed in chunks", false,
               true},
    SwitchFlag{"--enable-expert-parallel,--no-enable-expert-parallel", "one rank has all experts"},
    SwitchFlag{"--enable-tbo,--no-enable-tbo", "steps are not split in two"},
    SwitchFlag{"--mark-trace,--no-mark-trace", "there is no trace of torch"},
    SwitchFlag{"--no-enable-dp-attention,--no-enable-eplb", "it is off", false, true},
    SwitchFlag{"--no-enable-chunked-prefill", "long prompts are always computed in chunks", true},
    SwitchFlag{"--enable-dp-attention", "attention runs on one rank", true},
    SwitchFlag{"--enable-eplb", "experts are not balanced over ranks", true},
};

// With any value at all.
constexpr std::array kRefusedValues = {
    SwitchFlag{"--eplb-config,--eplb-num-redundant-experts", "experts are not balanced over ranks"},
    SwitchFlag{"--dspark-config", "the only drafter is EAGLE-3"},
    SwitchFlag{"--load-dummy", "--load-format dummy has random weights"},
};

std::string first_name(std::string_view names) {
  return std::string(names.substr(0, names.find(',')));
}

bool is_in_list(std::string_view list, std::string_view value) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == value) {
      return true;
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

template <class Map>
const typename Map::mapped_type* find(const Map& map, const char* names) {
  const auto found = map.find(first_name(names));
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

void add_compat_flags(CLI::App& app, CompatFlags& flags) {
  const char* group = "Of ATOM and vLLM, without effect";
  for (const ValueFlag& flag : kValueFlags) {
    const std::string help =
        *flag.only == '\0' ? flag.why : fmt::format("{}: {}", flag.only, flag.why);
    CLI::Option* option =
        app.add_option(flag.names, flags.values[first_name(flag.names)], help)->group(group);
    if (!flag.is_list) {
      option->expected(1)->take_last();
    }
  }
  for (const SwitchFlag& flag : kSwitchFlags) {
    app.add_flag(flag.names, flags.switches[first_name(flag.names)],
                 fmt::format("{}{}", flag.is_refused ? "refused: " : "", flag.why))
        ->group(group);
  }
  for (const SwitchFlag& flag : kRefusedValues) {
    app.add_option(flag.names, flags.values[first_name(flag.names)],
                   fmt::format("refused: {}", flag.why))
        ->group(group);
  }
}

std::vector<std::string> compat_faults(const CompatFlags& flags) {
  std::vector<std::string> faults;
  for (const ValueFlag& flag : kValueFlags) {
    const auto* values = find(flags.values, flag.names);
    for (const std::string& value : values == nullptr ? std::vector<std::string>{} : *values) {
      if (*flag.only != '\0' && !is_in_list(flag.only, value)) {
        faults.push_back(fmt::format("{} {}: {}", first_name(flag.names), value, flag.why));
      }
    }
  }
  for (const SwitchFlag& flag : kSwitchFlags) {
    const int64_t* count = find(flags.switches, flag.names);
    if (flag.is_refused && count != nullptr && *count > 0) {
      faults.push_back(fmt::format("{}: {}", first_name(flag.names), flag.why));
    }
  }
  for (const SwitchFlag& flag : kRefusedValues) {
    const auto* values = find(flags.values, flag.names);
    if (values != nullptr && !values->empty()) {
      faults.push_back(fmt::format("{}: {}", first_name(flag.names), flag.why));
    }
  }
  return faults;
}

std::vector<std::string> compat_warnings(const CompatFlags& flags) {
  std::vector<std::string> warnings;
  for (const ValueFlag& flag : kValueFlags) {
    const auto* values = find(flags.values, flag.names);
    if (!flag.is_quiet && values != nullptr && !values->empty()) {
      warnings.push_back(fmt::format("{} has no effect: {}", first_name(flag.names), flag.why));
    }
  }
  for (const SwitchFlag& flag : kSwitchFlags) {
    const int64_t* count = find(flags.switches, flag.names);
    if (!flag.is_quiet && !flag.is_refused && count != nullptr && *count > 0) {
      warnings.push_back(fmt::format("{} has no effect: {}", first_name(flag.names), flag.why));
    }
  }
  return warnings;
}

}  // namespace talon
