#include "sim/abort_note.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace talon::test {
namespace {

// Read by the handler, which may not allocate.
std::array<char, 80> note_text;
volatile std::sig_atomic_t note_size = 0;

void print_note(int) {
  const auto size = static_cast<size_t>(note_size);
  if (write(STDERR_FILENO, note_text.data(), size) < 0) {
    return;  // the abort goes on in any case
  }
}

}  // namespace

AbortNote::AbortNote(std::string_view text) {
  const size_t size = std::min(text.size(), note_text.size());
  std::copy_n(text.begin(), size, note_text.begin());
  note_size = static_cast<std::sig_atomic_t>(size);
  std::signal(SIGABRT, print_note);
}

AbortNote::~AbortNote() {
  std::signal(SIGABRT, SIG_DFL);
  note_size = 0;
}

}  // namespace talon::test
