# Inlines web/report/ into the eval room, so that a report is one file that needs nothing else.
set(web ${CMAKE_SOURCE_DIR}/web/report)
set(styles theme.css parts.css)  # in this order in one <style>
set(scripts  # in this order in one <script>
  dom.js chart.js trace.js tree.js sections.js curves.js rl.js controls.js probes.js texts.js card.js page.js)
set(assets ${CMAKE_BINARY_DIR}/generated/web_assets.cc)
set(web_files page.html ${styles} ${scripts})
list(TRANSFORM web_files PREPEND ${web}/)
list(JOIN styles "," style_names)
list(JOIN scripts "," script_names)
add_custom_command(
  OUTPUT ${assets}
  COMMAND ${CMAKE_COMMAND} -DWEB=${web} -DSTYLES=${style_names} -DSCRIPTS=${script_names} -DOUT=${assets}
          -P ${CMAKE_SOURCE_DIR}/src/ponder/eval/embed_web.cmake
  DEPENDS ${web_files} ${CMAKE_SOURCE_DIR}/src/ponder/eval/embed_web.cmake
  COMMENT "Inlining web/report into the eval room"
  VERBATIM)
target_sources(ponder_eval PRIVATE ${assets})
