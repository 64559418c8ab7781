# Inlines web/ into the eval room, so that a report, or the page of a search tree, is one file that needs nothing else.
set(web ${CMAKE_SOURCE_DIR}/web)
set(page shared/page.html)
# In this order in one <style> and in one <script>.
set(report_styles shared/theme.css shared/tree.css report/parts.css)
set(report_scripts shared/dom.js report/chart.js shared/trace.js shared/tree.js shared/details.js
    shared/replay.js)
foreach(part sections curves rl controls probes texts card page)
  list(APPEND report_scripts report/${part}.js)
endforeach()
set(tree_styles shared/theme.css shared/tree.css tree/page.css)
set(tree_scripts shared/dom.js shared/trace.js shared/tree.js shared/details.js shared/replay.js
    tree/drawing.js tree/find.js tree/page.js)
set(scaling_styles shared/theme.css report/parts.css)
set(scaling_scripts shared/dom.js report/chart.js report/sections.js scaling/signals.js
    scaling/page.js)
set(assets ${CMAKE_BINARY_DIR}/generated/web_assets.cc)
set(lists "")
set(web_files ${page})
foreach(list IN ITEMS report_styles report_scripts tree_styles tree_scripts scaling_styles scaling_scripts)
  list(APPEND web_files ${${list}})
  list(JOIN ${list} "," joined)
  string(TOUPPER ${list} constant)
  list(APPEND lists -D${constant}=${joined})
endforeach()
list(REMOVE_DUPLICATES web_files)
list(TRANSFORM web_files PREPEND ${web}/)
add_custom_command(
  OUTPUT ${assets}
  COMMAND ${CMAKE_COMMAND} -DWEB=${web} -DPAGE=${page} ${lists} -DOUT=${assets}
          -P ${CMAKE_SOURCE_DIR}/src/ponder/eval/embed_web.cmake
  DEPENDS ${web_files} ${CMAKE_SOURCE_DIR}/src/ponder/eval/embed_web.cmake
  COMMENT "Inlining web/ into the eval room"
  VERBATIM)
target_sources(ponder_eval PRIVATE ${assets})
