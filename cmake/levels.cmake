# The core, compiled once per instruction-set level: x86-64's v2, v3, v4, or `native` (the default flags) elsewhere.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)
include(CheckCXXSourceRuns)

check_cxx_source_compiles("#ifndef __x86_64__\n#error other\n#endif\nint main() {}" LAMINA_X86_64)
if(LAMINA_X86_64)
  set(known_levels v2 v3 v4)
else()
  set(known_levels native)
endif()
set(LAMINA_LEVELS "${known_levels}" CACHE STRING "Instruction-set levels to build: ${known_levels}")
foreach(level IN LISTS LAMINA_LEVELS)
  if(NOT level IN_LIST known_levels)
    message(FATAL_ERROR "LAMINA_LEVELS: unknown level '${level}'; this machine's compiler has: ${known_levels}.")
  endif()
  if(LAMINA_X86_64)
    check_cxx_compiler_flag(-march=x86-64-${level} LAMINA_HAS_${level})
    if(NOT LAMINA_HAS_${level})
      message(FATAL_ERROR "${CMAKE_CXX_COMPILER} does not know -march=x86-64-${level}: GCC 11 or Clang 12 is needed.")
    endif()
  endif()
endforeach()

# A wheel carries the core for each level. What makes networks, and what runs once a fit, is for size; machines that have
# v2 alone are of before 2013, and theirs is so altogether, but for what small networks spend their steps in.
file(GLOB quick_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cpp/kernels/*.cpp")
foreach(source math/optimizers.cpp model/infer.cpp model/layers/dense.cpp model/pass.cpp train/epochs.cpp train/trainer.cpp)
  list(APPEND quick_sources "${PROJECT_SOURCE_DIR}/cpp/${source}")
endforeach()
set(small_sources core/registry.cpp math/schedules.cpp math/trace.cpp model/network.cpp model/targets.cpp
                  train/data_start.cpp train/gradient_check.cpp train/segments.cpp train/split.cpp)
list(TRANSFORM small_sources PREPEND "${PROJECT_SOURCE_DIR}/cpp/")

# lamina_add_core(<name> STATIC|SHARED <level> <sources>...) makes the library <name>, of the core for a level. What links
# to a static one is compiled for that level, too.
function(lamina_add_core core type level)
  add_library(${core} ${type} ${ARGN})
  set(scope PUBLIC)
  if(type STREQUAL "SHARED")
    set(scope PRIVATE)
  endif()
  target_link_libraries(${core} ${scope} lamina_flags OpenMP::OpenMP_CXX)
  if(LAMINA_PRECOMPILE)
    target_precompile_headers(${core} PRIVATE "${PROJECT_SOURCE_DIR}/cpp/train/trainer.hpp")
  endif()
  # -O3 also for a build type that stops at -O2; a debug build keeps its own level.
  set(quick $<$<NOT:$<CONFIG:Debug>>:-O3>)
  set(small "$<$<NOT:$<CONFIG:Debug>>:-Os;-U__OPTIMIZE_SIZE__>") # GCC takes a precompiled header for the same macros alone
  if(level STREQUAL "v2")
    target_compile_options(${core} PRIVATE ${small})
  else()
    target_compile_options(${core} PRIVATE ${quick})
  endif()
  set_source_files_properties(${quick_sources} PROPERTIES COMPILE_OPTIONS "${quick}")
  set_source_files_properties(${small_sources} PROPERTIES COMPILE_OPTIONS "${small}")
  if(LAMINA_X86_64)
    target_compile_options(${core} ${scope} -march=x86-64-${level})
  endif()
endfunction()

# The level that the C++ tests and benchmarks run: the last one that is both built and surely here.
list(GET LAMINA_LEVELS 0 program_level)
if("v3" IN_LIST LAMINA_LEVELS)
  check_cxx_source_runs(
    "int main() { return !(__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") &&
                           __builtin_cpu_supports(\"bmi2\")); }"
    LAMINA_HOST_RUNS_V3)
  if(LAMINA_HOST_RUNS_V3)
    set(program_level v3)
  endif()
endif()
set(LAMINA_PROGRAM_LEVEL ${program_level} CACHE STRING "Level of the C++ tests and benchmarks")

# lamina_add_programs(<folder> [PROGRAMS <variable>] [LIBRARIES <library>...]): every .cpp there is a program.
function(lamina_add_programs folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PROGRAMS" "LIBRARIES")
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  set(programs "")
  foreach(source IN LISTS sources)
    get_filename_component(program ${source} NAME_WE)
    add_executable(${program} ${source})
    target_link_libraries(${program} PRIVATE lamina_program_core ${arg_LIBRARIES})
    list(APPEND programs ${program})
  endforeach()
  if(arg_PROGRAMS)
    set(${arg_PROGRAMS} ${programs} PARENT_SCOPE)
  endif()
endfunction()
