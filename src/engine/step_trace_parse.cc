// The reading half of step_trace.h.
#include <fmt/format.h>

#include <limits>
#include <type_traits>
#include <utility>

#include "base/checked_int.h"
#include "base/json.h"
#include "base/printable.h"
#include "engine/sampling_fields.h"
#include "engine/step_trace.h"

namespace talon {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxWord = std::numeric_limits<uint32_t>::max();
// Of what an engine may state; a bound keeps sums and products of them far from an overflow.
constexpr int64_t kMaxPages = int64_t{1} << 24;
constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
constexpr int64_t kMaxSequences = int64_t{1} << 16;
constexpr int64_t kMaxRows = int64_t{1} << 20;
constexpr int64_t kMaxLogprobs = 20;
constexpr int64_t kMaxIds = 4096;  // of a list of stop, allowed or bad ids, or of biases

struct Range {
  int64_t low = 0;
  int64_t high = 0;
};

struct ListBounds {
  Range value;
  int64_t max_size = 0;
};

// The members of one object. The first fault is kept, with its place; what is read after it has no
// meaning. `fault` is shared by all objects of a line and must outlive them.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string place, std::string& fault)
      : json_(json), place_(std::move(place)), fault_(fault) {
    if (!json.is_object()) {
      fail("is no object");
    }
  }

  // A member, to be asked for once; null if it is absent or a fault was found.
  const Json* find(const char* name) {
    if (!fault_.empty()) {
      return nullptr;
    }
    const auto it = json_.find(name);
    if (it == json_.end()) {
      return nullptr;
    }
    ++num_found_;
    return &*it;
  }

  template <class T>
  void integer(const char* name, T& out, Range range) {
    const Json* value = find(name);
    if (value != nullptr && holds(name, *value, range)) {
      out = value->get<T>();
    }
  }

  template <class Id>
  void id(const char* name, Id& out, Range range) {
    integer(name, out.value, range);
  }

  void real(const char* name, float& out) {
    const Json* value = find(name);
    if (value == nullptr) {
      return;
    }
    const double number = value->is_number() ? value->get<double>() : 2.0 * kMaxReal;
    if (!(number >= -kMaxReal && number <= kMaxReal)) {
      fail(fmt::format("{} is no number of use", name));
      return;
    }
    out = static_cast<float>(number);
  }

  void boolean(const char* name, bool& out) {
    const Json* value = find(name);
    if (value != nullptr && !value->is_boolean()) {
      fail(fmt::format("{} is neither true nor false", name));
    } else if (value != nullptr) {
      out = value->get<bool>();
    }
  }

  template <class Id>
  void ids(const char* name, std::vector<Id>& out, const ListBounds& bounds) {
    each(name, bounds.max_size, [&](const Json& entry, const std::string& place) {
      if (holds(place, entry, bounds.value)) {
        out.emplace_back(entry.get<decltype(Id{}.value)>());
      }
    });
  }

  // Calls read(entry, place) for each entry of a list, if there is one.
  template <class Read>
  void each(const char* name, int64_t max_size, Read&& read) {
    const Json* list = find(name);
    if (list == nullptr) {
      return;
    }
    if (!list->is_array() || std::ssize(*list) > max_size) {
      fail(fmt::format("{} is no list of at most {}", name, max_size));
      return;
    }
    for (size_t i = 0; i < list->size() && fault_.empty(); ++i) {
      read((*list)[i], fmt::format("{}[{}]", name, i));
    }
  }

  void require(const char* name) {
    if (fault_.empty() && !json_.contains(name)) {
      fail(fmt::format("{} is missing", name));
    }
  }

  bool holds(std::string_view name, const Json& value, Range range) {
    if (!value.is_number_integer() || value.get<int64_t>() < range.low ||
        value.get<int64_t>() > range.high) {
      fail(fmt::format("{} is no integer in {}..{}", name, range.low, range.high));
    }
    return fault_.empty();
  }

  void fail(const std::string& what) {
    if (fault_.empty()) {
      fault_ = place_.empty() ? what : place_ + ": " + what;
    }
  }

  // Call last: every member that nobody asked for is a fault.
  void finish() {
    if (fault_.empty() && num_found_ < json_.size()) {
      fail("has a member that is not known");
    }
  }

 private:
  static constexpr double kMaxReal = 1e6;

  const Json& json_;
  std::string place_;
  std::string& fault_;
  size_t num_found_ = 0;
};

