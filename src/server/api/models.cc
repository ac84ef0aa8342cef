#include "server/api/models.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "base/printable.h"
#include "server/api/generation_fields.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

Json card(std::string_view name, const ApiContext& context, int64_t created) {
  return {{"id", name},
          {"object", "model"},
          {"created", created},
          {"owned_by", "talon"},
          {"max_model_len", context.context_limit}};
}

}  // namespace

std::string models_body(const ApiContext& context, int64_t created) {
  Json cards = Json::array();
  for (const std::string& name : context.model_names) {
    cards.push_back(card(name, context, created));
  }
  return json_line({{"object", "list"}, {"data", std::move(cards)}});
}

std::variant<std::string, ApiError> model_body(std::string_view name,
                                               const ApiContext& context,
                                               int64_t created) {
  if (!is_served_model(name, context)) {
    return bad_request("model_not_found", "model",
                       fmt::format("the model \"{}\" does not exist", printable(name)));
  }
  return json_line(card(name, context, created));
}

}  // namespace talon::server
