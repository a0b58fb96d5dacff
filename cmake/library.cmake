# The library for C++ programs: `lamina::core`, whose one header, lamina/lamina.hpp, shows nothing of the core.
include(cmake/face.cmake)
add_library(lamina_core STATIC ${core_sources} ${face_sources})
add_library(lamina::core ALIAS lamina_core)
set_target_properties(lamina_core PROPERTIES EXPORT_NAME core)
target_compile_features(lamina_core PUBLIC cxx_std_17)
target_compile_options(lamina_core PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
if(LAMINA_ARCH)
  include(CheckCXXCompilerFlag)
  foreach(flag -march -mcpu) # Apple's Clang has only the second for Arm
    string(MAKE_C_IDENTIFIER "LAMINA_HAS${flag}_${LAMINA_ARCH}" known)
    check_cxx_compiler_flag(${flag}=${LAMINA_ARCH} ${known})
    if(${known})
      target_compile_options(lamina_core PRIVATE ${flag}=${LAMINA_ARCH})
      break()
    endif()
  endforeach()
  if(NOT ${known})
    message(FATAL_ERROR "LAMINA_ARCH: ${CMAKE_CXX_COMPILER} does not know -march=${LAMINA_ARCH}.")
  endif()
endif()
# The core's own copies of Eigen's inline functions have other names than the program's: which of two that were compiled
# with other flags a linker keeps is anybody's guess.
target_compile_definitions(lamina_core PRIVATE Eigen=lamina_eigen)
# As installed: a folder with that header alone.
configure_file(cpp/lamina/lamina.hpp include/lamina/lamina.hpp COPYONLY)
target_include_directories(lamina_core INTERFACE $<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/include>)
target_link_libraries(
  lamina_core
  PRIVATE $<BUILD_INTERFACE:lamina_compile> $<BUILD_INTERFACE:lamina_json> OpenMP::OpenMP_CXX
  PUBLIC $<BUILD_INTERFACE:lamina_eigen> $<INSTALL_INTERFACE:lamina::eigen>)

if(LAMINA_INSTALL)
  include(CMakePackageConfigHelpers)
  include(GNUInstallDirs)
  set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/lamina")
  # `lamina::eigen` is made by the package's file: Eigen comes along where `find_package` would not find it.
  install(TARGETS lamina_core EXPORT lamina ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development
          INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT lamina NAMESPACE lamina:: FILE laminaTargets.cmake DESTINATION "${package_folder}" COMPONENT development)
  install(FILES cpp/lamina/lamina.hpp DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/lamina" COMPONENT development)
  if(eigen_is_ours_to_install)
    set(eigen_destination "${CMAKE_INSTALL_INCLUDEDIR}/lamina/eigen")
    file(GLOB eigen_licences "${eigen_folder}/COPYING*")
    install(DIRECTORY "${eigen_folder}/Eigen" DESTINATION "${eigen_destination}" COMPONENT development)
    install(FILES ${eigen_licences} DESTINATION "${eigen_destination}" COMPONENT development)
  endif()
  configure_package_config_file(cmake/laminaConfig.cmake.in laminaConfig.cmake INSTALL_DESTINATION "${package_folder}"
                                PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
  # Before 1.0 a minor version may change anything.
  write_basic_package_version_file(laminaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/laminaConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/laminaConfigVersion.cmake"
          DESTINATION "${package_folder}" COMPONENT development)
endif()
