// What a handler does to an exchange, and what its connection sees of it.
#include "server/exchange.h"

#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

TEST(ExchangeTest, AReplyIsOverWithItsHeadAndBody) {
  Exchange exchange({.path = "/"});
  int ready = 0;
  int over = 0;
  exchange.on_ready([&] { ++ready; });
  exchange.on_over([&] { ++over; });
  exchange.add_headers({{"a", "b"}});

  exchange.reply({.status = 404, .headers = {{"c", "d"}}, .body = "none"});

  EXPECT_TRUE(exchange.is_over());
  EXPECT_FALSE(exchange.is_streamed());
  EXPECT_EQ(exchange.status(), 404);
  EXPECT_EQ(exchange.head().headers, (HttpHeaders{{"c", "d"}, {"a", "b"}}));
  EXPECT_EQ(exchange.take(), "none");
  EXPECT_EQ(over, 1);
  EXPECT_GT(ready, 0);
}

TEST(ExchangeTest, BytesAreUnsentUntilTheyAreWritten) {
  Exchange exchange({});
  exchange.begin({});
  exchange.write("12345");

  EXPECT_EQ(exchange.num_unsent_bytes(), 5U);
  EXPECT_EQ(exchange.take(), "12345");
  EXPECT_EQ(exchange.num_unsent_bytes(), 5U);
  exchange.write("6");
  EXPECT_EQ(exchange.num_unsent_bytes(), 6U);
  exchange.written();
  EXPECT_EQ(exchange.num_unsent_bytes(), 1U);
  EXPECT_EQ(exchange.num_written_bytes(), 6U);
}

TEST(ExchangeTest, AClientThatLeavesIsToldOnceAndTheRestIsDropped) {
  Exchange exchange({});
  int gone = 0;
  int over = 0;
  exchange.on_gone([&] { ++gone; });
  exchange.on_over([&] { ++over; });
  exchange.begin({});

  exchange.client_left();
  exchange.client_left();
  exchange.write("late");
  exchange.end();

  EXPECT_EQ(gone, 1);
  EXPECT_EQ(over, 1);
  EXPECT_TRUE(exchange.is_gone());
  EXPECT_EQ(exchange.num_unsent_bytes(), 0U);
}

TEST(ExchangeTest, AClientThatLeavesAfterTheEndIsNoNews) {
  Exchange exchange({});
  int gone = 0;
  exchange.on_gone([&] { ++gone; });
  exchange.reply({});

  exchange.client_left();

  EXPECT_EQ(gone, 0);
}

TEST(ExchangeTest, ACutAnswerIsOverButNotEnded) {
  Exchange exchange({});
  exchange.begin({.body = "half"});

  exchange.cut();
  exchange.end();

  EXPECT_TRUE(exchange.is_over());
  EXPECT_TRUE(exchange.is_cut());
}

}  // namespace
}  // namespace talon::server
