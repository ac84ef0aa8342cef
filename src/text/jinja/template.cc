#include "text/jinja/template.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "base/utf8.h"
#include "text/jinja/ast.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace talon::text {
namespace {

Failure failure_of(std::string_view name, int line, const TemplateFault& fault) {
  constexpr size_t kMaxMessageBytes = 1000;  // raise_exception has the text of its author
  return Failure{fmt::format("{}:{}: {}", name, line, printable(fault.message, kMaxMessageBytes))};
}

}  // namespace

Template::Template(std::shared_ptr<const TemplateTree> tree) : tree_(std::move(tree)) {}

Result<Template> Template::parse(std::string_view name, std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    return Failure{
        fmt::format("{}: the template is larger than {} bytes", name, kMaxTemplateBytes)};
  }
  try {
    TemplateTree tree = parse_template(to_valid_utf8(source));
    tree.name = name;
    return Template(std::make_shared<const TemplateTree>(std::move(tree)));
  } catch (const TemplateFault& fault) {
    return failure_of(name, std::max(fault.line, 1), fault);
  }
}

Result<std::string> Template::render(const Dict& variables, const RenderOptions& options) const {
  Interpreter interpreter(*tree_, options.limits, options.now);
  try {
    return interpreter.run(variables);
  } catch (const TemplateFault& fault) {
    return failure_of(tree_->name, interpreter.line(), fault);
  }
}

}  // namespace talon::text
