# The extension module `_core`, the core for each level, and the tiny module `_cpu` that tells which one the machine can run.
find_package(pybind11 3 CONFIG REQUIRED)
get_target_property(pybind11_folder pybind11::pybind11_headers INTERFACE_INCLUDE_DIRECTORIES)
lamina_kept_headers(pybind11 "${pybind11_folder}" PARTS pybind11 RESULT pybind11_folder)
set_target_properties(pybind11::pybind11_headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${pybind11_folder}")

set(bind_folder "${PROJECT_SOURCE_DIR}/cpp/bind")
file(GLOB bind_sources CONFIGURE_DEPENDS "${bind_folder}/*.cpp")
list(REMOVE_ITEM bind_sources "${bind_folder}/cpu.cpp")

python_add_library(_cpu MODULE WITH_SOABI "${bind_folder}/cpu.cpp")
target_link_libraries(_cpu PRIVATE lamina_flags)

# The bindings do no arithmetic, so there is one module of them, compiled for any machine, and for size.
add_library(lamina_bind OBJECT ${bind_sources})
target_compile_options(lamina_bind PRIVATE $<$<NOT:$<CONFIG:Debug>>:-Os>)
target_link_libraries(lamina_bind PRIVATE lamina_flags pybind11::module)
if(LAMINA_PRECOMPILE)
  target_precompile_headers(lamina_bind PRIVATE "${bind_folder}/network.hpp" "${bind_folder}/registry.hpp")
endif()

# What the libraries below show is what the module asks for, and nothing else: what cannot be reached from there is left
# out, and no call within a library goes through a table.
set(exports "${CMAKE_CURRENT_BINARY_DIR}/exports")
set(objects "$<FILTER:$<TARGET_OBJECTS:lamina_bind>,EXCLUDE,[.](gch|pch)$>") # without a precompiled header
file(GENERATE OUTPUT "${exports}.objects" CONTENT "$<JOIN:${objects},\n>\n")
add_custom_command(
  OUTPUT "${exports}.map"
  COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DOBJECTS=${exports}.objects -DMAP=${exports}.map -P
          "${PROJECT_SOURCE_DIR}/cmake/exports.cmake"
  DEPENDS $<TARGET_OBJECTS:lamina_bind> "${PROJECT_SOURCE_DIR}/cmake/exports.cmake"
  VERBATIM)
add_custom_target(lamina_exports DEPENDS "${exports}.map")

# The core is a library for each level, `_levels/<level>/liblamina_core.so`. They all have the name that the module asks
# for, and _dispatch.py loads that for this machine first: no pickle, repr or error names a level.
foreach(level IN LISTS LAMINA_LEVELS)
  set(library lamina_level_${level})
  lamina_add_core(${library} SHARED ${level} ${core_sources})
  add_dependencies(${library} lamina_exports)
  set_target_properties(
    ${library}
    PROPERTIES OUTPUT_NAME lamina_core
               LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/_levels/${level}"
               CXX_VISIBILITY_PRESET default
               LINK_DEPENDS "${exports}.map")
  target_compile_options(${library} PRIVATE -fno-semantic-interposition)
  target_link_options(${library} PRIVATE "-Wl,--version-script=${exports}.map" -Wl,-Bsymbolic)
  install(TARGETS ${library} LIBRARY DESTINATION lamina/_levels/${level} COMPONENT python)
endforeach()

# No LTO and no strip from pybind11: the first doubles the build time, the second is done at installation.
pybind11_add_module(_core MODULE NO_EXTRAS $<TARGET_OBJECTS:lamina_bind>)
# Where nothing has been loaded, as for tools that look into modules, the lowest level is found.
list(GET LAMINA_LEVELS 0 lowest_level)
target_link_libraries(_core PRIVATE lamina_flags lamina_level_${lowest_level})
set_target_properties(
  _core
  PROPERTIES LINKER_LANGUAGE CXX
             INSTALL_RPATH "$ORIGIN/_levels/${lowest_level}"
             BUILD_WITH_INSTALL_RPATH ON)
install(TARGETS _core _cpu LIBRARY DESTINATION lamina COMPONENT python)
