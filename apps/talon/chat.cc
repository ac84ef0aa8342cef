// `talon chat`: a conversation on the terminal, with the model in this process.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "commands.h"
#include "measure/step_times.h"
#include "model_flags.h"
#include "sampling_flags.h"
#include "stream/chat_session.h"
#include "terminal.h"

namespace talon {
namespace {

constexpr const char* kHelp =
    "/new            forget the conversation\n"
    "/undo           forget the last question and its answer\n"
    "/system TEXT    what the model is told first; without text: nothing\n"
    "/thinking MODE  enabled, adaptive or disabled; without a mode: as the model has it\n"
    "/help           this\n"
    "/quit           leave (as the end of input does)\n";

struct ChatFlags {
  ModelFlags model;
  CompletionRequest request;
  std::string system;
};

// A line that begins with '/'. False: leave.
bool run_command(std::string_view line, ChatSession& session) {
  const size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  const std::string rest(space == std::string_view::npos ? "" : line.substr(space + 1));
  if (name == "/quit" || name == "/exit") {
    return false;
  }
  if (name == "/new") {
    session.forget();
  } else if (name == "/undo") {
    fmt::print("{}", session.take_back() ? "" : "nothing was said yet\n");
  } else if (name == "/system") {
    session.set_system(rest);
  } else if (name == "/thinking") {
    session.set_thinking(rest);
  } else {
    fmt::print("{}", kHelp);
  }
  return true;
}

void chat(const ChatFlags& flags) {
  const EngineConfig config = resolve(flags.model);
  LocalModel model = open_measured_model(config);
  ChatSession session(model, text::ChatTemplate::load(config.model_dir));
  session.set_system(flags.system);
  const bool is_terminal = isatty(STDIN_FILENO) == 1;
  Terminal terminal(stdout);
  std::string line;
  const auto prompt = [is_terminal] {
    fmt::print("{}", is_terminal ? "> " : "");
    std::fflush(stdout);
  };
  for (prompt(); std::getline(std::cin, line); prompt()) {
    if (line.starts_with('/')) {
      if (!run_command(line, session)) {
        return;
      }
    } else if (!line.empty()) {
      // What the model cannot take (too long, say) is told, and the conversation goes on.
      try {
        const Completion completion =
            session.say(line, flags.request,
                        [&](std::span<const TextSegment> segments) { terminal.show(segments); });
        terminal.show_statistics(completion, model.engine->max_drafts());
      } catch (const Error& error) {
        fmt::print(stderr, "talon: {}\n", error.what());
      }
    }
  }
}

}  // namespace

void register_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* command = app.add_subcommand("chat", "talk to a model on the terminal");
  add_model_flags(*command, flags->model);
  command->add_option("--system", flags->system, "what the model is told first");
  add_sampling_flags(*command, flags->request);
  command->callback([flags] { chat(*flags); });
}

}  // namespace talon
