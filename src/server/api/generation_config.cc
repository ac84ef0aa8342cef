#include "server/api/generation_config.h"

#include <optional>

#include "base/json.h"
#include "server/api/context.h"
#include "server/api/fields.h"

namespace talon::server {

Result<SamplingSettings> read_generation_config(std::string_view json) {
  std::optional<ApiError> fault;
  const std::optional<Json> document = read_body(json, fault);
  SamplingSettings settings = open_sampling();
  if (document.has_value()) {
    Fields fields(*document, "", fault);
    bool does_sample = true;
    fields.read("do_sample", does_sample);
    fields.read("temperature", settings.temperature, RealRange{.low = 0.0, .high = 2.0});
    fields.read("top_p", settings.top_p,
                RealRange{.low = 0.0, .high = 1.0, .low_is_excluded = true});
    fields.read("top_k", settings.top_k, IntRange{.low = -1, .high = INT32_MAX});
    fields.read("repetition_penalty", settings.repetition_penalty,
                RealRange{.low = 0.0, .high = 2.0, .low_is_excluded = true});
    if (!does_sample) {
      settings.temperature = 0.0F;
    }
    if (settings.top_k < 0) {
      settings.top_k = 0;
    }
  }
  if (fault.has_value()) {
    return Failure{fault->param.empty() ? fault->message : fault->param + ": " + fault->message};
  }
  return settings;
}

}  // namespace talon::server
