#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/printable.h"
#include "base/result.h"
#include "base/utf8.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/tokenizer_file.h"
#include "text/vocabulary.h"

namespace talon::text {
namespace {

// The largest known file has 33 MB.
constexpr std::uintmax_t kMaxFileBytes = 512 << 20;

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", path.string()));
  }
  if (size > kMaxFileBytes) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: {} bytes, the limit is {}", path.string(), size, kMaxFileBytes));
  }
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(file.gcount()) != size) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: ends early", path.string()));
  }
  return bytes;
}

int32_t highest_id_plus_one(const TokenizerFile& file) {
  int32_t size = 0;
  for (const auto& entry : file.vocab) {
    size = std::max(size, entry.second.value + 1);
  }
  for (const AddedToken& token : file.added_tokens) {
    size = std::max(size, token.id.value + 1);
  }
  return size;
}

std::optional<Failure> fill_vocabulary(const TokenizerFile& file, Vocabulary& vocabulary) {
  for (const auto& [spelling, id] : file.vocab) {
    if (vocabulary.has(id)) {
      return Failure{
          fmt::format("model.vocab[{}]: id {} has another token", quote(spelling), id.value)};
    }
    if (!vocabulary.add(id, spelling)) {
      return Failure{fmt::format("model.vocab[{}]: stands twice", quote(spelling))};
    }
  }
  return std::nullopt;
}

// The ids of all merges. On a failure the list ends early and `failure` is set.
std::vector<Merge> look_up_merges(const TokenizerFile& file,
                                  const Vocabulary& vocabulary,
                                  std::optional<Failure>& failure) {
  std::vector<Merge> merges;
  merges.reserve(file.merges.size());
  for (const auto& [left, right] : file.merges) {
    const std::string merged = left + right;
    Merge merge;
    for (const auto& [spelling, id] :
         {std::pair(&left, &merge.left), std::pair(&right, &merge.right),
          std::pair(&merged, &merge.merged)}) {
      const std::optional<TokenId> found = vocabulary.find_spelling(*spelling);
      if (!found) {
        failure = Failure{fmt::format("model.merges[{}]: {} is not in model.vocab", merges.size(),
                                      quote(*spelling))};
        return merges;
      }
      *id = *found;
    }
    merges.push_back(merge);
  }
  return merges;
}

// Added tokens may name entries of the vocabulary. Those that do not get their ids here.
std::optional<Failure> register_added_tokens(
    const std::vector<AddedToken>& tokens,
    Vocabulary& vocabulary,
    std::unordered_map<std::string_view, TokenId>& by_content) {
  size_t index = 0;
  for (const AddedToken& token : tokens) {
    const std::string path = fmt::format("added_tokens[{}]", index);
    if (!by_content.emplace(token.content, token.id).second) {
      return Failure{fmt::format("{}.content: {} stands twice", path, quote(token.content))};
    }
    const std::optional<TokenId> known = vocabulary.find_spelling(token.content);
    if (known && *known != token.id) {
      return Failure{fmt::format("{}.id: {} has id {} in model.vocab", path, quote(token.content),
                                 known->value)};
    }
    if (!known && vocabulary.has(token.id)) {
      return Failure{fmt::format("{}.id: {} has another token", path, token.id.value)};
    }
    if (!known && !vocabulary.add(token.id, token.content)) {
      return Failure{fmt::format("{}.content: {} stands twice", path, quote(token.content))};
    }
    ++index;
  }
  return std::nullopt;
}

// The added tokens that are searched in text as given, or in normalized text; special ones first,
// so that they win over others with the same content.
std::vector<AddedToken> tokens_for(const std::vector<AddedToken>& all,
                                   bool normalized,
                                   Normalization form) {
  std::vector<AddedToken> chosen;
  for (const bool special : {true, false}) {
    for (const AddedToken& token : all) {
      if (token.special != special || token.normalized != normalized) {
        continue;
      }
      chosen.push_back(token);
      if (normalized) {
        std::string storage;
        chosen.back().content = std::string(normalize(form, token.content, storage));
      }
    }
  }
  return chosen;
}

// Fails if a byte without a token would need an unknown token that the vocabulary lacks.
std::optional<Failure> find_unknown(const TokenizerFile& file,
                                    const Vocabulary& vocabulary,
                                    BpeOptions& options) {
  if (!file.unk_token) {
    return std::nullopt;
  }
  options.unknown = vocabulary.find_spelling(*file.unk_token);
  for (int byte = 0; byte < 256 && !options.unknown; ++byte) {
    const char c = static_cast<char>(byte);
    if (!vocabulary.find_bytes(std::string_view(&c, 1))) {
      return Failure{fmt::format("model.unk_token: {} is not in model.vocab, which lacks byte {}",
                                 quote(*file.unk_token), byte)};
    }
  }
  return std::nullopt;
}

}  // namespace

struct Tokenizer::State {
  State(const TokenizerFile& file, Pretokenizer made)
      : normalization(file.normalization),
        added_tokens(file.added_tokens),
        vocabulary(highest_id_plus_one(file)),
        pretokenizer(std::move(made)) {}

  // Everything after the pre-tokenizer.
  std::optional<Failure> build(const TokenizerFile& file);

  // Appends the ids of text between added tokens.
  std::optional<Failure> encode_text(std::string_view text,
                                     const EncodeOptions& options,
                                     std::vector<TokenId>& ids) const;

