// The fields of a request that say how tokens are drawn (spec/serving.md 2.3). Include from .cc
// files only.
#pragma once

#include "engine/sampling.h"
#include "server/api/context.h"
#include "server/api/fields.h"

namespace talon::server {

// temperature, top_p, top_k, min_p, penalties, logit_bias, allowed_token_ids, seed.
// What is absent is the context's default.
SamplingSettings read_sampling(Fields& fields, const ApiContext& context, const Arrival& arrival);

}  // namespace talon::server
