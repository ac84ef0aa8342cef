#include "server/api/generation_call.h"

#include <algorithm>

#include "base/check.h"

namespace talon::server {

Request GenerationCall::request_of(size_t index, int64_t context_limit) const {
  TALON_CHECK(index < prompts.size(), "prompt {} of {}", index, prompts.size());
  Request request = settings;
  request.prompt = prompts[index];
  const int64_t room = context_limit - std::ssize(request.prompt);
  TALON_CHECK(room >= 1, "prompt {} leaves no room in a context of {}", index, context_limit);
  request.max_tokens = static_cast<int32_t>(std::min<int64_t>(request.max_tokens, room));
  return request;
}

int32_t GenerationCall::num_answers() const {
  return static_cast<int32_t>(prompts.size()) * settings.num_choices;
}

}  // namespace talon::server
