# libFuzzer comes with clang. The newest of the two versions we know is taken.
find_program(TALON_CLANG NAMES clang++-19 clang++-16 REQUIRED)
set(CMAKE_CXX_COMPILER ${TALON_CLANG})
