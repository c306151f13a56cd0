# vortex_embed(ROOM FOLDER): embeds the Lua files below FOLDER into the room, as source.
#
# Source, not bytecode: tracebacks keep their lines and the binary does not depend on a Lua release. `vortex/kv.lua` becomes the module
# "vortex.kv" with the chunk name "@vortex/kv.lua" (src/script/library.h). Files whose name begins with "_" (editor annotations) stay out.
include_guard()

set(VORTEX_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/EmbedFiles.cmake)

function(vortex_embed room folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*.lua)
  list(FILTER files EXCLUDE REGEX "(^|/)_[^/]*\\.lua$")
  list(SORT files)
  set(paths ${files})
  list(TRANSFORM paths PREPEND ${folder}/)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded_${room}.c)
  string(REPLACE ";" "," file_list "${files}")
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DFILES=${file_list} -DOUTPUT=${output} -P ${VORTEX_EMBED_SCRIPT}
    DEPENDS ${paths} ${VORTEX_EMBED_SCRIPT}
    VERBATIM)
  target_sources(vortex_${room} PRIVATE ${output})
endfunction()
