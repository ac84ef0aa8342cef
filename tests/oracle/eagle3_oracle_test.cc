// Hand cases of the EAGLE-3 oracle, and the law of speculation on tiny random pairs: drafting
// changes no token, and the drafter's cache after every round is the one computed from nothing.
#include "oracle/eagle3_oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "oracle/speculation_oracle.h"
#include "support/checkpoint_reader.h"
#include "support/golden.h"
#include "support/random_weights.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon::oracle {
namespace {

using test::HeadOptions;
using test::SharedTensor;

// Hidden size and head dimension 2, one tap, one head; everything that is not set is zero or one.
struct HandHead {
  Eagle3Config config;
  Eagle3Weights weights;

  HandHead() {
    Eagle3Config& c = config;
    c.vocab_size = c.draft_vocab_size = c.hidden_size = c.target_hidden_size = c.head_dim = 2;
    c.intermediate_size = c.num_heads = c.num_kv_heads = 1;
    c.rms_norm_eps = 0.0;
    c.tap_layers = {0};
    Weights& w = weights.tensors;
    w["embed_tokens.weight"] = {1.0, -1.0, 3.0, 3.0};
    w["lm_head.weight"] = {1.0, 0.0, 0.0, 1.0};
    w["fc.weight"] = {1.0, 0.0, 0.0, 1.0};
    w["layers.0.self_attn.q_proj.weight"] = std::vector<double>(8, 0.0);
    w["layers.0.self_attn.k_proj.weight"] = std::vector<double>(8, 0.0);
    // v = (first embedding channel, second hidden channel)
    w["layers.0.self_attn.v_proj.weight"] = {1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0};
    w["layers.0.self_attn.o_proj.weight"] = {1.0, 0.0, 0.0, 1.0};
    w["layers.0.mlp.gate_proj.weight"] = {1.0, 0.0};
    w["layers.0.mlp.up_proj.weight"] = {1.0, 0.0};
    w["layers.0.mlp.down_proj.weight"] = {0.0, 1.0};
    for (const char* name : {"fc_norm.0", "layers.0.input_layernorm", "layers.0.hidden_norm",
                             "layers.0.post_attention_layernorm", "norm"}) {
      w[std::string(name) + ".weight"] = {1.0, 1.0};
    }
  }
};

TEST(Eagle3HeadTest, OneRowByHand) {
  HandHead hand;
  hand.config.norm_output = false;
  const Eagle3Head head(hand.config, hand.weights);
  Eagle3Cache cache;

  // fc_norm makes the tap (5, 5) to (1, 1); embedding (1, -1) and hidden keep rms 1; v = (1, 1);
  // residual (2, 2), normed (1, 1), silu(1) * 1 added to the second channel.
  const auto hidden = head.extend(cache, {{5.0, 5.0}}, std::vector<int32_t>{0});

  EXPECT_DOUBLE_EQ(hidden[0][0], 2.0);
  EXPECT_DOUBLE_EQ(hidden[0][1], 2.0 + 1.0 / (1.0 + std::exp(-1.0)));
  EXPECT_EQ(cache.values[0], (std::vector<double>{1.0, 1.0}));
}

TEST(Eagle3HeadTest, NormBeforeResidualReplacesTheResidual) {
  HandHead hand;
  hand.config.norm_output = false;
  hand.config.fc_norm = false;
  Eagle3Cache cache;
  const std::vector<double> plain =
      Eagle3Head(hand.config, hand.weights).step(cache, 0, {5.0, 5.0});

  hand.config.norm_before_residual = true;
  Eagle3Cache other;
  const std::vector<double> normed =
      Eagle3Head(hand.config, hand.weights).step(other, 0, {5.0, 5.0});

  EXPECT_DOUBLE_EQ(plain[0], 6.0);   // 5 + v
  EXPECT_DOUBLE_EQ(normed[0], 2.0);  // rms(5, 5) = 1, + v
}

TEST(Eagle3HeadTest, NormOutputChangesWhatIsCarriedButNotTheFirstLogits) {
  HandHead hand;
  Eagle3Cache cache;
  Eagle3Cache other;
  const Eagle3Head post(hand.config, hand.weights);
  const std::vector<double> carried = post.step(cache, 0, {2.0, 1.0});
  const std::vector<double> logits = post.logits(carried);

  hand.config.norm_output = false;
  const Eagle3Head pre(hand.config, hand.weights);
  const std::vector<double> raw = pre.step(other, 0, {2.0, 1.0});

  EXPECT_EQ(pre.logits(raw), logits);
  EXPECT_GT(std::abs(raw[0] - carried[0]), 0.5);
}

TEST(Eagle3HeadTest, DraftIdIsMappedByOffsetsAndMaskedByTargetId) {
  HandHead hand;
  hand.config.vocab_size = 10;
  hand.weights.d2t = {3, 6};  // draft ids 0 and 1 are target ids 3 and 7
  const Eagle3Head head(hand.config, hand.weights);
  std::vector<bool> allowed(10, true);

  EXPECT_EQ(head.draft({2.0, 1.0}), 3);
  EXPECT_EQ(head.draft({1.0, 2.0}), 7);
  EXPECT_EQ(head.draft({2.0, 2.0}), 3);  // a tie goes to the lower id
  allowed[3] = false;
  EXPECT_EQ(head.draft({2.0, 1.0}, allowed), 7);
}

TEST(Eagle3HeadTest, ChainOfOneAddsNoRow) {
  const HandHead hand;
  const Eagle3Head head(hand.config, hand.weights);
  Eagle3Cache cache;
  const auto hidden = head.extend(cache, {{5.0, 5.0}}, std::vector<int32_t>{0});

  EXPECT_EQ(head.chain(cache, hidden[0], 1).size(), 1U);
  EXPECT_EQ(cache.size(), 1);
  EXPECT_EQ(head.chain(cache, hidden[0], 4).size(), 4U);
  EXPECT_EQ(cache.size(), 4);
}

// A pair written to disk and read back, with a vocabulary small enough for drafts to be right by
// chance.
struct TinyPair {
  test::TempDir folder;
  test::OracleTarget target;
  test::OracleHead head;

