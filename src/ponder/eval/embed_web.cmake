# cmake -DWEB=… -DPAGE=page.html -DREPORT_STYLES=a.css,b.css -DREPORT_SCRIPTS=a.js,b.js -DTREE_STYLES=… -DTREE_SCRIPTS=…
# -DOUT=… -P embed_web.cmake: writes the .cc behind web_assets.h.
function(read_all out names)
  string(REPLACE "," ";" names "${names}")
  set(all "")
  foreach(name IN LISTS names)
    file(READ ${WEB}/${name} text)
    string(APPEND all "${text}")
  endforeach()
  set(${out} "${all}" PARENT_SCOPE)
endfunction()

set(constants "")
function(add_constant name files)
  read_all(text "${files}")
  set(constants "${constants}const std::string_view ${name} = R\"~web~(${text})~web~\";\n" PARENT_SCOPE)
endfunction()

add_constant(kPage "${PAGE}")
add_constant(kReportStyle "${REPORT_STYLES}")
add_constant(kReportScript "${REPORT_SCRIPTS}")
add_constant(kTreeStyle "${TREE_STYLES}")
add_constant(kTreeScript "${TREE_SCRIPTS}")
add_constant(kScalingStyle "${SCALING_STYLES}")
add_constant(kScalingScript "${SCALING_SCRIPTS}")
file(WRITE ${OUT} "#include \"ponder/eval/web_assets.h\"

namespace ponder::eval::web {

${constants}
}  // namespace ponder::eval::web
")
