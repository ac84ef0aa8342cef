# Language level, warnings, sanitizers and numerics for every target of ours.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Line tables are enough for stack traces, and a third of the size of full debug information.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
# The CUDA preset compiles what does not know of CUDA just the same, so ccache has it already.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
# Checked: like RelWithDebInfo, with the debug checks on. The sanitizer presets use it.
set(CMAKE_CXX_FLAGS_CHECKED "-O1 -g1")

find_program(TALON_CCACHE ccache)
if(TALON_CCACHE)
  # Paths count relative to the tree, so that clones and build folders share what they compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${TALON_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_package(Threads REQUIRED)

# talon_options carries what every target of ours is compiled with. The baseline is portable
# x86-64; wider instructions are given to single files by name (TalonFolder.cmake), never by
# -march=native.
add_library(talon_options INTERFACE)
target_include_directories(talon_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(talon_options INTERFACE TALON_HAS_CUDA=$<BOOL:${TALON_CUDA}>)
target_link_libraries(talon_options INTERFACE Threads::Threads)
target_compile_options(talon_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow>
  # A fused multiply-add changes the bits: kernels ask for it by intrinsic, nobody else gets it.
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # clang's -Wconversion includes sign conversions, which g++'s does not; g++ is the judge.
  target_compile_options(talon_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wconversion -Werror>)
endif()

if(TALON_SANITIZE)
  # One report ends the program: a test that only logs an error would pass.
  set(talon_sanitize_flags
    -fsanitize=${TALON_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(TALON_FUZZ)
    list(APPEND talon_sanitize_flags -fsanitize=fuzzer-no-link)
  endif()
  target_compile_options(talon_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${talon_sanitize_flags}>)
  target_link_options(talon_options INTERFACE ${talon_sanitize_flags})
endif()

if(TALON_CUDA)
  # CMake 3.25 does not know C++20 for this nvcc: a CUDA standard of 20 is dropped without a word,
  # so the flag is passed as an option and no standard is set. Architectures are set per target.
  set(CMAKE_CUDA_ARCHITECTURES 90)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(talon_options INTERFACE CUDA::cudart_static)
  target_compile_options(talon_options INTERFACE
    # Kernels call our constexpr functions (dtype conversions, random numbers) and those of std.
    "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-lineinfo;--Werror=all-warnings>"
    "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>")
endif()
