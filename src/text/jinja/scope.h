// The variables of one part of a template while it is rendered. A name that is not here is looked
// up in the parent, but always set here: that is jinja2's rule for loops, macros and blocks.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace talon::text {

class Scope {
 public:
  explicit Scope(std::shared_ptr<const Scope> parent = nullptr) : parent_(std::move(parent)) {}

  const Value* find(Symbol symbol) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get()) {
      for (const auto& [name, value] : scope->variables_) {
        if (name == symbol) {
          return &value;
        }
      }
    }
    return nullptr;
  }

  void set(Symbol symbol, Value value) {
    for (auto& [name, old] : variables_) {
      if (name == symbol) {
        old = std::move(value);
        return;
      }
    }
    variables_.emplace_back(symbol, std::move(value));
  }

  void clear() { variables_.clear(); }

 private:
  std::shared_ptr<const Scope> parent_;
  std::vector<std::pair<Symbol, Value>> variables_;
};

using ScopePtr = std::shared_ptr<Scope>;

}  // namespace talon::text
