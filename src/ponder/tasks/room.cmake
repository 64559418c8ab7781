# Math answers are judged in exact arithmetic and in intervals. No CMake package: none of the distributions has one.
find_path(GMP_INCLUDE gmpxx.h REQUIRED)
find_library(GMP_LIBRARY gmp REQUIRED)
find_library(GMPXX_LIBRARY gmpxx REQUIRED)
find_path(MPFR_INCLUDE mpfr.h REQUIRED)
find_library(MPFR_LIBRARY mpfr REQUIRED)
target_include_directories(ponder_tasks SYSTEM PRIVATE ${GMP_INCLUDE} ${MPFR_INCLUDE})
target_link_libraries(ponder_tasks PRIVATE ${MPFR_LIBRARY} ${GMPXX_LIBRARY} ${GMP_LIBRARY})
