# Large JSON files are read by simdjson. No CMake package: not every distribution's libsimdjson-dev has one.
find_path(SIMDJSON_INCLUDE simdjson.h REQUIRED)
find_library(SIMDJSON_LIBRARY simdjson REQUIRED)
target_include_directories(ponder_base SYSTEM PRIVATE ${SIMDJSON_INCLUDE})
target_link_libraries(ponder_base PRIVATE ${SIMDJSON_LIBRARY})
