// What an answer must look like, as a grammar over the tokens of a vocabulary: which tokens may
// come next, after those that came. Built on xgrammar (docs/adr/0022-xgrammar.md); a program built
// without it refuses every source.
//
// Only ordinary tokens spell the answer: added tokens (turn marks, tool marks) are never allowed,
// except where the grammar is one of tool calls. When the grammar is complete, the model's
// end-of-answer tokens are allowed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace talon::text {

class GrammarBackend;

enum class GrammarKind : uint8_t {
  kJson,        // any JSON object
  kJsonSchema,  // text: a JSON schema
  kRegex,       // text: a regular expression, matched in full
  kChoice,      // choices: one of these strings
  kEbnf,        // text: rules `name ::= ...`, beginning with `root`
  kTags,        // text: a structural tag of xgrammar, in JSON; may use added tokens
};

struct GrammarSource {
  GrammarKind kind = GrammarKind::kJson;
  std::string text{};
  std::vector<std::string> choices{};
};

struct GrammarLimits {
  size_t max_bytes = size_t{1024} * 1024;   // of a source
  std::chrono::milliseconds timeout{2000};  // of one compilation
};

// A compiled grammar. Immutable; copies share it, and threads may.
class Grammar {
 public:
  struct State;
  explicit Grammar(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

// Where one answer stands in its grammar. One thread at a time.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(const Grammar& grammar);
  ~GrammarMatcher();
  GrammarMatcher(GrammarMatcher&&) noexcept;
  GrammarMatcher& operator=(GrammarMatcher&&) noexcept;

  // Sets bit i (word i / 32, bit i % 32) for each token that may come next, and clears the others.
  // At least one is set. After an end token only end tokens may come. `mask` has
  // ceil(num_logits / 32) words.
  void fill_mask(std::span<uint32_t> mask);
  // Moves past a token; false, and nothing changed, if it may not come next.
  [[nodiscard]] bool accept(TokenId token);
  // Takes back the last `count` accepted tokens; there must have been as many.
  void rollback(int32_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Compiles sources from strangers, one at a time, on a thread of its own. Thread safe.
class GrammarCompiler {
 public:
  // Whether this program was built with xgrammar.
  static bool is_available();

  // `num_logits` is the number of columns of the logits; end_ids end an answer. The tokenizer is
  // read here only.
  GrammarCompiler(const Tokenizer& tokenizer,
                  int32_t num_logits,
                  std::span<const TokenId> end_ids,
                  const GrammarLimits& limits = {});
  ~GrammarCompiler();
  GrammarCompiler(const GrammarCompiler&) = delete;
  GrammarCompiler& operator=(const GrammarCompiler&) = delete;

  // The message says what is wrong with the source, in one line. Blocks until the compilation
  // ends, or until the time is over; then the thread still finishes it, and later sources wait.
  Result<Grammar> compile(const GrammarSource& source);

 private:
  GrammarLimits limits_;
  std::unique_ptr<GrammarBackend> backend_;
  std::binary_semaphore idle_{1};
  std::jthread worker_;  // assigned by whoever took `idle_`; the last one it gave back is over
};

}  // namespace talon::text
