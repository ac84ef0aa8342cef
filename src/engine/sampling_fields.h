// The members of SamplingSettings by name, for those who write or read them one by one. The biases
// are a list of pairs and left out.
#pragma once

#include "engine/sampling.h"

namespace talon {

// Calls field(name, pointer to member) for each number.
template <class Field>
void visit_scalars(Field&& field) {
  field("temperature", &SamplingSettings::temperature);
  field("top_k", &SamplingSettings::top_k);
  field("top_p", &SamplingSettings::top_p);
  field("min_p", &SamplingSettings::min_p);
  field("repetition_penalty", &SamplingSettings::repetition_penalty);
  field("presence_penalty", &SamplingSettings::presence_penalty);
  field("frequency_penalty", &SamplingSettings::frequency_penalty);
  field("min_tokens", &SamplingSettings::min_tokens);
  field("seed", &SamplingSettings::seed);
}

template <class Field>
void visit_id_lists(Field&& field) {
  field("allowed_token_ids", &SamplingSettings::allowed_token_ids);
  field("bad_token_ids", &SamplingSettings::bad_token_ids);
}

}  // namespace talon
