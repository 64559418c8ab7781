// The table of searches by name: what `--search NAME key=value…` and recipes choose from.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/search/search.h"

namespace ponder::search {

// A search with its options. One object serves any number of searches of one thread at a time.
class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string name() const = 0;
  virtual base::AnyOptions options() = 0;                    // for read_fields, override_field, to_yaml, …
  virtual core::Task<NodeId> run(Search& search) const = 0;  // the node of the chosen completion
  // The same in a search that another strategy has begun, whose seed and answers stay.
  virtual core::Task<NodeId> go_on(Search& search) const = 0;
  virtual void settle() = 0;             // reads what its options name, once they are complete; their errors
  virtual bool asks_second() const = 0;  // whether it has a use for Ports::second, with the options that it has
};

// Error(kUsage) with the nearest name for an unknown one.
std::unique_ptr<Strategy> make_strategy(const std::string& name);
// The same with options as on the command line: {"n=16", "temperature=0.7"}.
std::unique_ptr<Strategy> make_strategy(const std::string& name, const std::vector<std::string>& assignments);

std::vector<std::string> strategy_names();
std::string strategies_help();  // a line a search and its options, for --help

}  // namespace ponder::search
