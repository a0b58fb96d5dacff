# What the face for C++ programs needs beside the core: JSON, for model files. Its headers alone are taken, and nothing of
# them is seen by a program.
include_guard(GLOBAL)
find_package(nlohmann_json 3.9 REQUIRED)
add_library(lamina_json INTERFACE)
get_target_property(json_folder nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(lamina_json SYSTEM INTERFACE "${json_folder}")
