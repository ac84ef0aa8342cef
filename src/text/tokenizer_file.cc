#include "text/tokenizer_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/ids.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/result.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/tokenizer_json.h"
#include "text/vocabulary.h"

namespace talon::text {
namespace {

constexpr std::string_view kByteLevel = "ByteLevel";

// They add tokens around a text or between two, if told to, and change nothing else.
constexpr std::array<std::string_view, 4> kPostProcessors = {kByteLevel, "TemplateProcessing",
                                                             "RobertaProcessing", "BertProcessing"};

// The field of `object`, or null if it is absent or JSON null.
const Json* present(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// Each function returns false after setting the failure. Paths name fields as model.vocab or
// added_tokens[3].id.
class FileParser {
 public:
  explicit FileParser(TokenizerJson json) : json_(std::move(json)) {}

  Result<TokenizerFile> run() {
    if (!json_.document.is_object()) {
      return Failure{"the file is not a JSON object"};
    }
    const bool good = read_version() && read_model() && read_added_tokens() && read_normalizer() &&
                      read_pretokenizer() && read_decoder() && read_post_processor();
    if (!good) {
      return Failure{failure_};
    }
    return std::move(out_);
  }

 private:
  bool fail(std::string_view path, std::string_view what) {
    failure_ = fmt::format("{}: {}", path, what);
    return false;
  }

  bool read_version() {
    const Json* version = present(json_.document, "version");
    return version == nullptr || *version == "1.0" || fail("version", "only \"1.0\" is supported");
  }

  // A field that is an object with a string "type".
  bool read_type(const Json& object, std::string_view path, std::string_view& type) {
    if (!object.is_object()) {
      return fail(path, "is not an object");
    }
    const Json* field = present(object, "type");
    if (field == nullptr || !field->is_string()) {
      return fail(fmt::format("{}.type", path), "is missing or not a string");
    }
    type = field->get_ref<const std::string&>();
    return true;
  }

  bool read_bool(const Json& object, std::string_view path, std::string_view name, bool& value) {
    const Json* field = present(object, name);
    if (field == nullptr || !field->is_boolean()) {
      return fail(fmt::format("{}.{}", path, name), "is missing or not a boolean");
    }
    value = field->get<bool>();
    return true;
  }

  // An absent field leaves `value` as it is.
  bool read_optional_bool(const Json& object,
                          std::string_view path,
                          std::string_view name,
                          bool& value) {
    return present(object, name) == nullptr || read_bool(object, path, name, value);
  }

  bool read_model() {
    const Json* model = present(json_.document, "model");
    if (model == nullptr || !model->is_object()) {
      return fail("model", "is missing or not an object");
    }
    const Json* type = present(*model, "type");
    if (type != nullptr && *type != "BPE") {
      return fail("model.type", "only \"BPE\" is supported");
    }
    bool byte_fallback = false;
    if (!read_optional_bool(*model, "model", "byte_fallback", byte_fallback) ||
        !read_optional_bool(*model, "model", "ignore_merges", out_.ignore_merges) ||
        !read_optional_bool(*model, "model", "fuse_unk", out_.fuse_unk)) {
      return false;
    }
    if (byte_fallback) {
      return fail("model.byte_fallback", "true is not supported");
    }
    const Json* dropout = present(*model, "dropout");
    if (dropout != nullptr && *dropout != 0) {
      return fail("model.dropout", "only null or 0 is supported");
    }
    for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json* affix = present(*model, name);
      if (affix != nullptr && *affix != "") {
        return fail(fmt::format("model.{}", name), "only null or \"\" is supported");
      }
    }
    if (const Json* unk = present(*model, "unk_token")) {
      if (!unk->is_string()) {
        return fail("model.unk_token", "is not a string");
      }
      out_.unk_token = unk->get<std::string>();
    }
    return read_tables();
  }

  bool read_tables() {
    if (!json_.has_vocab) {
      return fail("model.vocab", "is missing or not an object");
    }
    if (!json_.has_merges) {
      return fail("model.merges", "is missing or not an array");
    }
    out_.vocab.reserve(json_.vocab.size());
    for (auto& [spelling, id] : json_.vocab) {
      if (id < 0 || id >= kMaxVocabulary) {
        return fail(fmt::format("model.vocab[{}]", quote(spelling)),
                    fmt::format("id {} is not in 0..{}", id, kMaxVocabulary - 1));
      }
      out_.vocab.emplace_back(std::move(spelling), TokenId(static_cast<int32_t>(id)));
    }
    out_.merges = std::move(json_.merges);
    return true;
  }

  bool read_added_tokens() {
    const auto tokens = json_.document.find("added_tokens");
    if (tokens == json_.document.end()) {
      return true;
    }
    if (!tokens->is_array()) {
      return fail("added_tokens", "is not an array");
    }
    size_t index = 0;
    for (const Json& token : *tokens) {
      if (!read_added_token(token, fmt::format("added_tokens[{}]", index))) {
        return false;
      }
      ++index;
    }
    return true;
  }

  bool read_added_token(const Json& json, const std::string& path) {
    if (!json.is_object()) {
      return fail(path, "is not an object");
    }
    AddedToken token;
    const Json* content = present(json, "content");
    if (content == nullptr || !content->is_string() || *content == "") {
      return fail(path + ".content", "is missing, not a string or empty");
    }
    token.content = content->get<std::string>();
    const Json* id = present(json, "id");
    if (id == nullptr || !id->is_number_integer()) {
      return fail(path + ".id", "is missing or not an integer");
    }
    const auto number = id->get<int64_t>();
    if (number < 0 || number >= kMaxVocabulary) {
      return fail(path + ".id", fmt::format("{} is not in 0..{}", number, kMaxVocabulary - 1));
    }
    token.id = TokenId(static_cast<int32_t>(number));
    if (!read_bool(json, path, "single_word", token.single_word) ||
        !read_bool(json, path, "lstrip", token.lstrip) ||
        !read_bool(json, path, "rstrip", token.rstrip) ||
        !read_bool(json, path, "normalized", token.normalized) ||
        !read_bool(json, path, "special", token.special)) {
      return false;
    }
    out_.added_tokens.push_back(std::move(token));
    return true;
  }

  bool read_normalizer() {
    const Json* normalizer = present(json_.document, "normalizer");
    return normalizer == nullptr || read_normalizer_step(*normalizer, "normalizer");
  }

  // The document's depth is bounded, so the recursion is.
  bool read_normalizer_step(const Json& step, const std::string& path) {
    std::string_view type;
    if (!read_type(step, path, type)) {
      return false;
    }
    if (type == "NFC") {
      out_.normalization = Normalization::kNfc;
      return true;
    }
    if (type != "Sequence") {
      return fail(path + ".type", fmt::format("{} is not supported", quote(type)));
    }
    return for_each_step(step, path, "normalizers", [this](const Json& inner, const auto& name) {
      return read_normalizer_step(inner, name);
    });
  }

  template <class Visit>
  bool for_each_step(const Json& sequence,
                     const std::string& path,
                     std::string_view name,
                     Visit&& visit) {
    const Json* steps = present(sequence, name);
    if (steps == nullptr || !steps->is_array()) {
      return fail(fmt::format("{}.{}", path, name), "is missing or not an array");
    }
    size_t index = 0;
    for (const Json& step : *steps) {
      if (!visit(step, fmt::format("{}.{}[{}]", path, name, index))) {
        return false;
      }
      ++index;
    }
    return true;
  }

  bool read_pretokenizer() {
    const Json* pretokenizer = present(json_.document, "pre_tokenizer");
    if (pretokenizer == nullptr) {
      return fail("pre_tokenizer", "is missing or null");
    }
    if (!read_pretokenizer_step(*pretokenizer, "pre_tokenizer")) {
      return false;
    }
    return has_byte_level_ || fail("pre_tokenizer", "has no ByteLevel step");
  }

  bool read_pretokenizer_step(const Json& step, const std::string& path) {
    std::string_view type;
    if (!read_type(step, path, type)) {
      return false;
    }
    if (type == "Sequence") {
      return for_each_step(step, path, "pretokenizers",
                           [this](const Json& inner, const auto& name) {
                             return read_pretokenizer_step(inner, name);
                           });
    }
    if (has_byte_level_) {
      return fail(path, "a step after ByteLevel is not supported");
    }
    if (type == kByteLevel) {
      has_byte_level_ = true;
      out_.pretokenizer.use_gpt2_pattern = true;
      return read_bool(step, path, "add_prefix_space", out_.pretokenizer.add_prefix_space) &&
             read_optional_bool(step, path, "use_regex", out_.pretokenizer.use_gpt2_pattern);
    }
    if (type == "Split") {
      return read_split(step, path);
    }
    return fail(path + ".type", fmt::format("{} is not supported", quote(type)));
  }

  bool read_split(const Json& split, const std::string& path) {
    const Json* behavior = present(split, "behavior");
    if (behavior == nullptr || *behavior != "Isolated") {
      return fail(path + ".behavior", "only \"Isolated\" is supported");
    }
    // Isolated pieces are the same whichever of matches and gaps count as delimiters.
    bool invert = false;
    if (!read_optional_bool(split, path, "invert", invert)) {
      return false;
    }
    const Json* pattern = present(split, "pattern");
    const Json* regex =
        pattern != nullptr && pattern->is_object() ? present(*pattern, "Regex") : nullptr;
    if (regex == nullptr || !regex->is_string()) {
      return fail(path + ".pattern.Regex", "is missing or not a string");
    }
    out_.pretokenizer.splits.push_back({path + ".pattern.Regex", regex->get<std::string>()});
    return true;
  }

  bool read_decoder() {
    const Json* decoder = present(json_.document, "decoder");
    if (decoder == nullptr) {
      return fail("decoder", "is missing or null");
    }
    return read_decoder_step(*decoder, "decoder");
  }

  bool read_decoder_step(const Json& step, const std::string& path) {
    std::string_view type;
    if (!read_type(step, path, type)) {
      return false;
    }
    if (type == "Sequence") {
      const Json* steps = present(step, "decoders");
      if (steps != nullptr && steps->is_array() && steps->size() == 1) {
        return read_decoder_step((*steps)[0], path + ".decoders[0]");
      }
      return fail(path + ".decoders", "only a sequence of one ByteLevel is supported");
    }
    return type == kByteLevel ||
           fail(path + ".type", fmt::format("{} is not supported", quote(type)));
  }

  bool read_post_processor() {
    const Json* processor = present(json_.document, "post_processor");
    return processor == nullptr || read_post_processor_step(*processor, "post_processor");
  }

  bool read_post_processor_step(const Json& step, const std::string& path) {
    std::string_view type;
    if (!read_type(step, path, type)) {
      return false;
    }
    if (type == "Sequence") {
      return for_each_step(step, path, "processors", [this](const Json& inner, const auto& name) {
        return read_post_processor_step(inner, name);
      });
    }
    const auto known = std::find(kPostProcessors.begin(), kPostProcessors.end(), type);
    return known != kPostProcessors.end() ||
           fail(path + ".type", fmt::format("{} is not supported", quote(type)));
  }

  TokenizerJson json_;
  TokenizerFile out_;
  bool has_byte_level_ = false;
  std::string failure_;
};

}  // namespace

Result<TokenizerFile> parse_tokenizer_file(std::string_view json) {
  Result<TokenizerJson> read = read_tokenizer_json(json);
  if (!read.ok()) {
    return Failure{read.message()};
  }
  return FileParser(std::move(read).value()).run();
}

}  // namespace talon::text
