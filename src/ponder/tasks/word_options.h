// How a model that writes words is asked, and where its answers stand: the knobs of WordCodec, for recipes and
// commands.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"

namespace ponder::tasks {

struct WordOptions {
  std::string style = "auto";
  int64_t shots = 8;
  std::string examples = {};
  std::string answer = "auto";
  std::string ask = "auto";
  std::string system = {};
  std::vector<std::string> stop = {};

  void fields(base::Fields& f) {
    f.field("style", style,
            {.help = "plain: \"Question: …\\nAnswer:\", as a model is trained on solutions; few-shot: worked examples "
                     "before that; chat: the model's chat template; auto: chat where the model has a template, else "
                     "few-shot",
             .choices = {"auto", "plain", "few-shot", "chat"}});
    f.field("shots", shots, {.min = 0, .unit = "examples", .help = "few-shot: how many worked examples, at most"});
    f.field(
        "examples", examples,
        {.help = "few-shot: FILE.jsonl with rows {\"question\", \"solution\"}; empty: word problems of ponder's own"});
    f.field(
        "answer", answer,
        {.help = "where the answer stands: boxed (\\boxed{12}), hashes (#### 12), whole (either, or nothing but the "
                 "answer), lenient (also a phrase, or the last number); auto: as the problem's task says",
         .choices = {"auto", "boxed", "hashes", "whole", "lenient"}});
    f.field("ask", ask,
            {.help = "chat: what is said behind a question; auto: for math tasks, where the answer should stand; none: "
                     "nothing"});
    f.field("system", system, {.help = "chat: the system message; empty: none"});
    f.field("stop", stop, {.help = "texts that end a completion, beside the model's end token"});
  }
};

}  // namespace ponder::tasks
