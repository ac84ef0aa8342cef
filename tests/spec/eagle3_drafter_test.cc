// The EAGLE-3 head as a drafter against the oracle, in every combination of its options, and the
// equalities that a round rests on: chunks, rejections, the context limit and neighbours.
//
// Taps are random numbers where the target does not matter, and the target's own where it does.
#include "spec/eagle3_drafter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "oracle/eagle3_oracle.h"
#include "support/checkpoint_reader.h"
#include "support/golden.h"
#include "support/random_drafter.h"
#include "support/random_model.h"
#include "support/random_weights.h"
#include "support/step_driver.h"
#include "support/temp_dir.h"

namespace talon {
namespace {

constexpr uint64_t kSeed = 23;
// Stated in docs/numerics.md.
constexpr double kF32Bound = 1e-5;
constexpr double kBf16Bound = 0.02;

const M3Model& target(ActivationType type) {
  static const auto kF32Target =
      test::random_model({.seed = kSeed, .with_tokenizer = false}, ActivationType::kF32);
  static const auto kBf16Target =
      test::random_model({.seed = kSeed, .with_tokenizer = false}, ActivationType::kBf16);
  return type == ActivationType::kF32 ? *kF32Target : *kBf16Target;
}

const oracle::Weights& target_weights() {
  static const oracle::Weights kWeights = test::random_m3_weights(test::tiny_m3_config(), kSeed);
  return kWeights;
}

// A head and the oracle's view of the same files.
struct Heads {
  Heads(const test::HeadOptions& options,
        ActivationType type,
        std::span<const uint8_t> allowed = {}) {
    const test::TempDir folder;
    test::write_head(folder.path(), options);
    drafter = test::load_drafter(folder.path(), target(type), allowed);
    files = test::read_oracle_head(folder.path(), target_weights());
    judge = std::make_unique<oracle::Eagle3Head>(files.config, files.weights);
  }

