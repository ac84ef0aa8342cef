// Reads the numbers of one JSON object of a config.json (untrusted) and keeps account of its keys.
// The first problem is kept and names the key by its path; what is read after it has any value.
// Every key asked for counts as known, so `unknown_keys` gives the rest. Includes base/json.h:
// for .cc files only. Not thread safe; the object must outlive the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/model_identity.h"

namespace talon {

// Limits of what a config may ask for: far above any real model, and low enough that products of
// four of them fit 63 bits where they are used together.
inline constexpr int64_t kMaxDimension = int64_t{1} << 24;
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxExperts = 4096;

struct IntRange {
  int64_t min = 1;
  int64_t max = kMaxDimension;
};

// The width of all heads together then stays within kMaxDimension.
inline constexpr IntRange kHeads = {.min = 1, .max = 4096};
inline constexpr IntRange kHeadDim = {.min = 2, .max = 4096};
static_assert(kHeads.max * kHeadDim.max <= kMaxDimension);

class ConfigReader {
 public:
  // `path` stands before the keys in messages: "" or "text_config.". What is not an object reads
  // as one without keys, and is the first problem.
  ConfigReader(const Json& object, std::string path);

  const std::string& path() const { return path_; }
  bool has(std::string_view key);  // present and not null

  int32_t integer(std::string_view key, IntRange range = {});
  int32_t integer_or(std::string_view key, int32_t otherwise, IntRange range = {});
  // Finite, and over 0.
  double positive(std::string_view key);
  double positive_or(std::string_view key, double otherwise);
  bool flag_or(std::string_view key, bool otherwise);
  std::string text_or(std::string_view key, std::string_view otherwise);
  // One integer or a list of them; empty if absent.
  std::vector<int32_t> integers_or_none(std::string_view key, IntRange range);
  // A list of `count` zeros and ones.
  std::vector<bool> layer_flags(std::string_view key, int32_t count);
  // The object under `key`, or null if it is absent.
  const Json* object(std::string_view key);

  // The key is absent, null, or has this value; anything else is a problem that says so.
  void require(std::string_view key, const Json& value);

  void fail(std::string_view key, std::string_view problem);
  // Takes over another reader's problem.
  void adopt(const ConfigReader& other);
  void adopt(const Failure& failure);
  const std::optional<Failure>& failure() const { return failure_; }

  // Keys that nobody asked for and that are not in `bookkeeping`, with the path before them.
  std::vector<std::string> unknown_keys(std::span<const std::string_view> bookkeeping) const;

 private:
  const Json* find(std::string_view key);
  const Json* find_or_fail(std::string_view key);
  int32_t to_integer(std::string_view key, const Json& value, IntRange range);

  const Json* object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
  std::optional<Failure> failure_;
};

struct RopeSettings {
  double theta = 1.0;
  std::optional<double> partial_rotary_factor;
};

// Reads rope_theta and partial_rotary_factor, which stand beside the other keys or inside
// `rope_parameters`; a scaling of the positions is a problem. `otherwise`: theta if none is stated.
RopeSettings read_rope(ConfigReader& reader, std::optional<double> otherwise);

// Keys of transformers that say nothing about the computation of a forward pass.
std::span<const std::string_view> common_bookkeeping_keys();

// architectures[0] and model_type of an object; "" for what it lacks.
ModelIdentity identity_of(const Json& root);

// Parses the text and checks that it is an object.
Result<Json> parse_config_text(std::string_view json_text);

}  // namespace talon
