#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/object.h"

namespace talon::text {
namespace {

// Deeper than any JSON that base/json.h lets in, and shallow enough for recursion.
constexpr int kMaxValueDepth = 150;
constexpr size_t kMaxScannedEntries = 8;
// A tuple may hold one other many times over, and that one another: its name is bounded.
constexpr size_t kMaxTupleNameBytes = 1 << 16;

int checked_depth(int deepest_member) {
  const int depth = deepest_member + 1;
  if (depth > kMaxValueDepth) {
    fault("values nested deeper than {} levels", kMaxValueDepth);
  }
  return depth;
}

std::shared_ptr<const SequenceData> make_sequence(Items items, bool is_group = false) {
  int deepest = 0;
  for (const Value& item : items) {
    deepest = std::max(deepest, item.depth());
  }
  return std::make_shared<const SequenceData>(
      SequenceData{std::move(items), checked_depth(deepest), is_group});
}

std::string number_name(double value) {
  // 2^63 is the first double beyond int64.
  constexpr double kLimit = 9223372036854775808.0;
  if (value == std::floor(value) && value >= -kLimit && value < kLimit) {
    return "i" + std::to_string(static_cast<int64_t>(value));
  }
  return fmt::format("f{:a}", value);
}

}  // namespace

Value Value::undefined(std::string hint) {
  Value value;
  value.state_ = Undefined{std::make_shared<const std::string>(std::move(hint))};
  return value;
}

Value Value::none() {
  Value value;
  value.state_ = None{};
  return value;
}

Value Value::boolean(bool flag) {
  Value value;
  value.state_ = flag;
  return value;
}

Value Value::integer(int64_t number) {
  Value value;
  value.state_ = number;
  return value;
}

Value Value::real(double number) {
  Value value;
  value.state_ = number;
  return value;
}

Value Value::string(std::string bytes, bool is_markup) {
  const bool ascii = text::is_ascii(bytes);
  Value value;
  value.state_ = std::make_shared<const TextData>(TextData{std::move(bytes), ascii, is_markup});
  return value;
}

Value Value::list(Items items) {
  Value value;
  value.state_ = ListRef{make_sequence(std::move(items))};
  return value;
}

Value Value::tuple(Items items) {
  Value value;
  value.state_ = TupleRef{make_sequence(std::move(items))};
  return value;
}

Value Value::group(Value grouper, Value list) {
  Value value;
  value.state_ = TupleRef{make_sequence({std::move(grouper), std::move(list)}, true)};
  return value;
}

Value Value::dict(Dict dict) {
  Value value;
  checked_depth(dict.depth() - 1);
  value.state_ = std::make_shared<const Dict>(std::move(dict));
  return value;
}

Value Value::object(std::shared_ptr<Object> object) {
  TALON_CHECK(object != nullptr, "an object value without object");
  checked_depth(object->depth() - 1);
  Value value;
  value.state_ = std::move(object);
  return value;
}

bool Value::as_bool() const { return std::get<bool>(state_); }

int64_t Value::as_int() const { return is_bool() ? int64_t{as_bool()} : std::get<int64_t>(state_); }

double Value::as_double() const {
  return is_float() ? std::get<double>(state_) : static_cast<double>(as_int());
}

const TextData& Value::text() const { return *std::get<std::shared_ptr<const TextData>>(state_); }

const std::string& Value::bytes() const { return text().bytes; }

const SequenceData& Value::sequence() const {
  return is_list() ? *std::get<ListRef>(state_).data : *std::get<TupleRef>(state_).data;
}

const Items& Value::items() const { return sequence().items; }

std::shared_ptr<const Items> Value::shared_items() const {
  const auto& data = is_list() ? std::get<ListRef>(state_).data : std::get<TupleRef>(state_).data;
  return {data, &data->items};
}

const Dict& Value::as_dict() const { return *std::get<std::shared_ptr<const Dict>>(state_); }

const std::shared_ptr<Object>& Value::as_object() const {
  return std::get<std::shared_ptr<Object>>(state_);
}

std::string Value::hint() const {
  const auto& hint = std::get<Undefined>(state_).hint;
  return hint ? *hint : "an undefined value";
}

bool Value::is_same(const Value& other) const {
  if (kind() != other.kind()) {
    return false;
  }
  switch (kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kNone:
      return true;
    case Kind::kBool:
      return as_bool() == other.as_bool();
    case Kind::kInt:
      return as_int() == other.as_int();
    case Kind::kFloat:
      return as_double() == other.as_double();
    case Kind::kString:
      return bytes() == other.bytes();
    case Kind::kList:
    case Kind::kTuple:
      return &sequence() == &other.sequence();
    case Kind::kDict:
      return &as_dict() == &other.as_dict();
    case Kind::kObject:
      return as_object() == other.as_object();
  }
  return false;
}

int Value::depth() const {
  if (is_sequence()) {
    return sequence().depth;
  }
  if (is_dict()) {
    return as_dict().depth();
  }
  return is_object() ? as_object()->depth() : 0;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {"undefined", "NoneType", "bool",  "int", "float",
                                                "str",       "list",     "tuple", "dict"};
  return is_object() ? as_object()->type_name() : kNames[state_.index()];
}

std::string key_name(const Value& key) {
  switch (key.kind()) {
    case Value::Kind::kUndefined:
      return "u";
    case Value::Kind::kNone:
      return "n";
    case Value::Kind::kBool:
    case Value::Kind::kInt:
      return "i" + std::to_string(key.as_int());
    case Value::Kind::kFloat:
      return number_name(key.as_double());
    case Value::Kind::kString:
      return "s" + key.bytes();
    case Value::Kind::kTuple: {
      std::string name = "t";
      for (const Value& item : key.items()) {
        const std::string part = key_name(item);
        name += std::to_string(part.size()) + ":" + part;
        if (name.size() > kMaxTupleNameBytes) {
          fault("a tuple of this size cannot be a key");
        }
      }
      return name;
    }
    case Value::Kind::kObject:
      return fmt::format("o{}", static_cast<const void*>(key.as_object().get()));
    default:
      fault("a {} cannot be a key", key.type_name());
  }
}

std::optional<size_t> Dict::position(const std::string& name) const {
  if (indices_.empty()) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    return found == names_.end() ? std::nullopt : std::optional<size_t>(found - names_.begin());
  }
  const auto found = indices_.find(name);
  return found == indices_.end() ? std::nullopt : std::optional<size_t>(found->second);
}

