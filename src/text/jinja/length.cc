#include "text/jinja/length.h"

#include "text/characters.h"
#include "text/jinja/object.h"

namespace talon::text {

std::optional<int64_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kUndefined:
      return 0;
    case Value::Kind::kString:
      return value.text().is_ascii ? static_cast<int64_t>(value.bytes().size())
                                   : num_characters(value.bytes());
    case Value::Kind::kList:
    case Value::Kind::kTuple:
      return static_cast<int64_t>(value.items().size());
    case Value::Kind::kDict:
      return static_cast<int64_t>(value.as_dict().size());
    case Value::Kind::kObject:
      return value.as_object()->length();
    default:
      return std::nullopt;
  }
}

}  // namespace talon::text
