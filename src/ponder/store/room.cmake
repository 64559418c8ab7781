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