const Value* Dict::find(std::string_view key) const {
  if (!indices_.empty()) {
    const auto at = position("s" + std::string(key));
    return at ? &entries_[*at].second : nullptr;
  }
  for (const Entry& entry : entries_) {
    if (entry.first.is_string() && entry.first.bytes() == key) {
      return &entry.second;
    }
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_string()) {
    return find(std::string_view(key.bytes()));
  }
  const auto at = position(key_name(key));
  return at ? &entries_[*at].second : nullptr;
}

void Dict::set(std::string_view key, Value value) {
  set(Value::string(std::string(key)), std::move(value));
}

void Dict::set(const Value& key, Value value) {
  std::string name = key_name(key);
  depth_ = std::max(depth_, std::max(key.depth(), value.depth()) + 1);
  if (const auto at = position(name)) {
    entries_[*at].second = std::move(value);
    return;
  }
  entries_.emplace_back(key, std::move(value));
  if (!indices_.empty()) {
    indices_.emplace(name, entries_.size() - 1);
  }
  names_.push_back(std::move(name));
  if (indices_.empty() && names_.size() > kMaxScannedEntries) {
    for (size_t i = 0; i < names_.size(); ++i) {
      indices_.emplace(names_[i], i);
    }
  }
}

void Dict::clear() {
  entries_.clear();
  names_.clear();
  indices_.clear();
}

}  // namespace talon::text
