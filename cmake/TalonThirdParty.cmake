# Libraries of others, each behind one target and linked statically into the program, so that it
# runs on a machine without the development packages. docs/adr/ says why each was chosen.

# {fmt}: Debian ships headers and a shared library only, so the library part is compiled here once;
# header-only use would compile it again in every file.
find_package(fmt 9 REQUIRED)
get_target_property(talon_fmt_include fmt::fmt-header-only INTERFACE_INCLUDE_DIRECTORIES)
add_library(talon_fmt STATIC ${CMAKE_SOURCE_DIR}/cmake/fmt_library.cc)
target_include_directories(talon_fmt SYSTEM PUBLIC ${talon_fmt_include})
if(TALON_SANITIZE)
  target_link_libraries(talon_fmt PUBLIC talon_options)
endif()

find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2 REQUIRED)

# Debian's static archives of these carry no CMake package.
function(talon_static_library name header archive)
  find_path(${name}_include ${header} REQUIRED)
  find_library(${name}_archive ${archive} REQUIRED)
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${${name}_archive})
  target_include_directories(${name} SYSTEM INTERFACE ${${name}_include})
endfunction()
talon_static_library(talon_pcre2 pcre2.h libpcre2-8.a)
target_compile_definitions(talon_pcre2 INTERFACE PCRE2_CODE_UNIT_WIDTH=8 PCRE2_STATIC)
talon_static_library(talon_utf8proc utf8proc.h libutf8proc.a)
target_compile_definitions(talon_utf8proc INTERFACE UTF8PROC_STATIC)

# xxHash is used inline from its header, by one source file.
find_path(talon_xxhash_include xxhash.h REQUIRED)
add_library(talon_xxhash INTERFACE)
target_include_directories(talon_xxhash SYSTEM INTERFACE ${talon_xxhash_include})

# Boost.Asio and Boost.Beast are headers; TLS is OpenSSL's static library.
find_path(talon_boost_include boost/beast.hpp REQUIRED)
talon_static_library(talon_crypto openssl/crypto.h libcrypto.a)
target_link_libraries(talon_crypto INTERFACE ${CMAKE_DL_LIBS})
talon_static_library(talon_http openssl/ssl.h libssl.a)
target_include_directories(talon_http SYSTEM INTERFACE ${talon_boost_include})
target_link_libraries(talon_http INTERFACE talon_crypto)
if(TALON_SANITIZE MATCHES "thread")
  # The thread sanitizer knows no fences; Asio's locks order what its fences do.
  target_compile_definitions(talon_http INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

# xgrammar, for structured outputs: compiled from the archive that tools/fetch_sources.py brought,
# or left out. Its warnings are its own.
set(TALON_XGRAMMAR AUTO CACHE STRING "Structured outputs by xgrammar: AUTO (if fetched), ON or OFF")
set(talon_xgrammar_source ${CMAKE_SOURCE_DIR}/third_party/xgrammar-0.2.9)
if(TALON_XGRAMMAR STREQUAL "AUTO")
  set(TALON_HAS_XGRAMMAR OFF)
  if(EXISTS ${talon_xgrammar_source}/CMakeLists.txt)
    set(TALON_HAS_XGRAMMAR ON)
  endif()
else()
  set(TALON_HAS_XGRAMMAR ${TALON_XGRAMMAR})
endif()
if(TALON_HAS_XGRAMMAR)
  if(NOT EXISTS ${talon_xgrammar_source}/CMakeLists.txt)
    message(FATAL_ERROR "TALON_XGRAMMAR is ON, but ${talon_xgrammar_source} is missing: "
      "run tools/fetch_sources.py")
  endif()
  file(GLOB talon_xgrammar_files ${talon_xgrammar_source}/cpp/*.cc
    ${talon_xgrammar_source}/cpp/support/*.cc ${talon_xgrammar_source}/cpp/converter_ext/*.cc)
  add_library(talon_xgrammar STATIC ${talon_xgrammar_files})
  target_include_directories(talon_xgrammar SYSTEM PUBLIC ${talon_xgrammar_source}/include
    ${talon_xgrammar_source}/3rdparty/dlpack/include)
  target_include_directories(talon_xgrammar SYSTEM PRIVATE
    ${talon_xgrammar_source}/3rdparty/picojson)
  target_compile_definitions(talon_xgrammar PUBLIC
    XGRAMMAR_ENABLE_CPPTRACE=0 XGRAMMAR_ENABLE_INTERNAL_CHECK=0)
  target_compile_options(talon_xgrammar PRIVATE -w)
  if(TALON_SANITIZE)
    target_compile_options(talon_xgrammar PRIVATE ${talon_sanitize_flags})
  endif()
endif()

if(TALON_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
