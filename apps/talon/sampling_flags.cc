#include "sampling_flags.h"

#include <string>

namespace talon {

// Ranges are checked by the engine, which knows the vocabulary and the context too.
void add_sampling_flags(CLI::App& app, CompletionRequest& request) {
  SamplingSettings& sampling = request.sampling;
  app.add_option("--max-tokens", request.max_tokens, "longest answer")->capture_default_str();
  app.add_option("--min-tokens", sampling.min_tokens, "nothing ends the answer before so many")
      ->capture_default_str();
  app.add_flag("--ignore-eos,!--no-ignore-eos", request.ignore_eos, "go on past it");
  app.add_option("--stop", request.output.stop, "stop string; may be repeated")
      ->check([](const std::string& stop) {
        return stop.empty() || stop.size() > 256 ? "stop: 1 to 256 bytes" : "";
      });
  app.add_option("--temperature", sampling.temperature, "0..2; 0: the likeliest token")
      ->capture_default_str();
  app.add_option("--top-p", sampling.top_p, "keep the fewest tokens with this mass")
      ->capture_default_str();
  app.add_option("--top-k", sampling.top_k, "keep the k likeliest; 0: all")->capture_default_str();
  app.add_option("--min-p", sampling.min_p, "drop tokens below this share of the likeliest")
      ->capture_default_str();
  app.add_option("--repetition-penalty", sampling.repetition_penalty,
                 "over prompt and answer; 1: none")
      ->capture_default_str();
  app.add_option("--presence-penalty", sampling.presence_penalty, "over the answer, -2..2")
      ->capture_default_str();
  app.add_option("--frequency-penalty", sampling.frequency_penalty, "over the answer, -2..2")
      ->capture_default_str();
  app.add_option("--seed", sampling.seed, "of the draws")->capture_default_str();
}

}  // namespace talon
