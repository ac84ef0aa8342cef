#include "base/json.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/printable.h"

namespace talon {
namespace {

// Builds the document from parser events, refusing what Json's own parser lets through.
class StrictBuilder {
 public:
  explicit StrictBuilder(const JsonLimits& limits) : limits_(limits) {}

  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  bool null() { return add(Json(nullptr)); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(number_integer_t value) { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      return fail("a number is out of range");
    }
    return add(Json(value));
  }
  bool number_float(number_float_t value, const string_t& text) {
    // Digits alone come here only when they do not fit 64 bits.
    const bool integral = text.find_first_of(".eE") == string_t::npos;
    if (integral || !std::isfinite(value)) {
      return fail("a number is out of range");
    }
    return add(Json(value));
  }
  bool string(string_t& value) { return add(Json(std::move(value))); }
  bool binary(binary_t&) { return fail("binary values are not JSON"); }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    if (!keys_.back().insert(name).second) {
      return fail("the key \"" + printable(name) + "\" stands twice");
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
    constexpr int kNumberOverflow = 406;  // the library's id of it
    if (message_.empty() && error.id == kNumberOverflow) {
      message_ = "a number is out of range";
    } else if (message_.empty()) {
      message_ = "malformed JSON near byte " + std::to_string(position);
    }
    return false;
  }

  const std::string& message() const { return message_; }
  Json take() { return std::move(root_); }

 private:
  using Members = std::vector<Json::object_t::value_type>;  // the base of ordered objects

  bool fail(std::string message) {
    message_ = std::move(message);
    return false;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // Not operator[], which searches the keys before it: `key` has already refused a second one,
    // and the header of a large checkpoint has 10^5 of them.
    Members& members = parent.get_ref<Json::object_t&>();
    return &members.emplace_back(std::move(key_), std::move(value)).second;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (static_cast<int>(stack_.size()) >= limits_.max_depth) {
      return fail("nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    stack_.push_back(place(std::move(container)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  JsonLimits limits_;
  Json root_;
  // Parents of the value being read. A parent does not grow while a child is open, so pointers to
  // array elements stay valid.
  std::vector<Json*> stack_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
  std::string message_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  StrictBuilder builder(limits);
  if (!Json::sax_parse(text, &builder)) {
    return Failure{builder.message().empty() ? "malformed JSON" : builder.message()};
  }
  return builder.take();
}

}  // namespace talon
