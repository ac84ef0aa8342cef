// Traces: what is written is read back, and text that breaks a bound is refused with the place.
// Covers: engine/step_trace_parse
#include "engine/step_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr StepBounds kBounds{.num_pages = 10,
                             .context_limit = 300,
                             .vocab_size = 70,
                             .max_sequences = 2,
                             .max_rows = 16,
                             .max_logit_rows = 8,
                             .max_drafts = 3,
                             .has_drafter = true};

StepPlan full_plan() {
  SlotPatch slot;
  slot.slot = SlotIndex{1};
  slot.kv_len = 127;
  slot.sampling.temperature = 0.7F;
  slot.sampling.top_k = -1;
  slot.sampling.seed = -5'000'000'000;
  slot.sampling.logit_bias = {{.token = TokenId{4}, .bias = -1.5F}};
  slot.sampling.bad_token_ids = {TokenId{9}};
  slot.min_end_index = 140;
  slot.end_ids = {TokenId{2}, TokenId{3}};
  slot.tokens = {TokenId{1}, TokenId{69}};
  slot.prompt_len = 129;
  PlanRow chunk;
  chunk.sequence = SeqId{int64_t{1} << 40};
  chunk.slot = SlotIndex{1};
  chunk.first_position = 127;
  chunk.tokens = {TokenId{5}, TokenId{6}};
  chunk.next_token = TokenId{7};
  chunk.num_prompt_logprobs = 20;
  PlanRow verify;
  verify.sequence = SeqId{3};
  verify.first_position = 299;
  verify.num_drafts = 1;
  verify.drafts_to_make = 3;
  verify.sample = true;
  verify.num_logprobs = 0;
  verify.masks = {0xFFFFFFFFU, 0, 1, 2, 3, 4};
  StepPlan plan;
  plan.round = 12;
  plan.ahead = true;
  plan.slot_patches = {slot};
  plan.page_patches = {{.slot = SlotIndex{1}, .first_index = 0, .pages = {PageId{4}, PageId{9}}}};
  plan.page_copies = {{.from = PageId{1}, .to = PageId{4}}};
  plan.rows = {chunk, verify};
  return plan;
}

std::string fault_of_plan(const std::string& line) {
  const Result<StepPlan> plan = parse_plan(line, kBounds);
  return plan.ok() ? "" : plan.message();
}

std::string fault_of_result(const std::string& line) {
  const Result<StepResult> result = parse_result(line, kBounds);
  return result.ok() ? "" : result.message();
}

