// A value of the template language, with the kinds that Python has for it.
//
// Values are immutable, except for the objects that the language itself changes (namespace,
// loop, generator). Copies are cheap: text and containers are shared. Nesting is bounded, so that
// recursion over a value is safe; a container that would be nested deeper is a fault
// (text/jinja/fault.h). Values without objects may be read by several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace talon::text {

class Dict;
class Object;
class Value;

using Items = std::vector<Value>;

struct TextData {
  std::string bytes;
  bool is_ascii = false;
  bool is_markup = false;  // result of the filters `safe` and `escape`
};

struct SequenceData {
  Items items;
  int depth = 1;
  bool is_group = false;  // a pair of `groupby`, whose parts have names too
};

class Value {
 public:
  // In the order of the alternatives of `state_`.
  enum class Kind {
    kUndefined,
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kList,
    kTuple,
    kDict,
    kObject,
  };

  Value() = default;  // undefined
  static Value undefined(std::string hint);
  static Value none();
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value real(double value);
  static Value string(std::string bytes, bool is_markup = false);
  static Value list(Items items);
  static Value tuple(Items items);
  static Value group(Value grouper, Value list);
  static Value dict(Dict dict);
  static Value object(std::shared_ptr<Object> object);

  Kind kind() const {
    // The alternatives stand in the order of Kind, and a value is never without one.
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    return static_cast<Kind>(state_.index());
  }
  bool is_undefined() const { return kind() == Kind::kUndefined; }
  bool is_none() const { return kind() == Kind::kNone; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_int() const { return kind() == Kind::kInt || is_bool(); }  // as in Python
  bool is_float() const { return kind() == Kind::kFloat; }
  bool is_number() const { return is_int() || is_float(); }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_sequence() const { return kind() == Kind::kList || kind() == Kind::kTuple; }
  bool is_list() const { return kind() == Kind::kList; }
  bool is_tuple() const { return kind() == Kind::kTuple; }
  bool is_dict() const { return kind() == Kind::kDict; }
  bool is_object() const { return kind() == Kind::kObject; }

  // Each needs a value of its kind. Views live as long as the value.
  bool as_bool() const;
  int64_t as_int() const;    // bool too
  double as_double() const;  // any number
  const std::string& bytes() const;
  const TextData& text() const;
  const Items& items() const;
  const SequenceData& sequence() const;
  const Dict& as_dict() const;
  const std::shared_ptr<Object>& as_object() const;
  std::shared_ptr<const Items> shared_items() const;

  // What an undefined value is called in messages.
  std::string hint() const;

  // The same value in memory: Python's `is`.
  bool is_same(const Value& other) const;

  int depth() const;
  std::string_view type_name() const;

 private:
  struct Undefined {
    std::shared_ptr<const std::string> hint;
  };
  struct None {};
  struct ListRef {
    std::shared_ptr<const SequenceData> data;
  };
  struct TupleRef {
    std::shared_ptr<const SequenceData> data;
  };

  std::variant<Undefined,
               None,
               bool,
               int64_t,
               double,
               std::shared_ptr<const TextData>,
               ListRef,
               TupleRef,
               std::shared_ptr<const Dict>,
               std::shared_ptr<Object>>
      state_;
};

// A mapping that keeps the order of insertion. Keys that compare equal are one key, so 1, 1.0 and
// true are the same. Lists and mappings are no keys: using one is a fault.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  void set(const Value& key, Value value);
  void set(std::string_view key, Value value);
  void clear();

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

 private:
  std::optional<size_t> position(const std::string& key_name) const;

  std::vector<Entry> entries_;
  std::vector<std::string> names_;                   // key_name of each entry
  std::unordered_map<std::string, size_t> indices_;  // by name, once there are many
  int depth_ = 1;
};

// Equal for keys that are equal, and for no others. A fault for what has no hash.
std::string key_name(const Value& key);

}  // namespace talon::text
