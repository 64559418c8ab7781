# Records of rollouts are kept as zstd frames. No CMake package: Ubuntu 22.04's libzstd-dev has none.
find_path(ZSTD_INCLUDE zstd.h REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
target_include_directories(ponder_store SYSTEM PRIVATE ${ZSTD_INCLUDE})
target_link_libraries(ponder_store PRIVATE ${ZSTD_LIBRARY})
# Data of users may be gzip.
find_path(ZLIB_INCLUDE zlib.h REQUIRED)
find_library(ZLIB_LIBRARY z REQUIRED)
target_include_directories(ponder_store SYSTEM PRIVATE ${ZLIB_INCLUDE})
target_link_libraries(ponder_store PRIVATE ${ZLIB_LIBRARY})
# The optional reader of Parquet files. Off, nothing of Arrow is looked for and nothing of it is linked.
if(PONDER_PARQUET)
  include(${CMAKE_SOURCE_DIR}/cmake/arrow.cmake)
  target_compile_definitions(ponder_store PRIVATE PONDER_PARQUET)
  target_link_libraries(ponder_store PRIVATE ponder_parquet ponder_arrow)
endif()
