// The thinking switch of a chat request: five ways to set it, the first that is there counts
// (spec/serving.md 2.5). Include from .cc files only.
#pragma once

#include "server/api/context.h"
#include "server/api/fields.h"
#include "text/jinja/value.h"

namespace talon::server {

// The variables of the template: the server's, those of chat_template_kwargs over them, and
// `thinking_mode` if anything of the request or the server sets it.
text::Dict read_template_variables(Fields& fields, const ApiContext& context);

}  // namespace talon::server