struct Ranges {
  explicit Ranges(const StepBounds& bounds)
      : token{0, bounds.vocab_size - 1},
        page{1, bounds.num_pages - 1},
        slot{0, bounds.max_sequences - 1},
        drafts{0, bounds.max_drafts},
        // Rounds that ran after the end of their sequence pass the limit by what they may add.
        position{0, bounds.context_limit + int64_t{3} * (bounds.max_drafts + 1)},
        prompt{bounds.context_limit},
        max_rows(bounds.max_rows),
        max_sequences(bounds.max_sequences),
        max_pages(ceil_div(bounds.context_limit, kPageTokens)),
        max_mask_words((bounds.max_drafts + 1) * ceil_div(bounds.vocab_size, 32)) {}

  Range token, page, slot, drafts, position;
  int64_t prompt, max_rows, max_sequences, max_pages, max_mask_words;
};

SamplingSettings read_sampling(ObjectReader&& object, const Ranges& ranges) {
  SamplingSettings settings;
  visit_scalars([&]<class T>(const char* name, T SamplingSettings::* member) {
    if constexpr (std::is_same_v<T, float>) {
      object.real(name, settings.*member);
    } else {
      object.integer(name, settings.*member,
                     {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()});
    }
  });
  visit_id_lists([&](const char* name, auto member) {
    object.ids(name, settings.*member, {ranges.token, ranges.token.high + 1});
  });
  object.each("logit_bias", kMaxIds, [&](const Json& entry, const std::string& place) {
    if (!entry.is_array() || entry.size() != 2 || !entry[1].is_number()) {
      object.fail(place + " is no pair of an id and a number");
    } else if (object.holds(place, entry[0], ranges.token)) {
      settings.logit_bias.push_back(
          {.token = TokenId{entry[0].get<int32_t>()}, .bias = entry[1].get<float>()});
    }
  });
  object.finish();
  return settings;
}

class PlanReader {
 public:
  PlanReader(const StepBounds& bounds, std::string& fault) : ranges_(bounds), fault_(fault) {}

  StepPlan read(const Json& json) {
    StepPlan plan;
    ObjectReader object(json, "", fault_);
    object.require("plan");
    object.integer("plan", plan.round, {1, kMaxInt64});
    object.boolean("ahead", plan.ahead);
    const int64_t slots = ranges_.max_sequences;
    object.each("slot_patches", slots, [&](const Json& entry, const std::string& place) {
      plan.slot_patches.push_back(slot_patch(entry, place));
    });
    object.each("page_patches", slots, [&](const Json& entry, const std::string& place) {
      plan.page_patches.push_back(page_patch(entry, place));
    });
    object.each("page_copies", slots, [&](const Json& entry, const std::string& place) {
      if (!entry.is_array() || entry.size() != 2) {
        object.fail(place + " is no pair of pages");
      } else if (object.holds(place, entry[0], ranges_.page) &&
                 object.holds(place, entry[1], ranges_.page)) {
        plan.page_copies.push_back(
            {.from = PageId{entry[0].get<int32_t>()}, .to = PageId{entry[1].get<int32_t>()}});
      }
    });
    object.each("rows", slots, [&](const Json& entry, const std::string& place) {
      plan.rows.push_back(row(entry, place));
    });
    object.finish();
    return plan;
  }

 private:
  SlotPatch slot_patch(const Json& json, const std::string& place) {
    SlotPatch patch;
    ObjectReader object(json, place, fault_);
    object.require("slot");
    object.id("slot", patch.slot, ranges_.slot);
    object.integer("kv_len", patch.kv_len, {0, ranges_.prompt});
    object.integer("prompt_len", patch.prompt_len, {0, ranges_.prompt});
    object.integer("min_end_index", patch.min_end_index, {0, kMaxInt32 + ranges_.prompt});
    object.ids("end_ids", patch.end_ids, {ranges_.token, kMaxIds});
    object.ids("tokens", patch.tokens, {ranges_.token, ranges_.prompt});
    if (const Json* settings = object.find("sampling")) {
      patch.sampling = read_sampling(ObjectReader(*settings, place + ".sampling", fault_), ranges_);
    }
    object.finish();
    return patch;
  }

  PagePatch page_patch(const Json& json, const std::string& place) {
    PagePatch patch;
    ObjectReader object(json, place, fault_);
    object.require("slot");
    object.id("slot", patch.slot, ranges_.slot);
    object.integer("first_index", patch.first_index, {0, ranges_.max_pages});
    object.ids("pages", patch.pages, {ranges_.page, ranges_.max_pages});
    object.finish();
    return patch;
  }

