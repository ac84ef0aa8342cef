// Runs a GSM8K-form file through a model, greedily and many problems at once, and scores it as
// lm-eval does (measure/gsm8k.h). A file that names slices is scored per slice too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/spec_stats.h"
#include "measure/gsm8k.h"
#include "stream/completion.h"

namespace talon {

struct EvalSettings {
  std::vector<Gsm8kProblem> problems;
  std::vector<Gsm8kProblem> examples;  // few-shot, before each question
  int32_t max_tokens = 512;
};

struct Accuracy {
  int64_t count = 0;
  int64_t strict = 0;
  int64_t flexible = 0;

  double strict_match() const;
  double flexible_extract() const;
  // Standard error of the mean of a 0/1 score, with n - 1 as lm-eval has it; 0 for one problem.
  double stderr_strict() const;
  double stderr_flexible() const;
};

struct EvalResult {
  Accuracy all;
  std::map<std::string, Accuracy> slices;  // by name; empty where the file names none
  SpecStats stats;
  std::string output_digest;  // XXH3-128 over all emitted ids in order, int32 little-endian
  int64_t completion_tokens = 0;
  double seconds = 0.0;
  int64_t num_cut = 0;  // answers that ended by length
  bool synthetic_acceptance = false;
  bool synthetic_weights = false;
};

// Called after each problem, in the order of the file, with the number done and the score so far.
using EvalProgress = std::function<void(int64_t done, const Accuracy& so_far)>;

EvalResult eval_gsm8k(LocalModel& model,
                      const EvalSettings& settings,
                      const EvalProgress& progress);

std::string eval_report_json(const EvalResult& result, int32_t num_speculative_tokens);
std::string eval_report_text(const EvalResult& result, int32_t num_speculative_tokens);

}  // namespace talon
