// The messages of a chat request (spec/serving.md 2.5): checks their order and contents, and puts
// them into the one form that templates are given. Pure; include from .cc files only.
#pragma once

#include <string>

#include "base/json.h"
#include "server/api/fields.h"

namespace talon::server {

// Each of the result has `role` and `content`, a string; assistants may have `reasoning_content`
// and `tool_calls`, whose arguments are objects; tools have `tool_call_id`. Unknown members are
// dropped, or errors if the body is read strictly. Faults are those of `body`; then the result
// means nothing.
Json read_messages(Fields& body, const Json& messages);

// A string, or the text parts of a list joined; other parts are refused, and nothing is fetched.
// `path` is that of the field.
std::string read_text_content(Fields& parent, const Json& content, const std::string& path);

}  // namespace talon::server
