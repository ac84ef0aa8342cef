// A template in the language of Jinja2, in the setting that Hugging Face has for chat templates.
//
// Parsed once, rendered often: a Template is immutable and any number of threads may render it at
// once. It is sandboxed: no files, no attributes of the host language, nothing of the request
// changed, and limits on size, steps, memory, output and nesting. What goes wrong is a message
// "name:line: what"; nothing throws. Differences to jinja2 are listed in
// docs/adr/0024-own-jinja.md.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

struct TemplateTree;

inline constexpr size_t kMaxTemplateBytes = 1 << 20;  // the largest known one has 40 KB

struct RenderOptions {
  RenderLimits limits = {};
  std::tm now = {};  // what strftime_now shows
};

class Template {
 public:
  // `name` stands in messages: a file.
  static Result<Template> parse(std::string_view name, std::string_view source);

  // `variables` is a mapping from names to values without objects.
  Result<std::string> render(const Dict& variables, const RenderOptions& options = {}) const;

 private:
  explicit Template(std::shared_ptr<const TemplateTree> tree);

  std::shared_ptr<const TemplateTree> tree_;
};

}  // namespace talon::text
