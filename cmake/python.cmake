# The extension modules: `_core_<level>` for each level, and the tiny `_cpu` that tells which one the machine can run.
find_package(pybind11 3 CONFIG REQUIRED)

file(GLOB bind_sources CONFIGURE_DEPENDS cpp/bind/*.cpp)
list(REMOVE_ITEM bind_sources "${CMAKE_CURRENT_SOURCE_DIR}/cpp/bind/cpu.cpp")

# The bindings do no arithmetic: at -O1 they compile in half the time, into half the size.
set_source_files_properties(${bind_sources} PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O1>")

set(modules _cpu)
python_add_library(_cpu MODULE WITH_SOABI cpp/bind/cpu.cpp)
target_link_libraries(_cpu PRIVATE lamina_flags)

foreach(level IN LISTS LAMINA_LEVELS)
  # No LTO and no strip from pybind11: the first doubles the build time, the second is done at installation.
  pybind11_add_module(_core_${level} MODULE NO_EXTRAS ${bind_sources})
  # Every level is loaded under the one name `lamina._core` (see _dispatch.py), so that no pickle, repr or error
  # names a level; the file's name alone tells them apart.
  target_compile_definitions(_core_${level} PRIVATE LAMINA_MODULE=_core)
  target_link_libraries(_core_${level} PRIVATE lamina_core_${level})
  list(APPEND modules _core_${level})
endforeach()

install(TARGETS ${modules} LIBRARY DESTINATION lamina COMPONENT python)
