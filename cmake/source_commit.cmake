# cmake -DSOURCE=FOLDER -DOUTPUT=FILE [-DCOMMIT=TEXT] -P source_commit.cmake
#
# Writes the one source file that knows the commit of a build: COMMIT if it is given, else what git
# says of SOURCE (12 digits, and "-dirty" behind them if tracked files differ from it), else
# "unknown". A file that would not change is left alone, so that nothing is built again.
cmake_minimum_required(VERSION 3.25)
set(commit "${COMMIT}")
if(commit STREQUAL "")
  set(commit unknown)
  file(REAL_PATH "${SOURCE}" source)
  # A tree that lies unpacked in another project's has no commit of its own.
  execute_process(COMMAND git -C ${source} rev-parse --show-toplevel
    OUTPUT_VARIABLE top RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed STREQUAL "0" AND top STREQUAL source)
    execute_process(COMMAND git -C ${source} describe --always --dirty --abbrev=12 --exclude=*
      OUTPUT_VARIABLE told RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(failed STREQUAL "0")
      set(commit ${told})
    endif()
  endif()
endif()
if(NOT commit MATCHES "^[A-Za-z0-9._+-]+$")
  message(FATAL_ERROR "TALON_COMMIT: letters, digits and ._+- are needed, not \"${commit}\"")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "// Made by cmake/source_commit.cmake.
#include \"apps/talon/build_info.h\"

namespace talon {

std::string_view source_commit() { return \"@commit@\"; }

}  // namespace talon
" @ONLY)
