#include "spec/cost_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/json.h"

namespace talon {
namespace {

// A place on an axis: `share` of the way from point `low` to the next one.
struct Place {
  size_t low = 0;
  size_t high = 0;
  double share = 0.0;
};

Place find_place(std::span<const int32_t> points, double x) {
  const auto above = std::upper_bound(points.begin(), points.end(), x);
  if (above == points.begin()) {
    return {};
  }
  const auto low = static_cast<size_t>(above - points.begin()) - 1;
  if (above == points.end()) {
    return {.low = low, .high = low, .share = 0.0};
  }
  return {.low = low, .high = low + 1, .share = (x - points[low]) / (*above - points[low])};
}

double between(double low, double high, double share) { return low + share * (high - low); }

// A reader of one object: the first fault stays, and what follows it does not matter.
class TableReader {
 public:
  explicit TableReader(const Json& object) : object_(object) {}

  const std::optional<Failure>& fault() const { return fault_; }

  std::vector<int32_t> axis(const char* field, int32_t most) {
    std::vector<int32_t> points;
    const Json* list = member(field);
    if (list == nullptr ||
        !check(is_list(*list, 1, kMaxCostTablePoints), field, "is no list of 1 to 64 numbers")) {
      return points;
    }
    for (const Json& value : *list) {
      const int32_t least = points.empty() ? 1 : points.back() + 1;
      if (!check(is_integer(value, least, most), field, "is not ascending within its bounds")) {
        break;
      }
      points.push_back(value.get<int32_t>());
    }
    return points;
  }

  int32_t integer(const char* field, int32_t least, int32_t most) {
    const Json* value = member(field);
    const bool fine = value != nullptr && check(is_integer(*value, least, most), field,
                                                "is no integer within its bounds");
    return fine ? value->get<int32_t>() : least;
  }

  std::vector<double> times(const char* field, const CostTable& shape) {
    std::vector<double> out;
    const Json* rows = fault_.has_value() ? nullptr : member(field);
    if (rows == nullptr || !check(is_list_of(*rows, shape.num_sequences.size()), field,
                                  "needs one list a number of sequences")) {
      return out;
    }
    for (const Json& row : *rows) {
      if (!check(is_list_of(row, shape.contexts.size()), field, "needs one list a context")) {
        break;
      }
      for (const Json& point : row) {
        add_point(field, point, static_cast<size_t>(shape.max_drafts) + 1, out);
      }
    }
    return out;
  }

 private:
  void add_point(const char* field, const Json& point, size_t count, std::vector<double>& out) {
    if (!check(is_list_of(point, count), field, "needs max_drafts + 1 numbers a point")) {
      return;
    }
    for (const Json& value : point) {
      const double ms = value.is_number() ? value.get<double>() : 0.0;
      check(ms > 0.0 && ms <= kMaxCostTableStepMs, field, "holds no time in (0, 1e6] ms");
      out.push_back(ms);
    }
  }

  static bool is_integer(const Json& value, int64_t least, int64_t most) {
    return value.is_number_integer() && value.get<int64_t>() >= least &&
           value.get<int64_t>() <= most;
  }

  static bool is_list(const Json& value, size_t least, size_t most) {
    return value.is_array() && value.size() >= least && value.size() <= most;
  }

  static bool is_list_of(const Json& value, size_t count) { return is_list(value, count, count); }

  const Json* member(const char* field) {
    const auto at = object_.find(field);
    check(at != object_.end(), field, "is missing");
    return at != object_.end() ? &*at : nullptr;
  }

  bool check(bool fine, const char* field, const char* fault) {
    if (!fine && !fault_.has_value()) {
      fault_ = Failure{fmt::format("field \"{}\" {}", field, fault)};
    }
    return fine;
  }

  const Json& object_;
  std::optional<Failure> fault_;
};

}  // namespace

double CostTable::at(double sequences, double context, int32_t num_drafts) const {
  TALON_CHECK(!empty(), "an empty cost table");
  TALON_CHECK(num_drafts >= 0 && num_drafts <= max_drafts, "{} drafts of {}", num_drafts,
              max_drafts);
  const Place row = find_place(num_sequences, sequences);
  const Place column = find_place(contexts, context);
  const auto time = [&](size_t s, size_t c) {
    const size_t point = s * contexts.size() + c;
    return step_ms[point * (static_cast<size_t>(max_drafts) + 1) + static_cast<size_t>(num_drafts)];
  };
  const double low = between(time(row.low, column.low), time(row.low, column.high), column.share);
  const double high =
      between(time(row.high, column.low), time(row.high, column.high), column.share);
  return between(low, high, row.share) * std::max(1.0, sequences / num_sequences.back());
}

Result<CostTable> parse_cost_table(std::string_view json) {
  const Result<Json> parsed = parse_json(json, {.max_depth = 8});
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  if (!parsed.value().is_object()) {
    return Failure{"a cost table is a JSON object"};
  }
  TableReader reader(parsed.value());
  CostTable table;
  table.num_sequences = reader.axis("num_sequences", kMaxCostTableSequences);
  table.contexts = reader.axis("contexts", kMaxCostTableContext);
  table.max_drafts = reader.integer("max_drafts", 0, kMaxDrafts);
  table.step_ms = reader.times("step_ms", table);
  if (reader.fault().has_value()) {
    return *reader.fault();
  }
  return table;
}

std::string to_json(const CostTable& table) {
  Json rows = Json::array();
  auto next = table.step_ms.begin();
  for (size_t s = 0; s < table.num_sequences.size(); ++s) {
    Json row = Json::array();
    for (size_t c = 0; c < table.contexts.size(); ++c) {
      const auto end = next + table.max_drafts + 1;
      row.push_back(std::vector<double>(next, end));
      next = end;
    }
    rows.push_back(std::move(row));
  }
  return Json{{"num_sequences", table.num_sequences},
              {"contexts", table.contexts},
              {"max_drafts", table.max_drafts},
              {"step_ms", std::move(rows)}}
      .dump();
}

}  // namespace talon
