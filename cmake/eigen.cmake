# The target `lamina_eigen`: Eigen's headers, from the build requirement `eigency` or from the system.
add_library(lamina_eigen INTERFACE)

if(LAMINA_SYSTEM_EIGEN)
  # Without a version here: Eigen 5's package file refuses a request for "3.4".
  find_package(Eigen3 REQUIRED)
  target_link_libraries(lamina_eigen INTERFACE Eigen3::Eigen)
  set(eigen_version "${Eigen3_VERSION}")
  if(eigen_version VERSION_LESS 3.4)
    message(FATAL_ERROR "lamina needs Eigen 3.4 or newer; the system has ${eigen_version}.")
  endif()
else()
  # Finds the package without importing it, which would need NumPy.
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
            "import importlib.util as u; print(u.find_spec('eigency').submodule_search_locations[0])"
    OUTPUT_VARIABLE eigency_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(TO_CMAKE_PATH "${eigency_dir}/eigen" eigen_dir)
  if(NOT EXISTS "${eigen_dir}/Eigen/Core")
    message(FATAL_ERROR "Eigen's headers were not found: `pip install eigency` for ${Python_EXECUTABLE}, or configure "
                        "with -DLAMINA_SYSTEM_EIGEN=ON.")
  endif()
  target_include_directories(lamina_eigen SYSTEM INTERFACE "${eigen_dir}")
  set(eigen_version "of eigency, ${eigen_dir}")
endif()
message(STATUS "Eigen: ${eigen_version}")

# Threads are ours alone: Eigen's would make sums depend on their number.
target_compile_definitions(lamina_eigen INTERFACE EIGEN_DONT_PARALLELIZE)
