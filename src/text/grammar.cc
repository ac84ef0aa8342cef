#include "text/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "base/json.h"
#include "text/grammar_backend.h"

namespace talon::text {
namespace {

constexpr size_t kMaxChoices = 1000;
// The cost of a schema grows with the square of its depth, and faster.
constexpr int kMaxSchemaDepth = 64;

GrammarVocabulary vocabulary_of(const Tokenizer& tokenizer,
                                int32_t num_logits,
                                std::span<const TokenId> end_ids) {
  const int32_t size = std::min(tokenizer.vocabulary_size(), num_logits);
  GrammarVocabulary vocabulary;
  vocabulary.num_logits = num_logits;
  vocabulary.plain.reserve(static_cast<size_t>(size));
  vocabulary.marked.reserve(static_cast<size_t>(size));
  for (int32_t i = 0; i < size; ++i) {
    const TokenId id(i);
    const std::string bytes(tokenizer.token_bytes(id));
    vocabulary.plain.push_back(tokenizer.is_added(id) ? "" : bytes);
    vocabulary.marked.push_back(tokenizer.is_special(id) ? "" : bytes);
  }
  vocabulary.end_ids.reserve(end_ids.size());
  for (const TokenId id : end_ids) {
    vocabulary.end_ids.push_back(id.value);
  }
  return vocabulary;
}

size_t num_bytes(const GrammarSource& source) {
  size_t bytes = source.text.size();
  for (const std::string& choice : source.choices) {
    bytes += choice.size();
  }
  return bytes;
}

std::optional<std::string> fault_of_choices(const std::vector<std::string>& choices) {
  if (choices.empty() || choices.size() > kMaxChoices) {
    return fmt::format("between 1 and {} choices are needed, there are {}", kMaxChoices,
                       choices.size());
  }
  if (std::ranges::any_of(choices, &std::string::empty)) {
    return "a choice is empty";
  }
  return std::nullopt;
}

// What the library would not refuse, or not soon.
std::optional<std::string> fault_of(const GrammarSource& source, const GrammarLimits& limits) {
  if (num_bytes(source) > limits.max_bytes) {
    return fmt::format("{} bytes, and at most {} are taken", num_bytes(source), limits.max_bytes);
  }
  if (source.kind == GrammarKind::kChoice) {
    return fault_of_choices(source.choices);
  }
  if (source.kind == GrammarKind::kJsonSchema || source.kind == GrammarKind::kTags) {
    const Result<Json> json = parse_json(source.text, {.max_depth = kMaxSchemaDepth});
    if (!json.ok()) {
      return json.message();
    }
    const bool is_schema = json.value().is_object() || json.value().is_boolean();
    return is_schema ? std::nullopt : std::optional<std::string>("a schema is an object");
  }
  if (source.kind != GrammarKind::kJson && source.text.empty()) {
    return "the text is empty";
  }
  return std::nullopt;
}

}  // namespace

bool GrammarCompiler::is_available() { return GrammarBackend::is_available(); }

GrammarCompiler::GrammarCompiler(const Tokenizer& tokenizer,
                                 int32_t num_logits,
                                 std::span<const TokenId> end_ids,
                                 const GrammarLimits& limits)
    : limits_(limits),
      backend_(std::make_unique<GrammarBackend>(vocabulary_of(tokenizer, num_logits, end_ids))) {}

GrammarCompiler::~GrammarCompiler() = default;

Result<Grammar> GrammarCompiler::compile(const GrammarSource& source) {
  if (auto fault = fault_of(source, limits_)) {
    return Failure{*std::move(fault)};
  }
  const auto deadline = std::chrono::steady_clock::now() + limits_.timeout;
  if (!idle_.try_acquire_until(deadline)) {
    return Failure{"the grammar compiler is still busy with an earlier request"};
  }
  auto promise = std::make_shared<std::promise<Result<Grammar>>>();
  std::future<Result<Grammar>> result = promise->get_future();
  worker_ = std::jthread([this, source, promise] {
    Result<Grammar> grammar = backend_->compile(source);
    idle_.release();
    promise->set_value(std::move(grammar));
  });
  if (result.wait_until(deadline) == std::future_status::timeout) {
    return Failure{fmt::format("it took more than {} ms to compile", limits_.timeout.count())};
  }
  return result.get();
}

}  // namespace talon::text
