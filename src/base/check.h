// Programmer errors: a failed check prints the condition, the message and the place, then aborts.
//
// TALON_CHECK is on in every build. TALON_DCHECK is for hot inner loops only and disappears when
// NDEBUG is defined. Neither is for bad input: untrusted bytes give a value or throw Error
// (base/error.h). Thread safe.
#pragma once

#ifndef __CUDACC__
#include <fmt/format.h>
#endif

#include <source_location>
#include <string>
#include <string_view>

namespace talon {

[[noreturn]] void check_failed(std::string_view condition,
                               std::string_view message,
                               std::source_location where);

}  // namespace talon

// TALON_CHECK(pages > 0, "request {} holds {} pages", id, pages);
#ifdef __CUDACC__  // nvcc cannot compile {fmt} 9: in a .cu file the text stays as it is written
#define TALON_CHECK(cond, ...)                                                       \
  do {                                                                               \
    if (!(cond)) [[unlikely]] {                                                      \
      ::talon::check_failed(#cond, #__VA_ARGS__, ::std::source_location::current()); \
    }                                                                                \
  } while (false)
#else
#define TALON_CHECK(cond, ...)                                                                     \
  do {                                                                                             \
    if (!(cond)) [[unlikely]] {                                                                    \
      ::talon::check_failed(#cond, ::fmt::format(__VA_ARGS__), ::std::source_location::current()); \
    }                                                                                              \
  } while (false)
#endif

#ifdef NDEBUG
#define TALON_DCHECK(cond, ...) \
  do {                          \
  } while (false)
#else
#define TALON_DCHECK(cond, ...) TALON_CHECK(cond, __VA_ARGS__)
#endif
