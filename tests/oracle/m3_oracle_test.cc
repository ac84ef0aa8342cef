// Hand cases of the M3 oracle: each is small enough to check with pencil and paper. That the whole
// is MiniMax-M3 is what golden_test.cc shows.
#include "oracle/m3_oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "oracle/m3_tensors.h"
#include "support/golden.h"
#include "support/random_weights.h"
#include "support/tiny_model.h"

namespace talon::oracle {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(RmsNormTest, GemmaGainIsOnePlusWeight) {
  const std::vector<double> x = {3.0, 4.0};  // mean of squares 12.5
  const std::vector<double> gain = {0.0, 0.5};
  std::vector<double> y(2);

  rms_norm(y.data(), x, gain.data(), 0.0, 1.0);

  EXPECT_DOUBLE_EQ(y[0], 3.0 / std::sqrt(12.5));
  EXPECT_DOUBLE_EQ(y[1], 1.5 * 4.0 / std::sqrt(12.5));
}

TEST(RopeTest, RotatesHalfSplitPairsAndLeavesTheRest) {
  std::vector<double> head = {1.0, 2.0, 0.0, 0.0, 7.0};  // pairs (0, 2) and (1, 3)

  rope(head.data(), 2, 4, 100.0);  // angles 2 and 2 / sqrt(100)

  EXPECT_NEAR(head[0], std::cos(2.0), 1e-15);
  EXPECT_NEAR(head[2], std::sin(2.0), 1e-15);
  EXPECT_NEAR(head[1], 2.0 * std::cos(0.2), 1e-15);
  EXPECT_NEAR(head[3], 2.0 * std::sin(0.2), 1e-15);
  EXPECT_EQ(head[4], 7.0);
}

TEST(SwigluOaiTest, ClampsGateFromAboveAndUpOnBothSides) {
  EXPECT_DOUBLE_EQ(swiglu_oai(9.0, 9.0, 1.702, 7.0), 8.0 * 7.0 / (1.0 + std::exp(-11.914)));
  EXPECT_DOUBLE_EQ(swiglu_oai(1.0, -9.0, 1.702, 7.0), -6.0 / (1.0 + std::exp(-1.702)));
  EXPECT_DOUBLE_EQ(swiglu_oai(-9.0, 0.0, 1.702, 7.0), -9.0 / (1.0 + std::exp(15.318)));
}

TEST(RouteTest, BiasSteersTheChoiceButNotTheWeights) {
  const std::vector<double> logits = {0.0, 1.0, -1.0};
  const std::vector<double> bias = {0.0, 0.0, 1.0};

  const Routing routing = route(logits, bias, 2);

  const double s1 = sigmoid(1.0);
  const double s2 = sigmoid(-1.0);
  ASSERT_EQ(routing.experts, (std::vector<int64_t>{2, 1}));
  EXPECT_DOUBLE_EQ(routing.weights[0], s2 / (s1 + s2));
  EXPECT_DOUBLE_EQ(routing.weights[1], s1 / (s1 + s2));
  EXPECT_DOUBLE_EQ(routing.gap, s1 - 0.5);
}

TEST(RouteTest, TieGoesToTheLowerExpert) {
  const Routing routing = route(std::vector<double>(4, 0.3), std::vector<double>(4, 0.0), 2);

  EXPECT_EQ(routing.experts, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(routing.gap, 0.0);
}

TEST(SelectBlocksTest, OwnBlockIsForcedAndCounts) {
  const std::vector<double> scores = {5.0, 9.0, 7.0, -3.0};

  EXPECT_EQ(select_blocks(scores, 2, 1).blocks, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(select_blocks(scores, 3, 2).blocks, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(select_blocks(scores, 2, 1).gap, 2.0);
}

TEST(SelectBlocksTest, TieGoesToTheLowerBlockAndNanRanksLowest) {
  EXPECT_EQ(select_blocks(std::vector<double>{4.0, 4.0, 4.0, 0.0}, 2, 1).blocks,
            (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(select_blocks(std::vector<double>{kNan, -8.0, 0.0}, 2, 1).blocks,
            (std::vector<int64_t>{1, 2}));
}

TEST(SelectBlocksTest, FewBlocksAreAllSelected) {
  const BlockChoice choice = select_blocks(std::vector<double>{1.0, 2.0}, 16, 1);

  EXPECT_EQ(choice.blocks, (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(std::isinf(choice.gap));
}

TEST(ArgmaxTest, TieGoesToTheLowestAllowedId) {
  EXPECT_EQ(argmax(std::vector<double>{kNan, 2.0, 3.0, 3.0}), 2);
  EXPECT_EQ(argmax(std::vector<double>{9.0, 2.0, 3.0, 3.0}, {false, true, false, true}), 3);
  EXPECT_EQ(argmax(std::vector<double>{kNan, kNan}), 0);
}

// Hidden size 2, one dense layer with full attention. One token attends to itself with weight 1.
TEST(M3ForwardTest, OneDenseLayerByHand) {
  M3Config c;
  c.vocab_size = c.hidden_size = c.head_dim = c.rotary_dim = 2;
  c.num_layers = c.num_heads = c.num_kv_heads = c.dense_size = 1;
  c.rms_norm_eps = 0.0;
  c.moe_layers = c.sparse_layers = {0};
  const std::vector<double> zero(2, 0.0);
  const std::vector<double> identity = {1.0, 0.0, 0.0, 1.0};
  const std::string layer = "language_model.model.layers.0.";
  Weights w;
  w["language_model.model.embed_tokens.weight"] = {1.0, 1.0, 0.0, 0.0};
  w["language_model.model.norm.weight"] = zero;
  w["language_model.lm_head.weight"] = identity;
  for (const char* norm :
       {"input_layernorm", "post_attention_layernorm", "self_attn.q_norm", "self_attn.k_norm"}) {
    w[layer + norm + ".weight"] = zero;
  }
  for (const char* projection : {"q_proj", "k_proj", "o_proj"}) {
    w[layer + "self_attn." + projection + ".weight"] = identity;
  }
  w[layer + "self_attn.v_proj.weight"] = {2.0, 0.0, 0.0, 2.0};
  w[layer + "mlp.gate_proj.weight"] = {1.0, 0.0};
  w[layer + "mlp.up_proj.weight"] = {0.0, 1.0};
  w[layer + "mlp.down_proj.weight"] = {1.0, 0.0};

  const M3Output out = m3_forward(c, w, std::vector<int32_t>{0});

  // x = (1, 1), h = (1, 1), v = (2, 2), x = (3, 3), h = (1, 1), g = u = 1.
  const double first = 3.0 + 2.0 / (1.0 + std::exp(-1.702));
  const double rms = std::sqrt((first * first + 9.0) / 2.0);
  EXPECT_NEAR(out.logits.row(0)[0], first / rms, 1e-14);
  EXPECT_NEAR(out.logits.row(0)[1], 3.0 / rms, 1e-14);
  EXPECT_EQ(out.caches[0].values.row(0)[1], 2.0);
}

TEST(M3ForwardTest, LaterTokensDoNotChangeEarlierRows) {
  const M3Config config = test::tiny_m3_config();
  const Weights weights = test::random_m3_weights(config, 5);
  const std::vector<int32_t> tokens = test::random_tokens(5, 300, config.vocab_size);

  const M3Output whole = m3_forward(config, weights, tokens, {0, 130, 270});
  const M3Output prefix = m3_forward(config, weights, std::span(tokens).first(271), {0, 130, 270});

  EXPECT_EQ(whole.logits.data, prefix.logits.data);
}

TEST(M3ForwardTest, SparseEqualsFullUntilBlocksAreLeftOut) {
  M3Config config = test::tiny_m3_config();  // top-2 blocks of 128
  const Weights weights = test::random_m3_weights(config, 6);
  const std::vector<int32_t> tokens = test::random_tokens(6, 300, config.vocab_size);
  const std::vector<int64_t> rows = {0, 127, 128, 255, 256, 299};
  const M3Output sparse = m3_forward(config, weights, tokens, rows);

  config.sparse_layers.assign(config.sparse_layers.size(), 0);
  const M3Output full = m3_forward(config, weights, tokens, rows);

  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(test::row_error(sparse.logits.row(i), full.logits.row(i), config.vocab_size), 0.0);
  }
  for (int64_t i = 4; i < 6; ++i) {
    EXPECT_GT(test::row_error(sparse.logits.row(i), full.logits.row(i), config.vocab_size), 1e-3);
  }
}

// Sums published for the real repository (spec/minimax_m3.md 1.1 and 4.1).
TEST(M3TensorsTest, RealModelHasThePublishedCounts) {
  const std::vector<TensorSpec> text = m3_tensors(real_m3_config());
  const std::vector<TensorSpec> vision = m3_vision_tensors();
  const auto num_values = [](const std::vector<TensorSpec>& specs) {
    int64_t sum = 0;
    for (const TensorSpec& spec : specs) {
      sum += spec.num_values();
    }
    return sum;
  };

  EXPECT_EQ(text.size(), 22893U);
  EXPECT_EQ(vision.size(), 523U);
  EXPECT_EQ(num_values(text), 426174572928);
  EXPECT_EQ(num_values(vision), 865567232);
}

}  // namespace
}  // namespace talon::oracle
