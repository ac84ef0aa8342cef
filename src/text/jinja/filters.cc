#include "text/jinja/filters.h"

#include <algorithm>

namespace talon::text {

Filter find_filter(std::string_view name) {
  for (const auto table :
       {text_filters(), number_filters(), sequence_filters(), select_filters(), order_filters()}) {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const NamedFilter& entry) { return entry.name == name; });
    if (found != table.end()) {
      return found->filter;
    }
  }
  return nullptr;
}

}  // namespace talon::text
