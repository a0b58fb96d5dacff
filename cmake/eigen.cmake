# The target `lamina_eigen`: Eigen's headers, 5.0.1 or newer, for every target of ours. In this order they are
#   Eigen3::Eigen         where a project that embeds this one has that target already,
#   LAMINA_EIGEN_DIR      the folder that holds `Eigen/Core`,
#   the system's          with LAMINA_SYSTEM_EIGEN=ON,
#   those of `eigency`    the build requirement from the package index, in the environment of the Python found,
#   the system's          where there is no Python or no eigency.
# `eigen_folder` is where they were found; with `eigen_is_ours_to_install` nobody else could find them again there.
set(eigen_needed 5.0.1)
set(eigen_ways "`pip install \"eigency>=${eigen_needed}\"`, or install Eigen and configure with -DLAMINA_SYSTEM_EIGEN=ON, \
or with -DLAMINA_EIGEN_DIR=<the folder that holds Eigen/Core>")

# The include folders of a target, without what they are only once installed.
function(lamina_include_folders target result)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX REPLACE "\\$<BUILD_INTERFACE:([^>]*)>" "\\1" folders "${folders}")
  string(GENEX_STRIP "${folders}" folders)
  set(${result} "${folders}" PARENT_SCOPE)
endfunction()

# The version that the headers themselves tell; empty where there are none.
function(lamina_eigen_version folder result)
  set(version "")
  foreach(file "Eigen/Version" "Eigen/src/Core/util/Macros.h") # Eigen 5's place, then Eigen 3's
    foreach(part WORLD MAJOR MINOR PATCH)
      set(${part} "")
      if(EXISTS "${folder}/${file}")
        file(STRINGS "${folder}/${file}" line REGEX "^#define EIGEN_${part}_VERSION +[0-9]+" LIMIT_COUNT 1)
        string(REGEX REPLACE "^#define [A-Z_0-9]+ +([0-9]+).*" "\\1" ${part} "${line}")
      endif()
    endforeach()
    if(NOT PATCH STREQUAL "")
      set(version "${MAJOR}.${MINOR}.${PATCH}")
      break()
    elseif(NOT MINOR STREQUAL "") # before Eigen 5 the world was the first of three
      set(version "${WORLD}.${MAJOR}.${MINOR}")
      break()
    endif()
  endforeach()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

set(eigen_folders "")
set(eigen_target "")
set(eigen_is_ours_to_install OFF)
if(TARGET Eigen3::Eigen)
  set(eigen_target Eigen3::Eigen)
elseif(LAMINA_EIGEN_DIR)
  set(eigen_folders "${LAMINA_EIGEN_DIR}")
  set(eigen_is_ours_to_install ON)
else()
  if(NOT LAMINA_SYSTEM_EIGEN AND NOT Python_EXECUTABLE)
    find_package(Python 3.10 QUIET COMPONENTS Interpreter)
  endif()
  if(NOT LAMINA_SYSTEM_EIGEN AND Python_EXECUTABLE)
    # Finds the package without importing it, which would need NumPy.
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c
              "import importlib.util as u; print(u.find_spec('eigency').submodule_search_locations[0])"
      OUTPUT_VARIABLE eigency_folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(eigency_folder)
      file(TO_CMAKE_PATH "${eigency_folder}/eigen" eigen_folders)
      set(eigen_is_ours_to_install ON)
    endif()
  endif()
  if(NOT eigen_folders)
    find_package(Eigen3 CONFIG QUIET) # any version: what it is, its headers tell
    if(TARGET Eigen3::Eigen)
      set(eigen_target Eigen3::Eigen)
    endif()
  endif()
endif()
if(eigen_target)
  lamina_include_folders(${eigen_target} eigen_folders)
endif()

set(eigen_folder "")
set(eigen_version "")
foreach(folder IN LISTS eigen_folders)
  lamina_eigen_version("${folder}" eigen_version)
  if(eigen_version)
    set(eigen_folder "${folder}")
    break()
  endif()
endforeach()
if(NOT eigen_folders)
  message(FATAL_ERROR "Eigen's headers were not found: ${eigen_ways}.")
elseif(NOT eigen_version)
  message(FATAL_ERROR "No Eigen/Core of a known version in ${eigen_folders}: ${eigen_ways}.")
elseif(eigen_version VERSION_LESS eigen_needed)
  message(FATAL_ERROR "lamina needs Eigen ${eigen_needed} or newer; ${eigen_folder} has ${eigen_version}: ${eigen_ways}.")
endif()
message(STATUS "Eigen ${eigen_version}: ${eigen_folder}")

add_library(lamina_eigen INTERFACE)
if(eigen_target)
  target_link_libraries(lamina_eigen INTERFACE ${eigen_target})
endif()
set(eigen_include "${eigen_folder}")
if(eigen_is_ours_to_install)
  lamina_kept_headers(eigen "${eigen_folder}" PARTS Eigen RESULT eigen_include)
endif()
target_include_directories(lamina_eigen SYSTEM INTERFACE "${eigen_include}") # its warnings are not ours
