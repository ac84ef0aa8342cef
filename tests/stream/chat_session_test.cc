// Conversations on the embedded pair: what was said before is part of what comes after.
#include "stream/chat_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace talon {
namespace {

class ChatSessionTest : public testing::Test {
 protected:
  static LocalModel open() {
    EngineConfig config;
    config.model_dir = "models/talon-tiny";
    config.draft_model_dir = "models/talon-tiny-eagle3";
    config.max_model_len = 512;
    config.max_num_seqs = 1;
    return open_local_model(config);
  }

  Completion say(const std::string& text) { return session_.say(text, {.max_tokens = 48}, {}); }

  LocalModel model_ = open();
  ChatSession session_{model_, text::ChatTemplate::load("models/talon-tiny")};
};

TEST_F(ChatSessionTest, EachTurnStandsOnThoseBefore) {
  const Completion first = say("Hello, how are you?");
  const Completion second = say("What is your name?");

  EXPECT_FALSE(first.text.empty());
  EXPECT_EQ(session_.num_turns(), 2);
  // The prompt of the second turn holds the first with its answer.
  EXPECT_GT(second.prompt_tokens, first.prompt_tokens + std::ssize(first.tokens));
}

TEST_F(ChatSessionTest, ATurnTakenBackLeavesNoTrace) {
  const Completion first = say("Hello, how are you?");
  (void)say("What is your name?");

  EXPECT_TRUE(session_.take_back());
  EXPECT_TRUE(session_.take_back());
  EXPECT_FALSE(session_.take_back());

  EXPECT_EQ(say("Hello, how are you?").prompt_tokens, first.prompt_tokens);
}

TEST_F(ChatSessionTest, WhatTheModelIsToldFirstIsPartOfThePrompt) {
  const int64_t without = say("Hello").prompt_tokens;
  session_.forget();
  session_.set_system("You answer in one word.");

  EXPECT_GT(say("Hello").prompt_tokens, without);
}

TEST_F(ChatSessionTest, WhatIsRefusedIsNotKept) {
  const std::string long_text(4000, 'x');

  EXPECT_THROW((void)say(long_text), Error);

  EXPECT_EQ(session_.num_turns(), 0);
  EXPECT_FALSE(say("Hello, how are you?").text.empty());
}

}  // namespace
}  // namespace talon
