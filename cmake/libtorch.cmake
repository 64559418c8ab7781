# Finds LibTorch: Torch_DIR / CMAKE_PREFIX_PATH first, then PONDER_TORCH_DIR (environment), then what bootstrap.sh fetched,
# then an importable torch. Gives the target ponder_libtorch.
set(torch_places ${Torch_DIR} ${CMAKE_PREFIX_PATH})
foreach(variable PONDER_TORCH_DIR Torch_DIR CMAKE_PREFIX_PATH)
  if(DEFINED ENV{${variable}})
    string(REPLACE ":" ";" places "$ENV{${variable}}")
    list(APPEND torch_places ${places})
  endif()
endforeach()
list(APPEND torch_places ${CMAKE_SOURCE_DIR}/.deps/libtorch)  # where scripts/bootstrap.sh puts it
set(torch_below share/cmake/Torch Torch torch/share/cmake/Torch)
find_path(PONDER_TORCH_CONFIG TorchConfig.cmake PATHS ${torch_places} PATH_SUFFIXES ${torch_below} NO_DEFAULT_PATH NO_CACHE)
if(NOT PONDER_TORCH_CONFIG)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                  OUTPUT_VARIABLE torch_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_path(PONDER_TORCH_CONFIG TorchConfig.cmake PATHS ${torch_package} PATH_SUFFIXES ${torch_below} NO_CACHE)
endif()
if(NOT PONDER_TORCH_CONFIG)
  message(FATAL_ERROR "LibTorch was not found. `make build` fetches it; or set PONDER_TORCH_DIR to a folder that holds "
                      "TorchConfig.cmake, or build only the plain rooms with -DPONDER_TORCH=OFF")
endif()

set(oldest_torch 2.11)
set(PACKAGE_FIND_VERSION ${oldest_torch})  # what TorchConfigVersion.cmake judges itself against
include(${PONDER_TORCH_CONFIG}/TorchConfigVersion.cmake)
if(PACKAGE_VERSION VERSION_LESS oldest_torch)
  message(FATAL_ERROR "The LibTorch in ${PONDER_TORCH_CONFIG} is version ${PACKAGE_VERSION}; ${oldest_torch} or newer is needed")
endif()
get_filename_component(torch_root ${PONDER_TORCH_CONFIG}/../../.. ABSOLUTE)

add_library(ponder_libtorch INTERFACE)
target_compile_definitions(ponder_libtorch INTERFACE AT_PER_OPERATOR_HEADERS)
if(EXISTS ${torch_root}/lib/libtorch_cuda.so)
  # The CMake files of a CUDA build demand the CUDA toolkit, though plain C++ on ATen needs none of it: a wheel brings its
  # own runtime. So the libraries are named here; those that register kernels must stay though no symbol of theirs is used.
  message(STATUS "LibTorch ${PACKAGE_VERSION} with CUDA in ${torch_root}")
  target_include_directories(ponder_libtorch SYSTEM INTERFACE ${torch_root}/include
                                                              ${torch_root}/include/torch/csrc/api/include)
  target_link_libraries(ponder_libtorch INTERFACE ${torch_root}/lib/libc10.so ${torch_root}/lib/libtorch_cpu.so
                        -Wl,--no-as-needed ${torch_root}/lib/libtorch_cuda.so ${torch_root}/lib/libtorch.so -Wl,--as-needed
                        -Wl,--allow-shlib-undefined)
else()
  message(STATUS "LibTorch ${PACKAGE_VERSION} in ${torch_root}")
  set(Torch_DIR ${PONDER_TORCH_CONFIG})
  find_package(Torch ${oldest_torch} REQUIRED)
  target_include_directories(ponder_libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  target_link_libraries(ponder_libtorch INTERFACE ${TORCH_LIBRARIES})
  # LibTorch's CMake file sets global flags in some builds; the ABI flag is the one that matters.
  separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
  target_compile_options(ponder_libtorch INTERFACE ${torch_flags})
endif()
