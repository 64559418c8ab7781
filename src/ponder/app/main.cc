// The `ponder` launcher: answers --help and --version at once and loads the commands (and with them LibTorch, 0.2 s)
// only when one is run.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "ponder/app/command_table.h"
#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/base/log.h"
#include "ponder/base/stop.h"

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
      "MODEL is a run directory (its newest policy and critic), one of its checkpoints, a Hugging Face directory\n"
      "or a GGUF file.\n"
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

// Huge pages for what is allocated: training and sampling pass over the same hundreds of megabytes again and again, and
// translating addresses page by page is up to a tenth of that. glibc hears of it only when a program begins, so this
// one begins once more (`GLIBC_TUNABLES= ponder …` prevents it, for debuggers that lose sight then); where that fails,
// or the user has tunables of their own, it goes on as it is.
void ask_for_huge_pages(char** argv) {
#if defined(__GLIBC__)
  constexpr const char* kVariable = "GLIBC_TUNABLES";
  constexpr std::string_view kHugePages = "glibc.malloc.hugetlb=1";
  if (const char* set = std::getenv(kVariable)) {
    if (set == kHugePages)
      ::unsetenv(kVariable);  // begun once more; programs that this one starts choose for themselves
    return;
  }
  if (::getauxval(AT_SECURE)) return;  // there the loader takes the variable away again
  std::error_code failed;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed || ::setenv(kVariable, kHugePages.data(), 1) != 0) return;
  ::execv(self.c_str(), argv);
#endif
}

// libponder_commands.so lies beside the program, or in ../lib of an installation.
int run_in_library(int argc, char** argv) {
  base::hold_stop_signals();  // loading takes a moment, in which Ctrl-C would end the program without a word
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

int run(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h" || first == "help") {
    print_help();
    return argc > 1 ? 0 : 2;
  }
  if (first == "--version") {
    const bool json = argc > 2 && std::strcmp(argv[2], "--json") == 0;
    std::printf(json ? "{\"version\":\"%s\"}\n" : "ponder %s\n", kVersion);
    return 0;
  }
  if (!known_command(first)) return unknown_command(first);
  ask_for_huge_pages(argv);
  try {
    return run_in_library(argc, argv);
  } catch (const std::exception& e) {
    base::log_error(e.what());
    return 1;
  }
}

// Where standard output is closed, the next file to be opened would take its number and receive the results. This keeps
// the number busy and can only be read, so that writing to it still fails.
void keep_output_number() {
  if (::fcntl(STDOUT_FILENO, F_GETFD) < 0) (void)!::open("/dev/null", O_RDONLY);
}

// A result that nobody can read is no success: the last bytes leave the program only here.
int with_output_written(int status) {
  errno = 0;
  const bool is_lost = std::fflush(stdout) != 0 || std::ferror(stdout);
  if (!is_lost) return status;
  const std::string cause = errno != 0 ? base::cat(": ", std::strerror(errno)) : "";
  base::log_error(base::cat("standard output: cannot write the results", cause, "; what was printed is not whole"));
  return status == 0 || status == 1 ? exit_status(ErrorCode::kResource) : status;
}

}  // namespace
}  // namespace ponder::app

int main(int argc, char** argv) {
  ponder::app::keep_output_number();
  return ponder::app::with_output_written(ponder::app::run(argc, argv));
}
