// What the tasks of `talon bench` share. Each stands in a file of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "measure/gsm8k.h"

namespace talon {

void register_bench_generate(CLI::App& bench);
void register_bench_latency(CLI::App& bench);
void register_bench_step(CLI::App& bench);
void register_bench_throughput(CLI::App& bench);

// A file of data/eval, beside models/, installed or not.
std::string eval_file(const std::string& name);

// The problems of a file, by default the held-out ones that come with the program.
std::vector<Gsm8kProblem> bench_problems(const std::string& file);

}  // namespace talon
