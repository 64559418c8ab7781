# Finds Apache Arrow's C++ libraries with Parquet: PONDER_ARROW_DIR (environment or cache) first, which may be the folder of
# the Python package pyarrow or a prefix with include/ and lib/, then CMAKE_PREFIX_PATH, an importable pyarrow, the system.
# Gives the targets ponder_arrow and ponder_parquet.
set(oldest_arrow 23)
if(DEFINED ENV{PONDER_ARROW_DIR})  # kept, because a build may configure again by itself and without the environment
  set(PONDER_ARROW_DIR "$ENV{PONDER_ARROW_DIR}" CACHE PATH "Where Apache Arrow lies" FORCE)
endif()
set(arrow_places ${PONDER_ARROW_DIR})
if(NOT arrow_places)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('pyarrow').submodule_search_locations[0])"
                  OUTPUT_VARIABLE arrow_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(arrow_places ${CMAKE_PREFIX_PATH} ${arrow_package} /usr/local /usr)
endif()
find_path(arrow_include parquet/arrow/reader.h PATHS ${arrow_places} PATH_SUFFIXES include NO_DEFAULT_PATH NO_CACHE)
if(NOT arrow_include)
  message(FATAL_ERROR "PONDER_PARQUET is on and Arrow's headers (parquet/arrow/reader.h) were not found in ${arrow_places}. "
                      "`pip install pyarrow` brings them: set PONDER_ARROW_DIR to the folder that "
                      "`python3 -c 'import pyarrow; print(pyarrow.__path__[0])'` prints, or to a prefix with include/ and lib/")
endif()
file(STRINGS ${arrow_include}/arrow/util/config.h arrow_lines REGEX "ARROW_(VERSION_STRING|SO_VERSION)")
string(REGEX MATCH "ARROW_VERSION_STRING \"([0-9.]+)" unused "${arrow_lines}")
set(arrow_version ${CMAKE_MATCH_1})
string(REGEX MATCH "ARROW_SO_VERSION \"([0-9]+)" unused "${arrow_lines}")
set(arrow_so ${CMAKE_MATCH_1})
if(arrow_version VERSION_LESS oldest_arrow)
  message(FATAL_ERROR "The Arrow in ${arrow_include} is version ${arrow_version}; ${oldest_arrow} or newer is needed")
endif()
get_filename_component(arrow_root ${arrow_include} DIRECTORY)
foreach(name arrow parquet)
  # A wheel has no lib….so, only the name with the version.
  find_library(library_${name} NAMES lib${name}.so.${arrow_so} PATHS ${arrow_root} NO_DEFAULT_PATH NO_CACHE
               PATH_SUFFIXES . lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE})
  if(NOT library_${name})
    message(FATAL_ERROR "${arrow_root} has Arrow ${arrow_version}'s headers, but no lib${name}.so.${arrow_so}")
  endif()
  add_library(ponder_${name} SHARED IMPORTED GLOBAL)
  set_target_properties(ponder_${name} PROPERTIES IMPORTED_LOCATION ${library_${name}}
                                                  INTERFACE_INCLUDE_DIRECTORIES ${arrow_include})
endforeach()
message(STATUS "Arrow ${arrow_version} in ${arrow_root}")
