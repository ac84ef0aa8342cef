#include "text/jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

void append_code(uint32_t code, std::string& out) { out += fmt::format("\\u{:04x}", code); }

void append_character(const Character& c,
                      std::string_view bytes,
                      bool ascii_only,
                      std::string& out) {
  const auto code = static_cast<uint32_t>(c.code_point);
  static constexpr std::string_view kFrom = "\"\\\n\r\t\f\b";
  static constexpr std::string_view kTo = "\"\\nrtfb";
  const size_t simple = code < 0x80 ? kFrom.find(static_cast<char>(code)) : std::string_view::npos;
  if (simple != std::string_view::npos) {
    out += '\\';
    out += kTo[simple];
  } else if (code < 0x20 || (ascii_only && code >= 0x7F && code < 0x10000)) {
    append_code(code, out);
  } else if (ascii_only && code >= 0x10000) {
    append_code(0xD800 + ((code - 0x10000) >> 10), out);
    append_code(0xDC00 + ((code - 0x10000) & 0x3FF), out);
  } else {
    out += bytes;
  }
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style) : budget_(budget), style_(style) {}

  void write(const Value& value) {
    budget_.step();
    const size_t size_before = out_.size();
    switch (value.kind()) {
      case Value::Kind::kNone:
        out_ += "null";
        break;
      case Value::Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Value::Kind::kInt:
        out_ += std::to_string(value.as_int());
        break;
      case Value::Kind::kFloat:
        out_ += real(value.as_double());
        break;
      case Value::Kind::kString:
        string(value.bytes());
        break;
      case Value::Kind::kList:
      case Value::Kind::kTuple:
        list(value.items());
        return;
      case Value::Kind::kDict:
        dict(value.as_dict());
        return;
      default:
        fault("tojson: a {} has no form in JSON", value.type_name());
    }
    budget_.build(out_.size() - size_before);
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string real(double value) {
    if (std::isnan(value)) {
      return "NaN";
    }
    if (std::isinf(value)) {
      return value < 0 ? "-Infinity" : "Infinity";
    }
    return real_text(value);
  }

  void string(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const Character c = first_character(text);
      append_character(c, text.substr(0, c.num_bytes), style_.ascii_only, out_);
      text.remove_prefix(c.num_bytes);
    }
    out_ += '"';
  }

  void line_break() {
    if (!style_.indent) {
      return;
    }
    budget_.build(style_.indent->size() * static_cast<size_t>(level_));
    out_ += '\n';
    for (int i = 0; i < level_; ++i) {
      out_ += *style_.indent;
    }
  }

  template <class Elements, class Write>
  void elements(char open, char close, const Elements& elements, const Write& write_one) {
    out_ += open;
    if (elements.empty()) {
      out_ += close;
      return;
    }
    ++level_;
    bool first = true;
    for (const auto& element : elements) {
      out_ += first ? "" : style_.item_separator;
      first = false;
      line_break();
      write_one(element);
    }
    --level_;
    line_break();
    out_ += close;
  }

  void list(const Items& items) {
    elements('[', ']', items, [&](const Value& item) { write(item); });
  }

  static std::string key(const Value& key) {
    switch (key.kind()) {
      case Value::Kind::kString:
        return key.bytes();
      case Value::Kind::kInt:
        return std::to_string(key.as_int());
      case Value::Kind::kFloat:
        return real(key.as_double());
      case Value::Kind::kBool:
        return key.as_bool() ? "true" : "false";
      case Value::Kind::kNone:
        return "null";
      default:
        fault("tojson: a {} cannot be a key in JSON", key.type_name());
    }
  }

  void dict(const Dict& dict) {
    std::vector<Dict::Entry> entries = dict.entries();
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
        return compare(a.first, b.first, budget_) < 0;
      });
    }
    elements('{', '}', entries, [&](const Dict::Entry& entry) {
      string(key(entry.first));
      out_ += style_.key_separator;
      write(entry.second);
    });
  }

  Budget& budget_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string json_text(Budget& budget, const JsonStyle& style, const Value& value) {
  JsonWriter writer(budget, style);
  writer.write(value);
  return writer.take();
}

}  // namespace talon::text