  std::unique_ptr<Eagle3Drafter> drafter;
  test::OracleHead files;
  std::unique_ptr<oracle::Eagle3Head> judge;
};

// Random taps of `count` positions, the same values for both sides.
struct Taps {
  test::RowsCopy rows;
  std::vector<std::vector<double>> values;
};

Taps random_taps(int64_t count, int64_t columns, DType dtype) {
  Taps taps;
  taps.rows = {.dtype = dtype, .num_rows = count, .num_columns = columns, .bytes = {}};
  const std::vector<uint16_t> bits = test::random_bf16(kSeed, "taps", {count, columns});
  for (const uint16_t word : bits) {
    const float value = test::from_bf16(word) * 16.0F;  // exact, and of the size of real taps
    const bf16 rounded = to_bf16(value);
    const void* from = dtype == DType::kF32 ? static_cast<const void*>(&value) : &rounded;
    const auto* bytes = static_cast<const std::byte*>(from);
    taps.rows.bytes.insert(taps.rows.bytes.end(), bytes, bytes + dtype_bytes(dtype));
  }
  for (int64_t i = 0; i < count; ++i) {
    taps.values.push_back(taps.rows.row(i));
  }
  return taps;
}

test::RowsCopy slice(const test::RowsCopy& rows, int64_t begin, int64_t end) {
  test::RowsCopy part{
      .dtype = rows.dtype, .num_rows = end - begin, .num_columns = rows.num_columns, .bytes = {}};
  const int64_t size = rows.num_columns * dtype_bytes(rows.dtype);
  part.bytes.assign(rows.bytes.begin() + begin * size, rows.bytes.begin() + end * size);
  return part;
}

std::vector<int32_t> random_ids(int64_t count) {
  return test::random_tokens(kSeed, count, test::tiny_m3_config().vocab_size);
}

// Extends positions [begin, end) with taps[p] and next_tokens[p]; the feature of the last row.
test::RowsCopy extend_range(test::StepDriver& driver,
                            const test::RowsCopy& taps,
                            const std::vector<int32_t>& next_tokens,
                            int32_t begin,
                            const std::vector<int32_t>& pages) {
  const auto end = static_cast<int32_t>(next_tokens.size());
  const test::StepSequence sequence{
      .tokens = std::vector<int32_t>(static_cast<size_t>(end - begin), 0),
      .kv_len = begin,
      .pages = pages,
      .logit_rows = {}};
  const std::vector<int32_t> next(next_tokens.begin() + begin, next_tokens.end());
  return driver.extend({.sequences = {&sequence, 1},
                        .taps = slice(taps, begin, end),
                        .next_tokens = next,
                        .last_rows = std::vector<int32_t>{end - begin - 1}});
}

std::vector<int32_t> draft_one(test::StepDriver& driver,
                               const test::RowsCopy& features,
                               int32_t kv_len,
                               const std::vector<int32_t>& pages,
                               int32_t num_drafts) {
  return driver.draft({.features = features,
                       .kv_len = {kv_len},
                       .active = {1},
                       .pages = {pages},
                       .num_drafts = num_drafts})[0];
}

struct Variant {
  std::string name;
  test::HeadOptions options;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  const auto add = [&](const std::string& name, const test::HeadOptions& options) {
    all.push_back({name, options});
  };
  for (int bits = 0; bits < 16; ++bits) {
    test::HeadOptions options{.seed = kSeed};
    options.config.fc_norm = (bits & 1) != 0;
    options.config.norm_output = (bits & 2) != 0;
    options.config.norm_before_residual = (bits & 4) != 0;
    options.config.num_kv_heads = (bits & 8) != 0 ? 4 : 2;
    options.layer_prefix = (bits & 8) != 0 ? "midlayer." : "layers.0.";
    add("options_" + std::to_string(bits), options);
  }
  using test::SharedTensor;
  test::HeadOptions own{.seed = kSeed + 1};
  own.embedding = SharedTensor::kOwn;
  own.lm_head = SharedTensor::kOwn;
  add("own_embedding_and_head", own);
  own.embedding = SharedTensor::kEqualToTarget;
  own.seed = kSeed;
  own.lm_head = SharedTensor::kAbsent;
  add("equal_embedding", own);
  own.lm_head = SharedTensor::kOwn;
  own.config.draft_vocab_size = 48;
  add("reduced_vocabulary", own);
  own.config.norm_output = false;
  own.config.rope_theta = 5e5;
  add("reduced_vocabulary_unnormed", own);
  return all;
}

class Eagle3HeadTest : public testing::TestWithParam<Variant> {
 protected:
  // The largest row error of features after positions 0, 1, .. of a sequence, and of all keys and
  // values, when rows come one by one (odd positions alone, others in pairs).
  static double largest_error(const Heads& heads, ActivationType type) {
    constexpr int32_t kLength = 150;
    const auto num_taps = std::ssize(heads.files.config.tap_layers);
    const Taps taps = random_taps(kLength, num_taps * heads.files.config.target_hidden_size,
                                  activation_dtype(type));
    const std::vector<int32_t> next = random_ids(kLength);
    const std::vector<int32_t> pages = test::page_ids(4, /*seed=*/9);
    test::StepDriver driver(target(type), heads.drafter.get(), {});
    oracle::Eagle3Cache cache;
    const auto hidden = heads.judge->extend(cache, taps.values, next);
    double error = 0.0;
    for (int32_t begin = 0, end = 1; begin < kLength; begin = end, end += 1 + begin % 3) {
      end = std::min(end, kLength);
      const std::vector<int32_t> upto(next.begin(), next.begin() + end);
      const test::RowsCopy feature = extend_range(driver, taps.rows, upto, begin, pages);
      const std::vector<double>& expected = hidden[static_cast<size_t>(end - 1)];
      error = std::max(
          error, test::row_error(feature.row(0).data(), expected.data(), std::ssize(expected)));
    }
    return std::max({error, cache_error(driver, PlaneKind::kKey, cache.keys, pages),
                     cache_error(driver, PlaneKind::kValue, cache.values, pages)});
  }

