// Values with behaviour of their own: functions, loops, ranges, generators and the like.
//
// An object belongs to one rendering and one thread. What it does not override, it cannot do: the
// evaluator turns that into a fault or an undefined value, as Python would.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

class Object {
 public:
  // `depth` counts the nesting of values it holds.
  explicit Object(int depth = 1) : depth_(depth) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  virtual std::string_view type_name() const = 0;
  virtual bool is_true() const { return true; }
  virtual bool is_callable() const { return false; }
  virtual bool is_iterable() const { return false; }

  // What printing gives. Containers of other values are printed by text/jinja/print.h instead.
  virtual std::string describe();

  virtual std::optional<int64_t> length() { return std::nullopt; }
  // `self` is the value that holds this object.
  virtual std::optional<Value> attribute(const Value& self, std::string_view name);
  // The element at an index or key; nothing if there is none.
  virtual std::optional<Value> element(const Value& key);
  // The elements, for an iterable one. A generator is empty afterwards.
  virtual std::shared_ptr<const Items> take_items(Interpreter& interpreter);
  virtual Value call(Interpreter& interpreter, const Arguments& arguments);

  int depth() const { return depth_; }

 private:
  int depth_;
};

// A function of the engine, or a method bound to its value.
using Builtin = Value (*)(Interpreter& interpreter, const Value& self, const Arguments& arguments);

class Function : public Object {
 public:
  struct Form {
    std::string_view name;
    Builtin builtin = nullptr;
    bool takes_names = true;  // arguments may be named
  };

  Function(const Form& form, const Value& self)
      : Object(self.depth() + 1),
        name_(form.name),
        builtin_(form.builtin),
        takes_names_(form.takes_names),
        self_(self) {}

  std::string_view type_name() const override { return "function"; }
  bool is_callable() const override { return true; }
  std::string describe() override;
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

 private:
  std::string name_;
  Builtin builtin_;
  bool takes_names_;
  Value self_;
};

Value make_function(std::string_view name, Builtin builtin, const Value& self = {});

// namespace(...): the one value whose attributes a template may set.
class Namespace : public Object {
 public:
  explicit Namespace(Dict attributes) : attributes_(std::move(attributes)) {}

  std::string_view type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(const Value& self, std::string_view name) override;

  const Dict& attributes() const { return attributes_; }
  void set(std::string_view name, Value value) { attributes_.set(name, std::move(value)); }
  void clear() { attributes_.clear(); }

 private:
  Dict attributes_;
};

// range(...), at most kMaxRangeItems long.
class Range : public Object {
 public:
  static constexpr int64_t kMaxRangeItems = 100'000;  // as jinja2's sandbox has it

  // A fault if `step` is 0 or the range too long.
  Range(int64_t start, int64_t stop, int64_t step);

  std::string_view type_name() const override { return "range"; }
  bool is_true() const override { return size_ > 0; }
  bool is_iterable() const override { return true; }
  std::string describe() override;
  std::optional<int64_t> length() override { return size_; }
  std::optional<Value> element(const Value& key) override;
  std::shared_ptr<const Items> take_items(Interpreter& interpreter) override;

  // The element at an index, which may be one past the end.
  int64_t at(int64_t index) const;
  int64_t step() const { return step_; }

 private:
  int64_t start_;
  int64_t stop_;
  int64_t step_;
  int64_t size_;
};

// What `map`, `select` and their like return: elements that can be gone through once.
class Generator : public Object {
 public:
  explicit Generator(Items items);

  std::string_view type_name() const override { return "generator"; }
  bool is_iterable() const override { return true; }
  std::shared_ptr<const Items> take_items(Interpreter& interpreter) override;
  // The next one, or nothing.
  std::optional<Value> take_one();

 private:
  explicit Generator(const Value& list);

  Value list_;
  size_t position_ = 0;
};

// keys(), values() and items() of a mapping.
class DictView : public Object {
 public:
  enum class Part { kKeys, kValues, kItems };

  DictView(const Value& dict, Part part) : Object(dict.depth() + 1), dict_(dict), part_(part) {}

  std::string_view type_name() const override;
  bool is_true() const override { return dict_.as_dict().size() > 0; }
  bool is_iterable() const override { return true; }
  std::optional<int64_t> length() override;
  std::shared_ptr<const Items> take_items(Interpreter& interpreter) override;

  std::shared_ptr<const Items> items(Budget& budget) const;

 private:
  Value dict_;
  Part part_;
};

// cycler(...).
class Cycler : public Object {
 public:
  explicit Cycler(const Value& items) : Object(items.depth() + 1), items_(items) {}

  std::string_view type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(const Value& self, std::string_view name) override;

  Value next();
  void reset() { position_ = 0; }

 private:
  Value items_;
  size_t position_ = 0;
};

// joiner(...): empty the first time, the separator afterwards.
class Joiner : public Object {
 public:
  explicit Joiner(const Value& separator) : Object(separator.depth() + 1), separator_(separator) {}

  std::string_view type_name() const override { return "Joiner"; }
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

 private:
  Value separator_;
  bool used_ = false;
};

}  // namespace talon::text
