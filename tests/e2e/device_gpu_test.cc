// The embedded pair on a GPU against the CPU, on its own task: the same greedy answers up to near
// ties. Where two answers part, the two tokens' logits on the CPU in float32 must lie within some
// units in the last place of bf16, and only some answers may part: docs/numerics.md, Models.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "model/registry.h"
#include "stream/self_test.h"
#include "support/engine_fixture.h"
#include "support/step_driver.h"
#include "text/tokenizer.h"

namespace talon {
namespace {

constexpr size_t kNumPrompts = 200;
constexpr int32_t kMaxTokens = 48;

using Tokens = std::vector<TokenId>;

std::filesystem::path source_path(const std::string& name) {
  return std::filesystem::path(TALON_SOURCE_DIR) / name;
}

std::vector<Tokens> read_prompts() {
  const text::Tokenizer tokenizer = text::Tokenizer::load(source_path("models/talon-tiny"));
  std::ifstream file(source_path("data/eval/word_problems.jsonl"));
  std::vector<Tokens> prompts;
  std::string line;
  while (prompts.size() < kNumPrompts && std::getline(file, line)) {
    const Json problem = parse_json(line).value();
    prompts.push_back(
        tokenizer.encode("Question: " + problem.at("question").get<std::string>() + "\nAnswer:"));
  }
  return prompts;
}

EngineConfig settings(DeviceChoice device, ActivationType type) {
  EngineConfig config;
  config.model_dir = source_path("models/talon-tiny");
  config.draft_model_dir = source_path("models/talon-tiny-eagle3");
  config.device = device;
  config.dtype = type;
  config.max_num_seqs = 32;
  return config;
}

std::vector<Tokens> answers(const EngineConfig& config,
                            int32_t vocab_size,
                            const std::vector<Tokens>& prompts) {
  const auto allowed = std::vector<uint8_t>(static_cast<size_t>(vocab_size), 1);
  const auto engine = build_engine(config, {.allowed = allowed, .end_token_ids = {}});
  std::vector<Request> requests;
  for (const Tokens& prompt : prompts) {
    Request request;
    request.prompt = prompt;
    request.max_tokens = kMaxTokens;
    requests.push_back(std::move(request));
  }
  std::vector<Tokens> all;
  for (test::Output& output : test::run_all(*engine, requests)) {
    all.push_back(std::move(output.tokens));
  }
  return all;
}

// The logits after `tokens`, in float32 on the CPU.
std::vector<double> logits_after(const Model& model, const Tokens& tokens) {
  test::StepDriver driver(model, nullptr, {});
  test::StepSequence sequence;
  for (const TokenId token : tokens) {
    sequence.tokens.push_back(token.value);
  }
  const auto count = std::ssize(tokens);
  sequence.pages = test::page_ids(test::pages_for(count));
  sequence.logit_rows = {static_cast<int32_t>(count) - 1};
  return driver.forward({&sequence, 1}).logits.row(0);
}

double bf16_ulp(double x) { return std::ldexp(1.0, std::ilogb(std::abs(x)) - 7); }

// How many of these units lie between the tokens at which the answers part.
double gap_in_ulps(const Model& model, Tokens prefix, const Tokens& a, const Tokens& b) {
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at == a.end() || other == b.end()) {
    return INFINITY;  // one goes on where the other ended
  }
  prefix.insert(prefix.end(), a.begin(), at);
  const std::vector<double> logits = logits_after(model, prefix);
  const double first = logits[static_cast<size_t>(at->value)];
  const double second = logits[static_cast<size_t>(other->value)];
  return std::abs(first - second) / bf16_ulp(std::max(std::abs(first), std::abs(second)));
}

// The rule of a near tie, whatever the type (docs/numerics.md, Models).
constexpr double kMaxUlps = 4.0;
constexpr size_t kMaxParted = kNumPrompts / 50;

class DeviceGpuTest : public testing::TestWithParam<ActivationType> {};

TEST_P(DeviceGpuTest, SaysWhatTheCpuSaysUpToNearTies) {
  const auto judge = load_model(source_path("models/talon-tiny"), {.type = ActivationType::kF32});
  const int32_t vocab_size = judge->limits().vocab_size;
  const std::vector<Tokens> prompts = read_prompts();
  ASSERT_EQ(prompts.size(), kNumPrompts);

  const auto gpu = answers(settings(DeviceChoice::kCuda, GetParam()), vocab_size, prompts);
  const auto cpu = answers(settings(DeviceChoice::kCpu, GetParam()), vocab_size, prompts);

  size_t num_parted = 0;
  double widest = 0.0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    ASSERT_EQ(cpu[i].size(), static_cast<size_t>(kMaxTokens));
    if (gpu[i] != cpu[i]) {
      ++num_parted;
      const double gap = gap_in_ulps(*judge, prompts[i], cpu[i], gpu[i]);
      EXPECT_LE(gap, kMaxUlps) << "prompt " << i;
      widest = std::max(widest, gap);
    }
  }
  RecordProperty("parted", static_cast<int>(num_parted));
  RecordProperty("widest", std::to_string(widest));
  EXPECT_LE(num_parted, kMaxParted);
}

TEST_P(DeviceGpuTest, PassesTheSelfTestOfAServer) {
  const EngineConfig config = settings(DeviceChoice::kCuda, GetParam());
  LocalModel model = open_local_model(config);

  const std::optional<SelfTestReport> report = self_test(model, config);

  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->num_answer_tokens, 16);
  RecordProperty("mean_difference", std::to_string(report->mean_difference));
  RecordProperty("answer_gap", std::to_string(report->answer_gap));
}

TEST_P(DeviceGpuTest, DraftingChangesNoToken) {
  const std::vector<Tokens> prompts = read_prompts();
  const auto model = load_model(source_path("models/talon-tiny"), {.type = GetParam()});
  EngineConfig config = settings(DeviceChoice::kCuda, GetParam());
  const auto drafted = answers(config, model->limits().vocab_size, prompts);
  config.draft_model_dir.clear();
  const auto plain = answers(config, model->limits().vocab_size, prompts);

  size_t num_parted = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    num_parted += drafted[i] == plain[i] ? 0 : 1;
  }
  RecordProperty("parted", static_cast<int>(num_parted));
  EXPECT_LE(num_parted, kMaxParted);
}

INSTANTIATE_TEST_SUITE_P(Types,
                         DeviceGpuTest,
                         testing::Values(ActivationType::kF32, ActivationType::kBf16),
                         [](const testing::TestParamInfo<ActivationType>& type) {
                           return type.param == ActivationType::kF32 ? "float32" : "bf16";
                         });

}  // namespace
}  // namespace talon
