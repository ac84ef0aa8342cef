// Byte-level BPE over a Hugging Face tokenizer.json: text to token ids and back.
//
// Gives the ids that the PyPI package `tokenizers` gives with add_special_tokens=False: nothing is
// ever prepended or appended, and added tokens in the text become their ids. What the file asks for
// and nothing here implements is an error when it is read. Immutable after it is made, so any
// number of threads may use one tokenizer; it owns everything it needs, and views of token bytes
// live as long as it does.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace talon::text {

struct EncodeOptions {
  // False leaves special tokens that stand in the text as plain text (for text that a stranger
  // wrote). Added tokens that are not special are found either way, as by the package.
  bool parse_special = true;
};

class Tokenizer {
 public:
  // `path` is a tokenizer.json or a folder with one. Throws Error naming file and field.
  static Tokenizer load(const std::filesystem::path& path);

  // The same from the bytes of the file, which may be anything. The message names the field.
  static Result<Tokenizer> parse(std::string_view json);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Any bytes are taken; invalid UTF-8 is encoded as if each invalid run were U+FFFD (text/utf8.h).
  // Fails only if the file's pattern runs into the match limits on this text. encode() throws Error
  // then; try_encode() is for request paths.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  Result<std::vector<TokenId>> try_encode(std::string_view text,
                                          const EncodeOptions& options = {}) const;

  // The bytes of all tokens together, invalid UTF-8 replaced. `skip_special` leaves special tokens
  // out. An id without a token adds nothing.
  std::string decode(std::span<const TokenId> ids, bool skip_special) const;

  // The highest id with a token, plus one. Ids below it may lack a token, and a model's logits may
  // be longer still: samplers mask both.
  int32_t vocabulary_size() const;

  bool has_token(TokenId id) const;

  // has_token by id, vocabulary_size() entries.
  const std::vector<bool>& presence() const;

  // The bytes of a token, empty if there is none. A token that the file spells with a character
  // outside the byte alphabet, for example an added token with a space, stands for its UTF-8 text.
  std::string_view token_bytes(TokenId id) const;

  // The added token with this content, else the token of the vocabulary with these bytes.
  std::optional<TokenId> token_id(std::string_view bytes) const;

  // True for an added token, special or not.
  bool is_added(TokenId id) const;

  // True for an added token marked special.
  bool is_special(TokenId id) const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

}  // namespace talon::text
