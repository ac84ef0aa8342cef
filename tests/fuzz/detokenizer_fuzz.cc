// Detokenizer and StopScanner over any bytes cut in any way. The input is: a byte with the number
// of stop strings (modulo 4) and the option bits, then stop strings and tokens, each a byte of
// length (modulo 8) and that many bytes. The streams must add up to what the whole gives.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "text/stop_scanner.h"

using talon::text::StopMatch;
using talon::text::StopScanner;

namespace {

constexpr size_t kMaxPieceBytes = 8;
constexpr size_t kMaxTextBytes = 512;  // the definition below takes the square

class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  uint8_t take_byte() {
    const uint8_t byte = rest_.empty() ? 0 : static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    return byte;
  }

  std::string take_piece() {
    const size_t wanted = take_byte() % kMaxPieceBytes;
    const size_t length = std::min(wanted, rest_.size());
    std::string piece(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return piece;
  }

 private:
  std::string_view rest_;
};

// The end of the first match by the definition in text/stop_scanner.h, and its longest begin.
bool find_slowly(const std::vector<std::string>& stops,
                 std::string_view text,
                 size_t& begin,
                 size_t& end) {
  for (end = 1; end <= text.size(); ++end) {
    begin = end;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop)) {
        begin = std::min(begin, end - stop.size());
      }
    }
    if (begin < end) {
      return true;
    }
  }
  return false;
}

void check_shown(const std::vector<std::string>& stops,
                 std::string_view text,
                 const StopScanner& scanner,
                 std::string_view shown) {
  size_t begin = 0;
  size_t end = 0;
  const bool found = find_slowly(stops, text, begin, end);
  TALON_CHECK(found == scanner.match().has_value(), "match {}", found);
  if (!found) {
    TALON_CHECK(shown == text, "text without a stop is changed");
    return;
  }
  const StopMatch& match = *scanner.match();
  TALON_CHECK(match.begin == static_cast<int64_t>(begin), "{} {}", match.begin, begin);
  TALON_CHECK(match.end == static_cast<int64_t>(end), "{} {}", match.end, end);
  TALON_CHECK(shown == text.substr(0, static_cast<size_t>(scanner.cut())), "wrong cut");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(std::string_view(reinterpret_cast<const char*>(data), size));
  const uint8_t options = input.take_byte();
  std::vector<std::string> stops;
  for (int i = 0; i < options % 4; ++i) {
    std::string stop = input.take_piece();
    if (!stop.empty()) {
      stops.push_back(std::move(stop));
    }
  }
  StopScanner scanner(stops, (options & 4) != 0);
  talon::Utf8Assembler assembler;
  std::string bytes;
  std::string text;
  std::string shown;
  while (!input.empty() && bytes.size() < kMaxTextBytes) {
    const std::string token = input.take_piece();
    bytes += token;
    const std::string piece = assembler.push(token);
    TALON_CHECK(talon::valid_utf8_prefix(piece) == piece.size(), "half a character");
    text += piece;
    shown += scanner.push(piece);
  }
  const std::string rest = assembler.finish();
  text += rest;
  shown += scanner.push(rest);
  shown += scanner.finish();
  TALON_CHECK(text == talon::to_valid_utf8(bytes), "the pieces do not add up");
  check_shown(stops, text, scanner, shown);
  return 0;
}
