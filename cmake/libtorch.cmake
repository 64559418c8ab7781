# Finds LibTorch: Torch_DIR / CMAKE_PREFIX_PATH first, then PONDER_TORCH_DIR (environment), then what bootstrap.sh fetched,
# then an importable torch.
if(NOT Torch_DIR AND DEFINED ENV{PONDER_TORCH_DIR})
  list(APPEND CMAKE_PREFIX_PATH $ENV{PONDER_TORCH_DIR})
endif()
list(APPEND CMAKE_PREFIX_PATH ${CMAKE_SOURCE_DIR}/.deps/libtorch/torch)  # where scripts/bootstrap.sh puts it
find_package(Torch 2.11 QUIET)
if(NOT Torch_FOUND)
  execute_process(COMMAND python3 -c "import torch; print(torch.utils.cmake_prefix_path)"
                  OUTPUT_VARIABLE torch_prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    list(APPEND CMAKE_PREFIX_PATH ${torch_prefix})
    find_package(Torch 2.11 QUIET)
  endif()
endif()
if(NOT Torch_FOUND)
  message(FATAL_ERROR "LibTorch was not found. `make build` fetches it; or set PONDER_TORCH_DIR to a folder that holds "
                      "TorchConfig.cmake, or build only the plain rooms with -DPONDER_TORCH=OFF")
endif()
message(STATUS "LibTorch ${Torch_VERSION} in ${Torch_DIR}")
add_library(ponder_libtorch INTERFACE)
target_include_directories(ponder_libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_compile_definitions(ponder_libtorch INTERFACE AT_PER_OPERATOR_HEADERS)
target_link_libraries(ponder_libtorch INTERFACE ${TORCH_LIBRARIES})
# LibTorch's CMake file sets global flags in some builds; the ABI flag is the one that matters.
separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(ponder_libtorch INTERFACE ${torch_flags})
