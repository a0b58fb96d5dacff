# cmake -DNM=<nm> -DOBJECTS=<file with a path a line> -DMAP=<output> -P exports.cmake: a linker's version script that shows
# what the objects ask for of ours.
file(STRINGS "${OBJECTS}" objects)
execute_process(COMMAND "${NM}" --undefined-only -P ${objects} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "_Z[^ \n]*6lamina[^ \n]*" names "${symbols}")
list(REMOVE_DUPLICATES names)
list(SORT names)
list(JOIN names ";\n    " names)
file(WRITE "${MAP}" "LAMINA_CORE {\n  global:\n    ${names};\n  local: *;\n};\n")
