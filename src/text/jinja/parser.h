// Builds the tree of a template. Statements are jinja2's and those of the extensions that Hugging
// Face loads: for, if, set, macro, call, filter, with, print, break, continue and generation, whose
// body is rendered as if it were not there. What reads other files (include, import, from,
// extends) and `block`, `autoescape` and `do` are faults.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace talon::text {

// Throws TemplateFault. `source` must be valid UTF-8.
TemplateTree parse_template(std::string_view source);

}  // namespace talon::text
