# cmake -DWEB=… -DSTYLES=a.css,b.css -DSCRIPTS=a.js,b.js -DOUT=… -P embed_web.cmake: writes the .cc behind web_assets.h.
function(read_all out names)
  string(REPLACE "," ";" names "${names}")
  set(all "")
  foreach(name IN LISTS names)
    file(READ ${WEB}/${name} text)
    string(APPEND all "${text}")
  endforeach()
  set(${out} "${all}" PARENT_SCOPE)
endfunction()

read_all(page page.html)
read_all(style "${STYLES}")
read_all(script "${SCRIPTS}")
file(WRITE ${OUT} "#include \"ponder/eval/web_assets.h\"

namespace ponder::eval::web {

const std::string_view kPage = R\"~web~(${page})~web~\";
const std::string_view kStyle = R\"~web~(${style})~web~\";
const std::string_view kScript = R\"~web~(${script})~web~\";

}  // namespace ponder::eval::web
")