  TinyPair(uint64_t seed, HeadOptions options) {
    test::TargetOptions target_options;
    target_options.config.vocab_size = 6;
    target_options.seed = seed;
    options.config.vocab_size = 6;
    options.config.draft_vocab_size = std::min<int64_t>(options.config.draft_vocab_size, 6);
    options.seed = seed;
    test::write_target(folder / "target", target_options);
    test::write_head(folder / "head", options);
    target = test::read_oracle_target(folder / "target");
    head = test::read_oracle_head(folder / "head", target.weights);
  }
};

struct HeadCase {
  const char* name;
  uint64_t seed;  // one under which some drafts are accepted and some are not
  HeadOptions options;
};

class SpeculationTest : public testing::TestWithParam<HeadCase> {};

TEST_P(SpeculationTest, ChangesNoTokenAndKeepsTheCacheTrue) {
  const TinyPair pair(GetParam().seed, GetParam().options);
  const Eagle3Head head(pair.head.config, pair.head.weights);
  const std::vector<int32_t> prompt = test::random_tokens(3, 9, 6);
  const std::vector<int32_t> plain = greedy(pair.target.config, pair.target.weights, prompt, 26);
  const M3Output target = m3_forward(pair.target.config, pair.target.weights, plain);
  int64_t num_accepted = 0;
  int64_t num_rejected = 0;

  for (const int64_t num_drafts : {0, 1, 3, 7}) {
    const SpeculativeSetup setup{pair.target.config, pair.target.weights, head,
                                 pair.head.config,   num_drafts,          {}};
    const SpeculativeTrace trace = speculative_greedy(setup, prompt, 16);
    const SpeculativeTrace again = replay(setup, target, plain, std::ssize(prompt));

    ASSERT_LE(trace.tokens.size(), plain.size());
    EXPECT_TRUE(std::equal(trace.tokens.begin(), trace.tokens.end(), plain.begin()));
    ASSERT_GE(again.rounds.size(), trace.rounds.size());
    for (size_t i = 0; i < trace.rounds.size(); ++i) {
      EXPECT_EQ(trace.rounds[i].drafts, again.rounds[i].drafts) << "round " << i;
      EXPECT_EQ(trace.rounds[i].emitted, again.rounds[i].emitted) << "round " << i;
      num_accepted += trace.rounds[i].num_accepted;
      num_rejected += num_drafts - trace.rounds[i].num_accepted;
    }
    const auto kv_len = std::ssize(trace.tokens) - 1;
    const Eagle3Cache fresh = recompute_cache(
        head, gather_taps(target, pair.head.config.tap_layers), trace.tokens, kv_len);
    ASSERT_EQ(trace.cache.size(), kv_len);
    EXPECT_EQ(trace.cache.keys, fresh.keys);
    EXPECT_EQ(trace.cache.values, fresh.values);
  }
  EXPECT_GT(num_accepted, 0);
  EXPECT_GT(num_rejected, 0);
}

HeadOptions make_options(bool fc_norm, bool norm_output, bool norm_before_residual) {
  HeadOptions options;
  options.config.fc_norm = fc_norm;
  options.config.norm_output = norm_output;
  options.config.norm_before_residual = norm_before_residual;
  return options;
}

HeadOptions reduced_vocabulary() {
  HeadOptions options = make_options(true, true, false);
  options.layer_prefix = "midlayer.";
  options.config.draft_vocab_size = 4;
  options.config.num_kv_heads = options.config.num_heads;
  options.embedding = SharedTensor::kOwn;
  options.lm_head = SharedTensor::kOwn;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Heads,
                         SpeculationTest,
                         testing::Values(HeadCase{"eagle31", 22, make_options(true, true, false)},
                                         HeadCase{"residual_after_norm", 22,
                                                  make_options(false, false, true)},
                                         HeadCase{"reduced_vocabulary", 22, reduced_vocabulary()}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace talon::oracle
