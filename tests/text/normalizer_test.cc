// NFC on examples of the Unicode Standard, and the cost of long runs of marks.
#include "text/normalizer.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

std::string nfc(std::string_view text) {
  std::string storage;
  return std::string(normalize(Normalization::kNfc, text, storage));
}

TEST(NormalizerTest, ComposesCharacters) {
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");                                 // e, acute
  EXPECT_EQ(nfc("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"), "\xEA\xB0\x81");  // Hangul
  EXPECT_EQ(nfc("\xE2\x84\xAB"), "\xC3\x85");                              // Angstrom sign
}

TEST(NormalizerTest, DecomposesWhatMustNotBeComposed) {
  EXPECT_EQ(nfc("\xE0\xA5\x98"), "\xE0\xA4\x95\xE0\xA4\xBC");  // U+0958
  EXPECT_EQ(nfc("\xCD\x84"), "\xCC\x88\xCC\x81");              // U+0344
}

TEST(NormalizerTest, OrdersMarksByClass) {
  // q, dot above (230), dot below (220): the one below comes first.
  EXPECT_EQ(nfc("q\xCC\x87\xCC\xA3"), "q\xCC\xA3\xCC\x87");
}

TEST(NormalizerTest, ReturnsUnchangedTextAsItIs) {
  const std::string text = "plain caf\xC3\xA9";
  std::string storage;

  EXPECT_EQ(normalize(Normalization::kNfc, text, storage).data(), text.data());
  EXPECT_EQ(normalize(Normalization::kNone, "e\xCC\x81", storage), "e\xCC\x81");
}

TEST(NormalizerTest, KeepsZeroBytesAndEmptyText) {
  const std::string text("a\0e\xCC\x81\0", 6);

  EXPECT_EQ(nfc(text), std::string("a\0\xC3\xA9\0", 5));
  EXPECT_EQ(nfc(""), "");
}

TEST(NormalizerTest, SortsLongRunsOfMarks) {
  // 400 000 marks in falling order of class; a sort by swapping neighbours would take minutes.
  constexpr int kNumPairs = 200'000;
  std::string text = "a";
  std::string below;
  std::string above;
  for (int i = 0; i < kNumPairs; ++i) {
    text += "\xCC\x87\xCC\xA3";
    below += "\xCC\xA3";
    above += "\xCC\x87";
  }

  // The first dot below composes with the a (U+1EA1).
  EXPECT_EQ(nfc(text), "\xE1\xBA\xA1" + below.substr(2) + above);
}

}  // namespace
}  // namespace talon::text