  static double cache_error(test::StepDriver& driver,
                            PlaneKind kind,
                            const std::vector<std::vector<double>>& expected,
                            const std::vector<int32_t>& pages) {
    const TensorView plane = driver.kv().plane(PlaneOwner::kDrafter, LayerIndex{0}, kind);
    const test::RowsCopy rows = test::copy_rows(
        plane.reshaped(Shape{plane.size(0) * kPageTokens, plane.size(2) * plane.size(3)}));
    double error = 0.0;
    for (size_t p = 0; p < expected.size(); ++p) {
      const int64_t slot =
          int64_t{pages[p / kPageTokens]} * kPageTokens + static_cast<int64_t>(p % kPageTokens);
      error = std::max(error, test::row_error(rows.row(slot).data(), expected[p].data(),
                                              std::ssize(expected[p])));
    }
    return error;
  }
};

TEST_P(Eagle3HeadTest, FeaturesAndCacheAgreeWithTheOracle) {
  const Heads f32(GetParam().options, ActivationType::kF32);
  const Heads bf16(GetParam().options, ActivationType::kBf16);

  EXPECT_LE(largest_error(f32, ActivationType::kF32), kF32Bound);
  EXPECT_LE(largest_error(bf16, ActivationType::kBf16), kBf16Bound);
}

TEST_P(Eagle3HeadTest, DraftsEqualTheOraclesForEveryK) {
  const Heads heads(GetParam().options, ActivationType::kF32);
  const int64_t num_taps = std::ssize(heads.files.config.tap_layers);
  const Taps taps = random_taps(140, num_taps * heads.files.config.target_hidden_size, DType::kF32);
  const std::vector<int32_t> pages = test::page_ids(4, /*seed=*/9);
  for (const int32_t length : {1, 2, 60, 126, 127, 128, 140}) {
    const std::vector<int32_t> next = random_ids(length);
    test::StepDriver driver(target(ActivationType::kF32), heads.drafter.get(), {});
    driver.poison(pages, 0);
    oracle::Eagle3Cache cache;
    const std::vector<std::vector<double>> some(taps.values.begin(), taps.values.begin() + length);
    const std::vector<double> hidden = heads.judge->extend(cache, some, next).back();
    const test::RowsCopy feature = extend_range(driver, taps.rows, next, 0, pages);
    for (int32_t k = 1; k <= kMaxDrafts; ++k) {
      EXPECT_EQ(draft_one(driver, feature, length, pages, k), heads.judge->chain(cache, hidden, k))
          << "length " << length << ", K " << k;
      cache.truncate(length);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants,
                         Eagle3HeadTest,
                         testing::ValuesIn(variants()),
                         [](const auto& param) { return param.param.name; });

TEST(Eagle3DrafterTest, NeverDraftsAnIdThatIsNotAllowed) {
  std::vector<uint8_t> allowed(320, 0);
  std::vector<bool> oracle_allowed(320, false);
  for (size_t id = 0; id < allowed.size(); id += 3) {
    allowed[id] = 1;
    oracle_allowed[id] = true;
  }
  for (const int64_t draft_vocabulary : {320, 64}) {
    test::HeadOptions options{.seed = kSeed};
    options.config.draft_vocab_size = draft_vocabulary;
    options.lm_head = test::SharedTensor::kOwn;
    const Heads heads(options, ActivationType::kF32, allowed);
    const Taps taps = random_taps(40, 3 * 64, DType::kF32);
    const std::vector<int32_t> pages = test::page_ids(1);
    int64_t num_masked = 0;
    for (int32_t length = 1; length <= 40; ++length) {
      test::StepDriver driver(target(ActivationType::kF32), heads.drafter.get(), {});
      const std::vector<int32_t> next = random_ids(length);
      const test::RowsCopy feature = extend_range(driver, taps.rows, next, 0, pages);

      const std::vector<int32_t> drafts = draft_one(driver, feature, length, pages, 3);

      oracle::Eagle3Cache cache;
      const std::vector<std::vector<double>> some(taps.values.begin(),
                                                  taps.values.begin() + length);
      const std::vector<double> hidden = heads.judge->extend(cache, some, next).back();
      num_masked += heads.judge->draft(hidden) != heads.judge->draft(hidden, oracle_allowed);
      EXPECT_EQ(drafts, heads.judge->chain(cache, hidden, 3, oracle_allowed)) << length;
    }
    EXPECT_GT(num_masked, 10) << "the mask must have mattered";
  }
}

class Eagle3EqualityTest : public testing::TestWithParam<ActivationType> {
 protected:
  const M3Model& model() const { return target(GetParam()); }
  DType dtype() const { return activation_dtype(GetParam()); }
  test::StepDriver fresh(const test::DriverOptions& options = {}) const {
    return {model(), heads_.drafter.get(), options};
  }

  const Heads heads_{{.seed = kSeed}, GetParam()};
};

TEST_P(Eagle3EqualityTest, ChunksAndThreadsHaveTheBitsOfTheWhole) {
  constexpr int32_t kLength = 300;
  const Taps taps = random_taps(kLength, 3 * 64, dtype());
  const std::vector<int32_t> next = random_ids(kLength);
  const std::vector<int32_t> pages = test::page_ids(3);
  const std::vector<int32_t> shuffled = {3, 1, 2};
  test::StepDriver whole = fresh();
  const test::RowsCopy feature = extend_range(whole, taps.rows, next, 0, pages);
  const auto expected = whole.kv_bytes(PlaneOwner::kDrafter, pages, kLength);
  const std::vector<int32_t> drafts = draft_one(whole, feature, kLength, pages, kMaxDrafts);

  for (const int num_threads : {1, 2}) {
    test::StepDriver chunked = fresh({.num_threads = num_threads});
    test::RowsCopy last;
    for (int32_t begin = 0, end = 0; begin < kLength; begin = end) {
      end = std::min(kLength, begin + 1 + (begin * 7) % 61);
      const std::vector<int32_t> upto(next.begin(), next.begin() + end);
      last = extend_range(chunked, taps.rows, upto, begin, shuffled);
    }

    EXPECT_TRUE(last.bytes == feature.bytes);
    EXPECT_TRUE(chunked.kv_bytes(PlaneOwner::kDrafter, shuffled, kLength) == expected);
    EXPECT_EQ(draft_one(chunked, last, kLength, shuffled, kMaxDrafts), drafts);
  }
}

// One sequence driven round by round with forced verdicts, as the engine drives it.
class Rounds {
 public:
  Rounds(test::StepDriver& driver, const M3Model& model, const Eagle3Drafter& drafter)
      : driver_(driver), taps_(drafter.taps()), vocabulary_(model.limits().vocab_size) {}

  // `tokens` is what greedy decoding gives, prompt included.
  void prefill(const std::vector<int32_t>& tokens, int32_t prompt_length) {
    tokens_ = tokens;
    step({tokens.begin(), tokens.begin() + prompt_length}, prompt_length - 1);
  }

  // Verifies K drafts of which the first `accepted` are right, then extends and drafts K.
  void round(int32_t accepted, int32_t num_drafts) {
    std::vector<int32_t> rows;
    for (int32_t j = 0; j <= num_drafts; ++j) {
      const int32_t right = tokens_[static_cast<size_t>(kv_len_ + j)];
      rows.push_back(j <= accepted ? right : (right + 1) % vocabulary_);
    }
    driver_.poison(pages, kv_len_);
    step(rows, accepted);
    drafts = draft_one(driver_, features, kv_len_, pages, std::max(num_drafts, 1));
  }

  int32_t kv_len() const { return kv_len_; }

  std::vector<int32_t> pages = test::page_ids(6, /*seed=*/4);
  test::RowsCopy features;
  std::vector<int32_t> drafts;

 private:
  // Runs rows at kv_len; the row `last` is the last valid one.
  void step(const std::vector<int32_t>& rows, int32_t last) {
    const auto count = static_cast<int32_t>(rows.size());
    const test::StepSequence sequence{
        .tokens = rows, .kv_len = kv_len_, .pages = pages, .logit_rows = test::row_range(count)};
    const test::StepOutput out = driver_.forward({&sequence, 1}, taps_);
    std::vector<int32_t> next;
    for (int32_t j = 0; j < count; ++j) {
      // Prompt rows take the prompt's token; rows of a verify the target's choice, which is the
      // sequence's next token up to the last valid row.
      const bool is_valid = j <= last;
      next.push_back(is_valid ? tokens_[static_cast<size_t>(kv_len_ + j + 1)]
                              : oracle::argmax(out.logits.row(j)));
    }
    features = driver_.extend({.sequences = {&sequence, 1},
                               .taps = out.taps,
                               .next_tokens = next,
                               .last_rows = std::vector<int32_t>{last}});
    kv_len_ += last + 1;
  }

  test::StepDriver& driver_;
  std::span<const int32_t> taps_;
  int32_t vocabulary_;
  std::vector<int32_t> tokens_;
  int32_t kv_len_ = 0;
};

TEST_P(Eagle3EqualityTest, CacheEqualsRecomputationAfterEveryRejectionPattern) {
  const std::vector<int32_t> tokens = random_ids(600);
  for (int32_t k = 0; k <= kMaxDrafts; ++k) {
    test::StepDriver driver = fresh();
    Rounds rounds(driver, model(), *heads_.drafter);
    rounds.prefill(tokens, 121);
    for (int32_t i = 0; i < 3 * (k + 1); ++i) {
      const int32_t accepted = i <= k ? i : (i * 5) % (k + 1);
      rounds.round(accepted, k);
      const int32_t kv_len = rounds.kv_len();

      test::StepDriver scratch = fresh();
      Rounds recomputed(scratch, model(), *heads_.drafter);
      recomputed.prefill(tokens, kv_len);

      ASSERT_TRUE(driver.kv_bytes(PlaneOwner::kDrafter, rounds.pages, kv_len) ==
                  scratch.kv_bytes(PlaneOwner::kDrafter, recomputed.pages, kv_len))
          << "K " << k << ", accepted " << accepted << ", kv_len " << kv_len;
      ASSERT_TRUE(driver.kv_bytes(PlaneOwner::kTarget, rounds.pages, kv_len) ==
                  scratch.kv_bytes(PlaneOwner::kTarget, recomputed.pages, kv_len));
      ASSERT_TRUE(rounds.features.bytes == recomputed.features.bytes);
      ASSERT_EQ(rounds.drafts,
                draft_one(scratch, recomputed.features, kv_len, recomputed.pages, std::max(k, 1)));
    }
  }
}

TEST_P(Eagle3EqualityTest, NeighboursDoNotMatter) {
  const std::vector<int32_t> lengths = {5, 130, 257};
  const Taps taps = random_taps(257, 3 * 64, dtype());
  const std::vector<std::vector<int32_t>> pages = {{7, 2, 9}, {1, 8, 3}, {4, 6, 5}};
  std::vector<test::RowsCopy> features;
  std::vector<std::vector<int32_t>> drafts;
  for (size_t b = 0; b < lengths.size(); ++b) {
    test::StepDriver alone = fresh();
    features.push_back(extend_range(alone, taps.rows, random_ids(lengths[b]), 0, pages[b]));
    drafts.push_back(draft_one(alone, features[b], lengths[b], pages[b], 5));
  }
  test::StepDriver driver = fresh();
  std::vector<test::StepSequence> sequences;
  test::RowsCopy rows;
  std::vector<int32_t> next;
  std::vector<int32_t> last;
  for (size_t b = 0; b < lengths.size(); ++b) {
    sequences.push_back({.tokens = std::vector<int32_t>(static_cast<size_t>(lengths[b]), 0),
                         .kv_len = 0,
                         .pages = pages[b],
                         .logit_rows = {},
                         .num_dead_rows = static_cast<int32_t>(b)});
    const std::vector<int32_t> ids = random_ids(lengths[b]);
    next.insert(next.end(), ids.begin(), ids.end());
    rows.append(slice(taps.rows, 0, lengths[b]));
    last.push_back(static_cast<int32_t>(next.size()) - 1);
    next.insert(next.end(), b, -1);
    rows.append(slice(taps.rows, 0, static_cast<int64_t>(b)));
  }

  const test::RowsCopy joint =
      driver.extend({.sequences = sequences, .taps = rows, .next_tokens = next, .last_rows = last});
  const auto before = driver.kv_bytes(PlaneOwner::kDrafter, pages[1], 3 * kPageTokens);
  const auto some = driver.draft(
      {.features = joint, .kv_len = lengths, .active = {1, 0, 1}, .pages = pages, .num_drafts = 5});

  for (size_t b = 0; b < lengths.size(); ++b) {
    EXPECT_TRUE(joint.row_bytes(static_cast<int64_t>(b)) == features[b].bytes) << b;
  }
  EXPECT_EQ(some[0], drafts[0]);
  EXPECT_EQ(some[2], drafts[2]);
  EXPECT_TRUE(driver.kv_bytes(PlaneOwner::kDrafter, pages[1], 3 * kPageTokens) == before)
      << "a sequence that does not draft wrote its pages";
}

TEST_P(Eagle3EqualityTest, ASequenceWithoutLastRowIsExtendedAllTheSame) {
  const Taps taps = random_taps(50, 3 * 64, dtype());
  const std::vector<int32_t> next = random_ids(50);
  const std::vector<int32_t> pages = test::page_ids(1);
  test::StepDriver whole = fresh();
  extend_range(whole, taps.rows, next, 0, pages);
  test::StepDriver middle = fresh();
  const test::StepSequence sequence{
      .tokens = std::vector<int32_t>(50, 0), .kv_len = 0, .pages = pages, .logit_rows = {}};

  middle.extend({.sequences = {&sequence, 1},
                 .taps = taps.rows,
                 .next_tokens = next,
                 .last_rows = std::vector<int32_t>{-1}});

  EXPECT_TRUE(whole.kv_bytes(PlaneOwner::kDrafter, pages, 50) ==
              middle.kv_bytes(PlaneOwner::kDrafter, pages, 50));
}

// Chain positions 254 and 255 exist, 256 and later do not.
TEST_P(Eagle3EqualityTest, PositionsPastTheContextLimitTouchNoPage) {
  constexpr int32_t kLimit = 256;
  constexpr int32_t kKvLen = 254;
  const Taps taps = random_taps(kKvLen, 3 * 64, dtype());
  const std::vector<int32_t> next = random_ids(kKvLen);
  const std::vector<int32_t> pages = {2, 1, 3};  // the third holds positions that do not exist
  test::StepDriver limited = fresh({.num_pages = 5, .context_limit = kLimit});
  test::StepDriver free = fresh({.num_pages = 5});
  const test::RowsCopy feature = extend_range(limited, taps.rows, next, 0, pages);
  extend_range(free, taps.rows, next, 0, pages);
  const auto before = limited.kv_bytes(PlaneOwner::kDrafter, {{2, 1, 3, 4}}, 512);

  const std::vector<int32_t> drafts = draft_one(limited, feature, kKvLen, pages, kMaxDrafts);
  const std::vector<int32_t> expected = draft_one(free, feature, kKvLen, pages, kMaxDrafts);

  // Drafts 0 to 2 come from rows that exist: the feature and chain positions 254 and 255.
  EXPECT_TRUE(std::equal(drafts.begin(), drafts.begin() + 3, expected.begin()));
  const auto after = limited.kv_bytes(PlaneOwner::kDrafter, {{2, 1, 3, 4}}, 512);
  const auto written = free.kv_bytes(PlaneOwner::kDrafter, {{2, 1, 3, 4}}, 512);
  const size_t plane = after.size() / 2;  // keys, then values
  const size_t token = plane / 512;
  for (size_t p = 0; p < 512; ++p) {
    const bool is_chain = p == 254 || p == 255;
    const auto& want = is_chain ? written : before;
    EXPECT_EQ(std::memcmp(&after[p * token], &want[p * token], token), 0) << p;
    EXPECT_EQ(std::memcmp(&after[plane + p * token], &want[plane + p * token], token), 0) << p;
    EXPECT_EQ(std::memcmp(&after[p * token], &before[p * token], token) != 0, is_chain) << p;
  }
}

TEST_P(Eagle3EqualityTest, ScratchIsTheStatedBound) {
  const Taps taps = random_taps(90, 3 * 64, dtype());
  const std::vector<int32_t> pages = test::page_ids(1);
  test::StepDriver driver = fresh();

  const test::RowsCopy feature = extend_range(driver, taps.rows, random_ids(90), 0, pages);
  EXPECT_EQ(driver.last_scratch(), driver.last_bound());
  draft_one(driver, feature, 90, pages, 3);
  EXPECT_EQ(driver.last_scratch(), driver.last_bound());
}

INSTANTIATE_TEST_SUITE_P(Types,
                         Eagle3EqualityTest,
                         testing::Values(ActivationType::kF32, ActivationType::kBf16),
                         [](const auto& param) {
                           return param.param == ActivationType::kF32 ? "f32" : "bf16";
                         });

}  // namespace
}  // namespace talon
