# What every target of ours is compiled with, whatever its level.
add_library(lamina_compile INTERFACE)
target_include_directories(lamina_compile INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}/cpp")
target_link_libraries(lamina_compile INTERFACE lamina_eigen)
target_compile_options(
  lamina_compile
  INTERFACE -ffp-contract=off # a fused multiply-add only where the source says so: the same bits on every level
            -fno-math-errno
            -ffunction-sections
            -fdata-sections
            -Wall
            -Wextra
            -Wshadow
            -Wconversion
            -Wno-psabi
            # Of GCC 12's own intrinsics for AVX-512, which Eigen uses.
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized>
            $<$<BOOL:${LAMINA_WERROR}>:-Werror>
            # A unique symbol would be shared by modules of two levels loaded in one process.
            $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
target_compile_definitions(
  lamina_compile
  INTERFACE EIGEN_DONT_PARALLELIZE # threads are the core's
            EIGEN_FAST_MATH=0 # no approximations: they differ from one level to the next
            # Nobody reads it: with it a compiler that was upgraded in its place is another command, and compiles anew.
            LAMINA_COMPILER=${CMAKE_CXX_COMPILER_ID}-${CMAKE_CXX_COMPILER_VERSION}
            # Eigen's assertions, of shapes and ranges, in debug builds alone, as those of the standard library.
            $<IF:$<CONFIG:Debug>,_GLIBCXX_ASSERTIONS,EIGEN_NO_DEBUG>)

# The same, and what our programs and modules are linked with.
add_library(lamina_flags INTERFACE)
target_link_libraries(lamina_flags INTERFACE lamina_compile)
if(APPLE)
  target_link_options(lamina_flags INTERFACE -Wl,-dead_strip)
else()
  target_link_options(lamina_flags INTERFACE -Wl,--gc-sections -Wl,--exclude-libs,ALL)
endif()
