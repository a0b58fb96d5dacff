# The target `lamina_eigen`: Eigen's headers, from the package `eigency` or from the system. The core needs none; the
# benchmark of the products measures itself against Eigen's. Where there is no Eigen there is no such target, and
# `eigen_problem` says why.
if(LAMINA_SYSTEM_EIGEN)
  # Without a version here: Eigen 5's package file refuses a request for "3.4".
  find_package(Eigen3 QUIET)
  if(NOT Eigen3_FOUND)
    set(eigen_problem "The system has no Eigen that CMake finds.")
  elseif(Eigen3_VERSION VERSION_LESS 3.4)
    set(eigen_problem "The benchmarks need Eigen 3.4 or newer; the system has ${Eigen3_VERSION}.")
  else()
    add_library(lamina_eigen INTERFACE)
    target_link_libraries(lamina_eigen INTERFACE Eigen3::Eigen)
    set(eigen_version "${Eigen3_VERSION}")
  endif()
else()
  # Finds the package without importing it, which would need NumPy.
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
            "import importlib.util as u; print(u.find_spec('eigency').submodule_search_locations[0])"
    OUTPUT_VARIABLE eigency_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(TO_CMAKE_PATH "${eigency_dir}/eigen" eigen_dir)
  if(EXISTS "${eigen_dir}/Eigen/Core")
    add_library(lamina_eigen INTERFACE)
    target_include_directories(lamina_eigen SYSTEM INTERFACE "${eigen_dir}")
    set(eigen_version "of eigency, ${eigen_dir}")
  else()
    string(CONCAT eigen_problem "Eigen's headers were not found: `pip install eigency` for ${Python_EXECUTABLE}, or "
                                "configure with -DLAMINA_SYSTEM_EIGEN=ON.")
  endif()
endif()
if(TARGET lamina_eigen)
  message(STATUS "Eigen: ${eigen_version}")
  target_compile_definitions(lamina_eigen INTERFACE EIGEN_DONT_PARALLELIZE) # compared on one thread
endif()
