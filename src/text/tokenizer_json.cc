#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/json.h"
#include "base/printable.h"
#include "base/result.h"

namespace talon::text {
namespace {

constexpr size_t kMaxDepth = 32;
// Bounds of the document besides the two tables. The largest known file has 30 000 values.
constexpr size_t kMaxKeys = 1024;  // of one object
constexpr size_t kMaxValues = 1 << 21;

constexpr std::string_view kComment = "#version";

// Receives the parser's events. Returning false stops the parser; message() then says why.
class Reader {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  bool null() { return scalar(Json(nullptr), "null"); }
  bool boolean(bool value) { return scalar(Json(value), "a boolean"); }
  bool number_float(number_float_t value, const string_t&) {
    return scalar(Json(value), "not an integer");
  }
  bool binary(binary_t&) { return fail("binary values are not JSON"); }

  bool number_integer(number_integer_t value) { return integer(value); }
  bool number_unsigned(number_unsigned_t value) {
    constexpr auto kMax = static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max());
    // Anything this large is out of range wherever an integer is wanted.
    return integer(static_cast<int64_t>(std::min(value, kMax)));
  }

  bool string(string_t& value) {
    if (place_ == Place::kMerges) {
      return merge_line(value);
    }
    if (place_ == Place::kPair) {
      return pair_part(value);
    }
    return scalar(Json(value), "a string");
  }

  bool start_object(std::size_t) {
    if (place_ == Place::kDocument && is_field_of_model("vocab")) {
      place_ = Place::kVocab;
      out_.has_vocab = true;
      return true;
    }
    return open(Json::object(), "an object");
  }

  bool start_array(std::size_t) {
    if (place_ == Place::kDocument && is_field_of_model("merges")) {
      place_ = Place::kMerges;
      out_.has_merges = true;
      return true;
    }
    if (place_ == Place::kMerges) {
      place_ = Place::kPair;
      pair_size_ = 0;
      out_.merges.emplace_back();
      return true;
    }
    return open(Json::array(), "an array");
  }

  bool end_object() {
    if (place_ == Place::kVocab) {
      place_ = Place::kDocument;
      return true;
    }
    return close();
  }

  bool end_array() {
    if (place_ == Place::kPair) {
      if (pair_size_ != 2) {
        return fail(merge_fault("does not have two parts"));
      }
      place_ = Place::kMerges;
      return true;
    }
    if (place_ == Place::kMerges) {
      place_ = Place::kDocument;
      return true;
    }
    return close();
  }

  bool key(string_t& name) {
    key_ = name;
    if (place_ == Place::kVocab) {
      return true;
    }
    if (stack_.back()->contains(name)) {
      return fail(fmt::format("the key {} stands twice", quote(name)));
    }
    if (name == "vocab" && out_.has_vocab && in_model()) {
      return fail("model.vocab stands twice");
    }
    if (name == "merges" && out_.has_merges && in_model()) {
      return fail("model.merges stands twice");
    }
    return stack_.back()->size() < kMaxKeys ||
           fail(fmt::format("more than {} keys in one object", kMaxKeys));
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    return fail(fmt::format("malformed JSON near byte {}", position));
  }

  const std::string& message() const { return message_; }
  TokenizerJson take() { return std::move(out_); }

 private:
  enum class Place { kDocument, kVocab, kMerges, kPair };

  bool fail(std::string message) {
    if (message_.empty()) {
      message_ = std::move(message);
    }
    return false;
  }

  bool in_model() const { return inside_model_ && stack_.size() == 2; }
  bool is_field_of_model(std::string_view name) const { return in_model() && key_ == name; }

  std::string merge_fault(std::string_view what) const {
    const size_t index = out_.merges.size() - (place_ == Place::kMerges ? 0 : 1);
    return fmt::format("model.merges[{}] {}", index, what);
  }

  // A value that only the document may hold.
  bool scalar(Json value, std::string_view kind) {
    switch (place_) {
      case Place::kDocument:
        return add(std::move(value)) != nullptr;
      case Place::kVocab:
        return fail(fmt::format("model.vocab[{}] is {}", quote(key_), kind));
      default:
        return fail(merge_fault(fmt::format("has {} where a string should be", kind)));
    }
  }

  bool integer(int64_t value) {
    if (place_ != Place::kVocab) {
      return scalar(Json(value), "an integer");
    }
    out_.vocab.emplace_back(key_, value);
    return true;
  }

  bool merge_line(std::string_view line) {
    if (line.starts_with(kComment)) {
      return true;
    }
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return fail(merge_fault("does not have two parts"));
    }
    out_.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    return true;
  }

  bool pair_part(std::string_view part) {
    ++pair_size_;
    if (pair_size_ > 2) {
      return fail(merge_fault("does not have two parts"));
    }
    auto& pair = out_.merges.back();
    (pair_size_ == 1 ? pair.first : pair.second) = part;
    return true;
  }

  // Puts a value into the document; null after a failure.
  Json* add(Json value) {
    if (++num_values_ > kMaxValues) {
      fail(fmt::format("more than {} values", kMaxValues));
      return nullptr;
    }
    if (stack_.empty()) {
      out_.document = std::move(value);
      return &out_.document;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool open(Json container, std::string_view kind) {
    if (place_ != Place::kDocument) {
      return scalar(Json(nullptr), kind);
    }
    if (stack_.size() >= kMaxDepth) {
      return fail(fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    const bool is_model = stack_.size() == 1 && stack_[0]->is_object() && key_ == "model";
    Json* placed = add(std::move(container));
    if (placed == nullptr) {
      return false;
    }
    stack_.push_back(placed);
    inside_model_ = inside_model_ || (is_model && placed->is_object());
    return true;
  }

  bool close() {
    stack_.pop_back();
    inside_model_ = inside_model_ && stack_.size() > 1;
    return true;
  }

  TokenizerJson out_;
  // Parents of the value being read. A parent does not grow while a child is open, so the pointers
  // stay valid.
  std::vector<Json*> stack_;
  bool inside_model_ = false;  // inside the object "model" of the top level
  size_t num_values_ = 0;
  int pair_size_ = 0;
  Place place_ = Place::kDocument;
  std::string key_;
  std::string message_;
};

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text) {
  Reader reader;
  if (!Json::sax_parse(text, &reader)) {
    return Failure{reader.message().empty() ? "malformed JSON" : reader.message()};
  }
  return reader.take();
}

}  // namespace talon::text
