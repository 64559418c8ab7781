// The commands that exist, for the launcher's help; app/commands.cc parses them.
#pragma once

namespace ponder::app {

inline constexpr const char* kVersion = "0.1.0";

struct CommandLine {
  const char* name;
  const char* does;
};

inline constexpr CommandLine kCommands[] = {
    {"run", "run or resume a recipe: the whole road from nothing to a report"},
    {"report", "make a run's report.html and report.json again from its rows"},
    {"doctor", "what looks wrong in a run, with a fix for each"},
    {"replay", "verdicts, rewards and advantages of an RL step again, from its records"},
    {"solve", "answer problems with a model and a search strategy; never sees gold answers"},
    {"eval", "solve and grade: accuracy with n and an interval"},
    {"scaling", "accuracy against test-time tokens of many search strategies, with what lies behind it"},
    {"tree", "show a search tree that solve or eval --dump wrote, here or as a page that replays it"},
    {"generate", "sample text from a model"},
    {"score", "log-probability of each token given those before it"},
    {"logits", "logits of every position, as a safetensors file"},
    {"tokenize", "text to ids and back"},
    {"chat-template", "render a conversation by a model's chat template, as text and ids"},
    {"info", "what a model or a run is"},
    {"convert", "a model in another file format or number format"},
    {"verify", "grade given answers with a task's strict verifier"},
    {"problems", "write problems of a task's split as JSON lines"},
    {"loss", "one loss and its gradient on given numbers, without a model"},
    {"bench", "speed of the hot paths on this machine"},
};

}  // namespace ponder::app
