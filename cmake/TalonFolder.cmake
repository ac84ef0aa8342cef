# talon_folder(NAME DEPENDENCY...): the library talon_<NAME> of the current folder, with every .cc
# below it, and every .cu when CUDA is on. The dependencies are the folder's arrows and nothing
# else. A folder without sources becomes an interface library, so that arrows through it hold.

# Instruction sets beyond the baseline are chosen by file name. Such a file holds kernels in an
# anonymous namespace and is entered only through a table that was filled after looking at the CPU.
set(TALON_AVX2_FLAGS -mavx2 -mfma -mf16c)
# g++ 12 takes the "undefined" operand of AVX-512 intrinsics for an uninitialised one
# (its bug 105593).
set(TALON_AVX512_FLAGS -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c
  -Wno-uninitialized -Wno-maybe-uninitialized)
set(TALON_AMX_FLAGS ${TALON_AVX512_FLAGS} -mamx-tile -mamx-bf16 -mamx-int8)

function(talon_kernel_flags)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "_avx2\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${TALON_AVX2_FLAGS}")
    elseif(source MATCHES "_avx512\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${TALON_AVX512_FLAGS}")
    elseif(source MATCHES "_amx\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${TALON_AMX_FLAGS}")
    endif()
  endforeach()
endfunction()

function(talon_cuda_objects target architectures out)
  if(ARGN)
    # CUDA targets take over what is said about C++, and this CMake makes an error or a -std=c++17
    # behind our c++20 of it: none of the three may be set here.
    unset(CMAKE_CXX_STANDARD)
    unset(CMAKE_CXX_STANDARD_REQUIRED)
    unset(CMAKE_CXX_EXTENSIONS)
    add_library(${target} OBJECT ${ARGN})
    set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "${architectures}")
    # Only the options: a third-party target with a compile feature would bring a -std of CMake's,
    # behind ours. Headers are all reached from src/.
    target_link_libraries(${target} PRIVATE talon_options)
    set(${out} ${${out}} $<TARGET_OBJECTS:${target}> PARENT_SCOPE)
  endif()
endfunction()

function(talon_folder name)
  set(target talon_${name})
  list(TRANSFORM ARGN PREPEND talon_ OUTPUT_VARIABLE talon_folder_links)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  talon_kernel_flags(${sources})

  set(objects)
  if(TALON_CUDA)
    file(GLOB_RECURSE kernels CONFIGURE_DEPENDS *.cu)
    set(hopper ${kernels})
    list(FILTER hopper INCLUDE REGEX "_sm90\\.cu$")
    list(FILTER kernels EXCLUDE REGEX "_sm90\\.cu$")
    talon_cuda_objects(${target}_cuda "90-real;80-virtual" objects ${kernels})
    talon_cuda_objects(${target}_sm90 "90a-real" objects ${hopper})
  else()
    # What may include a CUDA or NCCL header; a CPU build reaches none of it.
    list(FILTER sources EXCLUDE REGEX "/cuda/|/nccl_|/peer_|/cuda_ipc_|_cuda\\.cc$")
  endif()

  if(sources OR objects)
    add_library(${target} STATIC ${sources} ${objects})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
    target_link_libraries(${target} PUBLIC talon_options ${talon_folder_links})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE talon_options ${talon_folder_links})
  endif()
endfunction()

# Links third-party libraries to a folder, whether or not it has sources yet.
function(talon_uses name)
  get_target_property(type talon_${name} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(talon_${name} INTERFACE ${ARGN})
  else()
    target_link_libraries(talon_${name} PUBLIC ${ARGN})
  endif()
endfunction()
