// Reads the members of a JSON object of a request, with the rules that hold for all: null counts as
// absent, a wrong type or value is an error with the path of the field. Include from .cc files
// only.
//
// The first fault is kept in the `fault` given; after it every reader does nothing, so a parser is
// a straight list of reads with one check at its end. The object must outlive the reader.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "server/api/error.h"

namespace talon::server {

// Numbers in [low, high], or (low, high] if `low_is_excluded`.
struct RealRange {
  double low = 0.0;
  double high = 0.0;
  bool low_is_excluded = false;
};

struct IntRange {
  int64_t low = 0;
  int64_t high = 0;
};

class Fields {
 public:
  // `path` is that of the object: empty for the body itself, else like "messages[2]". `is_strict`:
  // see close().
  Fields(const Json& object,
         std::string path,
         std::optional<ApiError>& fault,
         bool is_strict = false);
  // Of an object below this one, with the same fault and the same strictness.
  Fields inner(const Json& object, std::string path) const {
    return Fields(object, std::move(path), *fault_, is_strict_);
  }

  bool failed() const { return fault_->has_value(); }
  std::string path_of(std::string_view name) const;

  // The member; nullptr if it is absent or null. Marks it as known.
  const Json* find(std::string_view name);
  // The same, of these types only.
  const Json* find_object(std::string_view name);
  const Json* find_array(std::string_view name);

  // Each leaves `out` as it is if the member is absent.
  void read(std::string_view name, bool& out);
  void read(std::string_view name, std::string& out);
  void read(std::string_view name, int32_t& out, IntRange range);
  void read(std::string_view name, int64_t& out, IntRange range);
  void read(std::string_view name, float& out, RealRange range);
  void read(std::string_view name, double& out, RealRange range);
  // At most `max_ids` ids in [0, vocab_size).
  void read_ids(std::string_view name,
                size_t max_ids,
                int32_t vocab_size,
                std::vector<TokenId>& out);

  // Known members whose value does not matter.
  void ignore(std::initializer_list<std::string_view> names);
  // A member that is not supported: an error if it is there.
  void refuse(std::string_view name, std::string_view why);

  void fail(std::string_view code, std::string_view name, std::string message);
  // Errors with a path below the field, like "stop[3]".
  void fail_at(std::string_view code, const std::string& path, std::string message);
  void fail_type(std::string_view name, std::string_view expected);

  // The end of reading. If strict, members that nothing asked for are an error, unless they are
  // null.
  void close();

 private:
  const Json& object_;
  std::string path_;
  std::optional<ApiError>* fault_;
  bool is_strict_;
  std::set<std::string, std::less<>> known_;
};

// The body of a request: a JSON object.
std::optional<Json> read_body(std::string_view body, std::optional<ApiError>& fault);

}  // namespace talon::server
