// Buffer, Arena: ownership, alignment, bounds.
#include "core/buffer.h"

#include <gtest/gtest.h>

#include <utility>

#include "core/arena.h"

namespace talon {
namespace {

TEST(BufferTest, MovesOwnership) {
  Buffer first = Buffer::zeroed(256);
  std::byte* const data = first.data();

  const Buffer second = std::move(first);

  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0U);
  EXPECT_EQ(second.view(DType::kF32, Shape{64}).as<float>()[63], 0.0F);
}

TEST(BufferDeathTest, ViewMustFit) {
  const Buffer buffer(16);

  EXPECT_DEATH(buffer.view(DType::kF32, Shape{5}), "does not fit 16 bytes");
}

TEST(ArenaTest, ScopeGivesBackWhatItTook) {
  Arena arena(768);
  (void)arena.take(DType::kF32, Shape{64});
  {
    const Arena::Scope scope(arena);
    (void)arena.take(DType::kF32, Shape{65});
    EXPECT_EQ(arena.used(), 768);
  }

  EXPECT_EQ(arena.used(), 256);
  EXPECT_EQ(arena.high_water(), 768);
}

TEST(ArenaDeathTest, SaysWhatDidNotFit) {
  Arena arena(256);

  EXPECT_DEATH(arena.take(DType::kF32, Shape{65}), "arena of 256 bytes is full.*\\[65\\]");
}

}  // namespace
}  // namespace talon
