// What constrains the answer of a request: response_format, guided_*, structured_outputs
// (spec/serving.md 2.3). Include from .cc files only.
#pragma once

#include <optional>

#include "server/api/context.h"
#include "server/api/fields.h"
#include "text/grammar.h"

namespace talon::server {

// Nothing if the answer is free. More than one constraint is an error, and so is any if the program
// was built without grammars.
std::optional<text::GrammarSource> read_grammar(Fields& fields, const ApiContext& context);

// Fails the field because the program lacks grammars; false if it has them.
bool lacks_grammars(Fields& fields, const ApiContext& context, std::string_view name);

}  // namespace talon::server
