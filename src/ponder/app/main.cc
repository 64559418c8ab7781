// The `ponder` launcher: answers --help and --version at once and loads the commands (and with them LibTorch, 0.2 s)
// only when one is run.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "ponder/app/command_table.h"
#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/base/log.h"

namespace ponder::app {
namespace {

void print_help() {
  std::printf(
      "ponder %s: from a language model to an o1-like reasoner in one program\n"
      "\n"
      "usage: ponder COMMAND [options]        ponder COMMAND --help says more\n"
      "\n",
      kVersion);
  for (const CommandLine& c : kCommands) std::printf("  %-14s %s\n", c.name, c.does);
  std::printf(
      "\n"
      "MODEL is a run directory (its newest policy and critic) or one of its checkpoints.\n"
      "Every command takes --json (results as JSON on standard output, messages on standard error).\n"
      "Exit status: 0 fine, 1 some rows failed, 2 bad usage or configuration, 3 bad input file, 4 not enough memory or "
      "disk,\n             130 stopped by the user (run the same command again to go on).\n");
}

bool known_command(const std::string& name) {
  for (const CommandLine& c : kCommands)
    if (name == c.name) return true;
  return false;
}

int unknown_command(const std::string& name) {
  std::vector<std::string> names;
  for (const CommandLine& c : kCommands) names.emplace_back(c.name);
  const std::string near = base::nearest_name(name, names);
  base::log_error(base::cat("unknown command \"", name, "\"",
                            near.empty() ? "" : base::cat("; did you mean \"", near, "\"?"),
                            "; `ponder --help` lists them all"));
  return 2;
}

// libponder_commands.so lies beside the program, or in ../lib of an installation.
int run_in_library(int argc, char** argv) {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  void* library = nullptr;
  std::string tried;
  for (const auto& path : {here / "libponder_commands.so", here / ".." / "lib" / "libponder_commands.so"}) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library) break;
    const char* reason = dlerror();
    tried += base::cat("\n  ", reason ? reason : path.c_str());
  }
  using Entry = int (*)(int, char**);
  const auto entry = library ? reinterpret_cast<Entry>(dlsym(library, "ponder_command_main")) : nullptr;
  if (!entry) {
    base::log_error("the commands could not be loaded; build them with `make build`" + tried);
    return 2;
  }
  return entry(argc, argv);
}

}  // namespace
}  // namespace ponder::app

int main(int argc, char** argv) {
  using namespace ponder::app;
  const std::string first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h" || first == "help") {
    print_help();
    return argc > 1 ? 0 : 2;
  }
  if (first == "--version") {
    std::printf("ponder %s\n", kVersion);
    return 0;
  }
  if (!known_command(first)) return unknown_command(first);
  try {
    return run_in_library(argc, argv);
  } catch (const std::exception& e) {
    ponder::base::log_error(e.what());
    return 1;
  }
}
