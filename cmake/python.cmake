# The extension modules: `_core_<level>` for each level, and the tiny `_cpu` that tells which one the machine can run.
find_package(pybind11 3 CONFIG REQUIRED)
get_target_property(pybind11_folder pybind11::pybind11_headers INTERFACE_INCLUDE_DIRECTORIES)
lamina_kept_headers(pybind11 "${pybind11_folder}" PARTS pybind11 RESULT pybind11_folder)
set_target_properties(pybind11::pybind11_headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${pybind11_folder}")

set(bind_folder "${PROJECT_SOURCE_DIR}/cpp/bind")
file(GLOB bind_sources CONFIGURE_DEPENDS "${bind_folder}/*.cpp")
list(REMOVE_ITEM bind_sources "${bind_folder}/cpu.cpp")

set(modules _cpu)
python_add_library(_cpu MODULE WITH_SOABI "${bind_folder}/cpu.cpp")
target_link_libraries(_cpu PRIVATE lamina_flags)

# The bindings do no arithmetic, so they are compiled once, for any machine, and linked to the core of each level; for
# size, since every level has them.
add_library(lamina_bind OBJECT ${bind_sources})
target_compile_options(lamina_bind PRIVATE $<$<NOT:$<CONFIG:Debug>>:-Os>)
target_link_libraries(lamina_bind PRIVATE lamina_flags pybind11::module)
if(LAMINA_PRECOMPILE)
  target_precompile_headers(lamina_bind PRIVATE "${bind_folder}/network.hpp" "${bind_folder}/registry.hpp")
endif()
# Every level is loaded under the one name `lamina._core` (see _dispatch.py), so that no pickle, repr or error names a
# level; the file's name alone tells them apart.
target_compile_definitions(lamina_bind PRIVATE LAMINA_MODULE=_core)

foreach(level IN LISTS LAMINA_LEVELS)
  # No LTO and no strip from pybind11: the first doubles the build time, the second is done at installation.
  pybind11_add_module(_core_${level} MODULE NO_EXTRAS $<TARGET_OBJECTS:lamina_bind>)
  set_target_properties(_core_${level} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(_core_${level} PRIVATE lamina_core_${level})
  list(APPEND modules _core_${level})
endforeach()

install(TARGETS ${modules} LIBRARY DESTINATION lamina COMPONENT python)