  PlanRow row(const Json& json, const std::string& place) {
    PlanRow row;
    ObjectReader object(json, place, fault_);
    object.require("sequence");
    object.require("slot");
    object.id("sequence", row.sequence, {1, kMaxInt64});
    object.id("slot", row.slot, ranges_.slot);
    object.integer("first_position", row.first_position, ranges_.position);
    object.ids("tokens", row.tokens, {ranges_.token, ranges_.max_rows});
    object.id("next_token", row.next_token, ranges_.token);
    object.integer("num_drafts", row.num_drafts, ranges_.drafts);
    object.integer("drafts_to_make", row.drafts_to_make, ranges_.drafts);
    object.boolean("sample", row.sample);
    object.integer("num_logprobs", row.num_logprobs, {-1, kMaxLogprobs});
    object.integer("num_prompt_logprobs", row.num_prompt_logprobs, {-1, kMaxLogprobs});
    object.each("masks", ranges_.max_mask_words, [&](const Json& word, const std::string& where) {
      if (object.holds(where, word, {0, kMaxWord})) {
        row.masks.push_back(word.get<uint32_t>());
      }
    });
    object.finish();
    return row;
  }

  Ranges ranges_;
  std::string& fault_;
};

RowResult read_row_result(ObjectReader&& object, const Ranges& ranges) {
  RowResult row;
  object.require("sequence");
  object.id("sequence", row.sequence, {1, kMaxInt64});
  object.ids("tokens", row.tokens, {ranges.token, ranges.drafts.high + 1});
  object.integer("drafted", row.drafted, ranges.drafts);
  object.integer("accepted", row.accepted, ranges.drafts);
  object.integer("kv_len", row.kv_len, ranges.position);
  object.ids("drafts", row.drafts, {ranges.token, ranges.drafts.high});
  object.finish();
  return row;
}

// The value that `read(json, fault)` makes of a line, or what is wrong with it.
template <class T, class Read>
Result<T> read_line(std::string_view line, Read&& read) {
  const Result<Json> json = parse_json(line);
  if (!json.ok()) {
    return Failure{json.message()};
  }
  std::string fault;
  T value = read(json.value(), fault);
  if (!fault.empty()) {
    return Failure{printable(fault)};
  }
  return value;
}

}  // namespace

Result<StepBounds> parse_bounds(std::string_view line) {
  return read_line<StepBounds>(line, [](const Json& json, std::string& fault) {
    StepBounds bounds;
    ObjectReader object(json, "", fault);
    for (const char* name : {"num_pages", "context_limit", "vocab_size", "max_sequences",
                             "max_rows", "max_logit_rows", "max_drafts", "has_drafter"}) {
      object.require(name);
    }
    object.integer("num_pages", bounds.num_pages, {2, kMaxPages});
    object.integer("context_limit", bounds.context_limit, {1, kMaxContext});
    object.integer("vocab_size", bounds.vocab_size, {1, kMaxVocabulary});
    object.integer("max_sequences", bounds.max_sequences, {1, kMaxSequences});
    object.integer("max_rows", bounds.max_rows, {1, kMaxRows});
    object.integer("max_logit_rows", bounds.max_logit_rows, {1, kMaxRows});
    object.integer("max_drafts", bounds.max_drafts, {0, kMaxDrafts});
    object.boolean("has_drafter", bounds.has_drafter);
    object.finish();
    return bounds;
  });
}

Result<StepPlan> parse_plan(std::string_view line, const StepBounds& bounds) {
  return read_line<StepPlan>(line, [&bounds](const Json& json, std::string& fault) {
    return PlanReader(bounds, fault).read(json);
  });
}

Result<StepResult> parse_result(std::string_view line, const StepBounds& bounds) {
  return read_line<StepResult>(line, [&bounds](const Json& json, std::string& fault) {
    const Ranges ranges(bounds);
    StepResult result;
    ObjectReader object(json, "", fault);
    object.require("result");
    object.integer("result", result.round, {1, kMaxInt64});
    object.each("rows", ranges.max_sequences, [&](const Json& entry, const std::string& place) {
      result.rows.push_back(read_row_result(ObjectReader(entry, place, fault), ranges));
    });
    object.finish();
    return result;
  });
}

}  // namespace talon