TEST(StepTraceTest, PlansComeBackAsTheyWere) {
  const std::string line = to_json_line(full_plan());

  ASSERT_EQ(fault_of_plan(line), "");
  const StepPlan plan = parse_plan(line, kBounds).value();
  EXPECT_EQ(to_json_line(plan), line);
  EXPECT_TRUE(plan.ahead);
  EXPECT_EQ(plan.slot_patches[0].sampling.temperature, 0.7F);
  EXPECT_EQ(plan.slot_patches[0].sampling.top_p, 1.0F);
  EXPECT_EQ(plan.slot_patches[0].sampling.seed, -5'000'000'000);
  EXPECT_EQ(plan.slot_patches[0].sampling.logit_bias[0].bias, -1.5F);
  EXPECT_EQ(plan.page_copies[0].to, PageId{4});
  EXPECT_EQ(plan.rows[0].sequence, SeqId{int64_t{1} << 40});
  EXPECT_EQ(plan.rows[0].next_token, TokenId{7});
  EXPECT_EQ(plan.rows[1].num_logprobs, 0);
  EXPECT_THAT(plan.rows[1].masks, ElementsAre(0xFFFFFFFFU, 0, 1, 2, 3, 4));
}

TEST(StepTraceTest, DefaultsAreNotWritten) {
  StepPlan plan;
  plan.round = 2;
  plan.rows.resize(1);
  plan.rows[0].sequence = SeqId{1};
  plan.rows[0].first_position = 9;
  plan.rows[0].sample = true;

  EXPECT_EQ(to_json_line(plan),
            R"({"plan":2,"rows":[{"sequence":1,"slot":0,"first_position":9,"sample":true}]})");
}

TEST(StepTraceTest, ResultsComeBackAsTheyWere) {
  StepResult result;
  result.round = 3;
  result.rows.resize(1);
  result.rows[0].sequence = SeqId{8};
  result.rows[0].tokens = {TokenId{1}, TokenId{2}};
  result.rows[0].drafted = 3;
  result.rows[0].accepted = 1;
  result.rows[0].kv_len = 42;
  result.rows[0].drafts = {TokenId{69}};
  const std::string line = to_json_line(result);

  EXPECT_EQ(line, R"({"result":3,"rows":[{"sequence":8,"tokens":[1,2],"drafted":3,"accepted":1,)"
                  R"("kv_len":42,"drafts":[69]}]})");
  ASSERT_EQ(fault_of_result(line), "");
  EXPECT_EQ(to_json_line(parse_result(line, kBounds).value()), line);
}

TEST(StepTraceTest, BoundsComeBackAsTheyWere) {
  const Result<StepBounds> bounds = parse_bounds(to_json_line(kBounds));

  ASSERT_TRUE(bounds.ok()) << bounds.message();
  EXPECT_EQ(bounds.value(), kBounds);
}

TEST(StepTraceTest, EveryBoundOfAPlanIsHeld) {
  const auto row = [](const std::string& members) {
    return fault_of_plan(R"({"plan":1,"rows":[{"sequence":1,"slot":0,)" + members + "}]}");
  };
  EXPECT_EQ(row(R"("first_position":312)"), "");
  EXPECT_EQ(row(R"("first_position":313)"), "rows[0]: first_position is no integer in 0..312");
  EXPECT_EQ(row(R"("tokens":[70])"), "rows[0]: tokens[0] is no integer in 0..69");
  EXPECT_EQ(row(R"("tokens":[-1])"), "rows[0]: tokens[0] is no integer in 0..69");
  EXPECT_EQ(row(R"("tokens":[1.5])"), "rows[0]: tokens[0] is no integer in 0..69");
  EXPECT_EQ(row(R"("tokens":7)"), "rows[0]: tokens is no list of at most 16");
  EXPECT_THAT(row(R"("tokens":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])"), HasSubstr("at most 16"));
  EXPECT_EQ(row(R"("num_drafts":4)"), "rows[0]: num_drafts is no integer in 0..3");
  EXPECT_EQ(row(R"("sample":1)"), "rows[0]: sample is neither true nor false");
  EXPECT_EQ(row(R"("masks":[4294967296])"), "rows[0]: masks[0] is no integer in 0..4294967295");
  EXPECT_EQ(row(R"("colour":1)"), "rows[0]: has a member that is not known");
  EXPECT_EQ(fault_of_plan(R"({"plan":1,"rows":[{"sequence":1,"slot":2}]})"),
            "rows[0]: slot is no integer in 0..1");
  EXPECT_EQ(fault_of_plan(R"({"plan":1,"rows":[{},{},{}]})"), "rows is no list of at most 2");
  EXPECT_EQ(fault_of_plan(R"({"plan":1,"rows":[7]})"), "rows[0]: is no object");
  EXPECT_EQ(fault_of_plan(R"({"rows":[]})"), "plan is missing");
  EXPECT_EQ(fault_of_plan(R"({"plan":0})"), "plan is no integer in 1..9223372036854775807");
  EXPECT_EQ(fault_of_plan("[]"), "is no object");
  EXPECT_THAT(fault_of_plan("{"), HasSubstr("malformed JSON"));
}

TEST(StepTraceTest, EveryBoundOfAPatchIsHeld) {
  const auto plan = [](const std::string& members) {
    return fault_of_plan(R"({"plan":1,)" + members + "}");
  };
  EXPECT_EQ(plan(R"("page_copies":[[1,10]])"), "page_copies[0] is no integer in 1..9");
  EXPECT_EQ(plan(R"("page_copies":[[1]])"), "page_copies[0] is no pair of pages");
  EXPECT_EQ(plan(R"("page_patches":[{"slot":0,"pages":[0]}])"),
            "page_patches[0]: pages[0] is no integer in 1..9");
  EXPECT_EQ(plan(R"("page_patches":[{"pages":[1]}])"), "page_patches[0]: slot is missing");
  EXPECT_EQ(plan(R"("slot_patches":[{"slot":0,"kv_len":301}])"),
            "slot_patches[0]: kv_len is no integer in 0..300");
  EXPECT_EQ(plan(R"("slot_patches":[{"slot":0,"sampling":{"temperature":"hot"}}])"),
            "slot_patches[0].sampling: temperature is no number of use");
  EXPECT_EQ(plan(R"("slot_patches":[{"slot":0,"sampling":{"logit_bias":[[1]]}}])"),
            "slot_patches[0].sampling: logit_bias[0] is no pair of an id and a number");
  EXPECT_EQ(plan(R"("slot_patches":[{"slot":0,"sampling":3}])"),
            "slot_patches[0].sampling: is no object");
}

TEST(StepTraceTest, EveryBoundOfAResultIsHeld) {
  const auto row = [](const std::string& members) {
    return fault_of_result(R"({"result":1,"rows":[{"sequence":1,)" + members + "}]}");
  };
  EXPECT_EQ(row(R"("tokens":[1,2,3,4])"), "");
  EXPECT_EQ(row(R"("tokens":[1,2,3,4,5])"), "rows[0]: tokens is no list of at most 4");
  EXPECT_EQ(row(R"("drafts":[1,2,3,4])"), "rows[0]: drafts is no list of at most 3");
  EXPECT_EQ(row(R"("accepted":4)"), "rows[0]: accepted is no integer in 0..3");
  EXPECT_EQ(fault_of_result(R"({"plan":1})"), "result is missing");
}

TEST(StepTraceTest, BoundsAreBoundedThemselves) {
  StepBounds bounds = kBounds;
  bounds.max_drafts = 8;
  EXPECT_EQ(parse_bounds(to_json_line(bounds)).message(), "max_drafts is no integer in 0..7");
  EXPECT_EQ(parse_bounds("{}").message(), "num_pages is missing");
}

}  // namespace
}  // namespace talon
