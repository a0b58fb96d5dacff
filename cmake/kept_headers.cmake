# The headers of build requirements, at a place that stays the same.
#
# pip's isolated environment, where they are, has another path in each build. As part of every compiler's command that
# would have everything compiled again; so a wheel is compiled with a copy in its build folder, where a file that has not
# changed keeps its time. Elsewhere the headers are used where they are.

# lamina_kept_headers(<name> <folder> PARTS <part>... RESULT <variable>): the copy of those parts of a folder, or the folder.
function(lamina_kept_headers name folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "RESULT" "PARTS")
  if(NOT "${SKBUILD_STATE}" STREQUAL "wheel")
    set(${arg_RESULT} "${folder}" PARENT_SCOPE)
    return()
  endif()
  set(copy "${PROJECT_BINARY_DIR}/headers/${name}")
  list(TRANSFORM arg_PARTS APPEND "/*")
  list(TRANSFORM arg_PARTS PREPEND "${folder}/" OUTPUT_VARIABLE wanted)
  list(TRANSFORM arg_PARTS PREPEND "${copy}/" OUTPUT_VARIABLE there)
  file(GLOB_RECURSE wanted RELATIVE "${folder}" ${wanted})
  file(GLOB_RECURSE there RELATIVE "${copy}" ${there})
  list(REMOVE_ITEM there ${wanted})
  foreach(file IN LISTS there) # of another version
    file(REMOVE "${copy}/${file}")
  endforeach()
  foreach(file IN LISTS wanted)
    get_filename_component(parent "${file}" DIRECTORY)
    file(MAKE_DIRECTORY "${copy}/${parent}")
    file(COPY_FILE "${folder}/${file}" "${copy}/${file}" ONLY_IF_DIFFERENT)
  endforeach()
  set(${arg_RESULT} "${copy}" PARENT_SCOPE)
endfunction()
