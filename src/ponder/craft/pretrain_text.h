// Pre-training documents in the words of the tasks: arithmetic, checks, repairs, goal-free play, programs with
// their traces, small dialogues with every behaviour in miniature, logic and tables. Called by the pretrain recipe.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/base/rng.h"
#include "ponder/core/example.h"

namespace ponder::craft {

enum class Domain { kEquations, kChecks, kRepairs, kPlay, kPrograms, kDialogue, kLogic, kTables };
inline constexpr int kDomains = 8;
const char* domain_name(Domain domain);  // "equations", …

struct PretrainOptions {
  // p(domain) ∝ its weight; a document of any domain has about 40 tokens.
  double equations = 0.22, checks = 0.10, repairs = 0.10, play = 0.14, programs = 0.10, dialogue = 0.24, logic = 0.05,
         tables = 0.05;
  std::string program_style = "traces";
  void fields(base::Fields& f);
};

struct PretrainDocument {
  Domain domain = Domain::kEquations;
  core::Example text;  // all weights 1, but 0 for the first token and for planted slips
};

// Depends on options and key alone; ends with "end" and shows no held-out instance.
PretrainDocument make_pretrain_document(const PretrainOptions& options, base::RngKey key);
core::Tokens pretrain_document(const PretrainOptions& options, base::RngKey key);  // its tokens

// What a pre-training set was made of.
class PretrainManifest {
 public:
  void add(const PretrainDocument& document);
  base::Json to_json() const;  // {"equations":{"documents":n,"tokens":n},…}

 private:
  struct Count {
    int64_t documents = 0, tokens = 0;
  };
  std::array<Count, kDomains> counts_{};
};

}  // namespace ponder::craft