  Normalization normalization;
  std::vector<AddedToken> added_tokens;
  Vocabulary vocabulary;  // with the added tokens
  Pretokenizer pretokenizer;
  std::optional<Bpe> bpe;
  std::optional<AddedTokenFinder> finder;             // of tokens searched in text as given
  std::optional<AddedTokenFinder> normalized_finder;  // of tokens searched in normalized text
  std::unordered_map<std::string_view, TokenId> added_by_content;  // views of added_tokens
  std::vector<bool> presence;
  std::vector<bool> added;
  std::vector<bool> special;
};

std::optional<Failure> Tokenizer::State::build(const TokenizerFile& file) {
  if (std::optional<Failure> failure = fill_vocabulary(file, vocabulary)) {
    return failure;
  }
  std::optional<Failure> failure;
  const std::vector<Merge> merges = look_up_merges(file, vocabulary, failure);
  BpeOptions options;
  options.ignore_merges = file.ignore_merges;
  options.fuse_unknown = file.fuse_unk;
  if (!failure) {
    failure = find_unknown(file, vocabulary, options);
  }
  if (failure) {
    return failure;
  }
  // Before the added tokens join the vocabulary: merging must not build one of them.
  bpe.emplace(vocabulary, merges, options);
  if ((failure = register_added_tokens(added_tokens, vocabulary, added_by_content))) {
    return failure;
  }
  finder.emplace(tokens_for(added_tokens, false, normalization));
  normalized_finder.emplace(tokens_for(added_tokens, true, normalization));
  const auto size = static_cast<size_t>(vocabulary.size());
  presence.resize(size);
  added.resize(size);
  special.resize(size);
  for (size_t i = 0; i < size; ++i) {
    presence[i] = vocabulary.has(TokenId(static_cast<int32_t>(i)));
  }
  for (const AddedToken& token : added_tokens) {
    added[static_cast<size_t>(token.id.value)] = true;
    special[static_cast<size_t>(token.id.value)] = token.special;
  }
  return std::nullopt;
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  const std::filesystem::path file = is_folder ? path / "tokenizer.json" : path;
  Result<Tokenizer> parsed = parse(read_file(file));
  if (!parsed.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file.string(), parsed.message()));
  }
  return std::move(parsed).value();
}

Result<Tokenizer> Tokenizer::parse(std::string_view json) {
  const Result<TokenizerFile> parsed = parse_tokenizer_file(json);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  const TokenizerFile& file = parsed.value();
  Result<Pretokenizer> pretokenizer = Pretokenizer::make(file.pretokenizer);
  if (!pretokenizer.ok()) {
    return Failure{pretokenizer.message()};
  }
  auto state = std::make_unique<State>(file, std::move(pretokenizer).value());
  if (std::optional<Failure> failure = state->build(file)) {
    return *std::move(failure);
  }
  return Tokenizer(std::move(state));
}

std::optional<Failure> Tokenizer::State::encode_text(std::string_view text,
                                                     const EncodeOptions& options,
                                                     std::vector<TokenId>& ids) const {
  MatchScratch match_scratch;
  Bpe::Scratch bpe_scratch;
  const auto encode_piece = [&](std::string_view piece) { bpe->encode(piece, bpe_scratch, ids); };
  std::string storage;
  for (const Segment& outer : finder->split(text, options.parse_special)) {
    if (outer.token) {
      ids.push_back(*outer.token);
      continue;
    }
    const std::string_view normalized = normalize(normalization, outer.text, storage);
    for (const Segment& inner : normalized_finder->split(normalized, options.parse_special)) {
      if (inner.token) {
        ids.push_back(*inner.token);
        continue;
      }
      std::optional<Failure> failure = pretokenizer.run(inner.text, match_scratch, encode_piece);
      if (failure) {
        return failure;
      }
    }
  }
  return std::nullopt;
}

Result<std::vector<TokenId>> Tokenizer::try_encode(std::string_view text,
                                                   const EncodeOptions& options) const {
  std::string repaired;
  if (valid_utf8_prefix(text) != text.size()) {
    repaired = to_valid_utf8(text);
    text = repaired;
  }
  std::vector<TokenId> ids;
  if (std::optional<Failure> failure = state_->encode_text(text, options, ids)) {
    return *std::move(failure);
  }
  return ids;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Result<std::vector<TokenId>> ids = try_encode(text, options);
  if (!ids.ok()) {
    throw Error(ErrorCode::kUnsupported, "tokenizer: " + ids.message());
  }
  return std::move(ids).value();
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (!skip_special || !is_special(id)) {
      bytes += token_bytes(id);
    }
  }
  return valid_utf8_prefix(bytes) == bytes.size() ? bytes : to_valid_utf8(bytes);
}

int32_t Tokenizer::vocabulary_size() const { return state_->vocabulary.size(); }

bool Tokenizer::has_token(TokenId id) const { return state_->vocabulary.has(id); }

const std::vector<bool>& Tokenizer::presence() const { return state_->presence; }

std::string_view Tokenizer::token_bytes(TokenId id) const { return state_->vocabulary.bytes(id); }

std::optional<TokenId> Tokenizer::token_id(std::string_view bytes) const {
  const auto added = state_->added_by_content.find(bytes);
  if (added != state_->added_by_content.end()) {
    return added->second;
  }
  return state_->vocabulary.find_bytes(bytes);
}

bool Tokenizer::is_added(TokenId id) const {
  return id.value >= 0 && id.value < vocabulary_size() &&
         state_->added[static_cast<size_t>(id.value)];
}

bool Tokenizer::is_special(TokenId id) const {
  return id.value >= 0 && id.value < vocabulary_size() &&
         state_->special[static_cast<size_t>(id.value)];
}

}  // namespace talon::text
