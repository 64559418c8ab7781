// Test only: the rows of an invented run, complete enough to fill every part of a report.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "ponder/base/cat.h"
#include "ponder/base/file.h"
#include "ponder/eval/rows.h"

namespace ponder::eval {

inline base::Json synthetic_tree() {
  base::Json::Array nodes;
  auto add = [&](int parent, const char* text, double value, int visits, bool path, bool pruned, bool terminal) {
    base::Json node = base::Json::object();
    node["id"] = static_cast<int>(nodes.size());
    node["parent"] = parent;
    node["text"] = text;
    node["value"] = parent < 0 ? base::Json() : base::Json(value);
    node["visits"] = visits;
    node["mean"] = visits > 0 ? base::Json(value * 0.95) : base::Json();
    node["prior"] = parent < 0 ? 0.0 : 0.25;
    node["logp"] = parent < 0 ? 0.0 : -1.25;
    node["pruned"] = pruned;
    node["terminal"] = terminal;
    node["answered"] = terminal && !pruned;
    node["rollout"] = false;
    node["order"] = static_cast<int>(nodes.size());
    node["path"] = path;
    nodes.push_back(std::move(node));
    return static_cast<int>(nodes.size()) - 1;
  };
  const int root = add(-1, "", 0, 24, true, false, false);
  const int goal = add(root, "goal 18 below ;", 0.41, 23, true, false, false);
  const int plus = add(goal, "try 13 + 2 = 15 , 15 8 ;", 0.22, 5, false, false, false);
  const int plus_end = add(plus, "15 + 8 = 23 ? 18 no ;", 0.08, 2, false, true, false);
  add(plus_end, "stop end", 0, 1, false, true, true);
  add(plus, "15 - 8 = 7 ? 18 no ;", 0.09, 2, false, true, false);
  const int times = add(goal, "try 13 * 2 = 26 , 26 8 ;", 0.83, 14, true, false, false);
  const int minus = add(times, "26 - 8 = 18 ? 18 yes ;", 0.97, 11, true, false, false);
  add(minus, "ans 13 * 2 ; 26 - 8 end", 0.99, 9, true, false, true);
  add(times, "26 + 8 = 34 ? 18 no ;", 0.12, 2, false, false, false);
  add(goal, "try 8 - 2 = 6 , 6 13 ;", 0.18, 3, false, false, false);
  base::Json tree = base::Json::object();
  tree["nodes"] = std::move(nodes);
  return tree;
}

inline Estimate synthetic_accuracy(double value, int64_t n) {
  return {.value = value, .std_error = std::sqrt(value * (1 - value) / n), .ci = wilson_interval(value * n, n), .n = n};
}

class SyntheticRun {
 public:
  explicit SyntheticRun(bool with_rl = true) {
    add(RunRow{"laptop", 7, "00c0ffee00c0ffee", "0.1.0", "cpu", 2, 1063000});
    add(DataRow{"countdown3", 290000, 1800, 6100, 0, "multisets of numbers held out by hash"});
    add(DataRow{"countdown4", 880000, 9000, 30200, 0, "multisets of numbers held out by hash"});
    add(DataRow{"vm3", 410000, 3600, 12800, 0, "bags of instructions held out by hash"});
    add(LedgerRow{"pretrain", 101.5, 1'900'000, 1.21e13});
    add(LedgerRow{"sft", 162.2, 2'450'000, 1.56e13});
    for (int64_t step = 0; step <= 400; step += 10)
      add(TrainRow{"sft", step, step * 6000, 0.4 + 2.2 * std::exp(-step / 60.0), 1.0, 3e-3, 14000});
    accuracy("sft", 200, 3'100'000, 2.0e13, {0.31, 0.12, 0.22}, 40);
    accuracy("sft", 400, 4'350'000, 2.8e13, {0.475, 0.16, 0.34}, 42);
    if (with_rl) add_rl();
  }

  const std::vector<base::Json>& rows() const { return rows_; }
  template <class Row>
  void add(const Row& row) {
    rows_.push_back(to_json(row));
  }

  // A run directory as a run leaves it.
  void write(const std::string& dir) const {
    base::make_directories(dir);
    std::string lines;
    for (const auto& row : rows_) lines += row.dump() + "\n";
    base::write_file_atomic(base::join_path(dir, "metrics.jsonl"), lines);
    base::write_file_atomic(base::join_path(dir, "config.yaml"), "seed: 7\nrl:\n  steps: 80\n  lr: 0.0001\n");
  }

 private:
  static constexpr const char* kTasks[3] = {"countdown3", "countdown4", "vm3"};

  void accuracy(const char* stage, int64_t step, int64_t tokens, double flops, std::vector<double> values,
                double length) {
    for (size_t t = 0; t < values.size(); ++t) {
      AccuracyRow row{.stage = stage, .task = kTasks[t], .step = step, .tokens = tokens, .flops = flops};
      row.seconds = static_cast<double>(tokens) / 12000;
      row.accuracy = synthetic_accuracy(values[t], 200);
      row.thought_tokens = length * (1 + 0.3 * t);
      row.behaviours = {{"tries", length / 22},
                        {"backs", length / 130},
                        {"checks", length / 20},
                        {"corrections", 0.02},
                        {"gave_up", 20 / length}};
      add(row);
    }
  }

  void add_rl() {
    for (int64_t step = 1; step <= 80; ++step) {
      RlRow row{.step = step, .tokens = step * 23000};
      const double done = 1 - std::exp(-step / 22.0), wave = 0.02 * std::sin(step * 1.7);
      row.reward = 0.19 + 0.38 * done + wave;
      row.kl = 0.055 * done + 0.1 * std::abs(wave);
      row.entropy = 0.52 - 0.22 * done + wave;
      row.length = 48 + 40 * done + 100 * wave;
      row.groups_kept = 0.57 + wave;
      row.logp_gap = 0;
      add(row);
      if (step % 10 == 0) {
        const double three = 0.475 + 0.27 * done, four = 0.16 + 0.01 * done, vm = 0.34 + 0.22 * done;
        accuracy("rl", step, 4'350'000 + row.tokens, 2.8e13 + 1.1e11 * step, {three, four, vm}, 42 + 45 * done);
      }
    }
    add(LedgerRow{"critic", 31.0, 610'000, 3.9e12});
    add(LedgerRow{"rl", 181.7, 1'840'000, 8.8e12});
    add(LedgerRow{"search", 74.4, 1'120'000, 2.4e12});
    add_search();
    const std::pair<const char*, double> gains[] = {{"countdown3", 0.263}, {"countdown4", 0.01}, {"vm3", 0.214}};
    for (const auto& [task, gain] : gains) {
      const bool four = std::string(task) == "countdown4";
      add(CompareRow{"rl-sft",
                     task,
                     "greedy after RL minus greedy before, same problems, bootstrap over multisets",
                     {gain, 0.034, {gain - 0.067, gain + 0.068}, 200}});
      add(ControlRow{"random reward", task, "RL with coin flips as reward: must stay at SFT",
                     synthetic_accuracy(four ? 0.145 : 0.46, 200)});
      add(ControlRow{"direct answers", task, "the same model trained without thoughts",
                     synthetic_accuracy(four ? 0.13 : 0.42, 200)});
      add(ProbeRow{task, "rl", "far_result", "no", {0.62, 0.03, {0.55, 0.68}, 200}, 0.7, 0.01, 0.4, 0.5});
      add(OutcomeRow{task, "rl", "greedy", 0, "0110"});
      add(CriticRow{task, "rl", {0.71, 0.02, {0.67, 0.75}, 1600}, 0.502, 0.06, 0.19});
    }
    add_texts();
  }

  void add_search() {
    for (int t = 0; t < 3; ++t) {
      for (const char* model : {"sft", "rl"}) {
        const double base = t == 1 ? 0.09 : 0.52, after = std::string(model) == "rl" ? 1.0 : 0.85;
        add(SearchRow{kTasks[t], model, "greedy", 1, 75.0 * after, 0, 0.004,
                      synthetic_accuracy((base + 0.2) * after, 100)});
        for (int64_t k = 1; k <= 16; k *= 2) {
          const double gain = t == 1 ? 0.06 : 0.1, tokens = 72.0 * k * after, steps = std::log2(k);
          auto row = [&](const char* name, double critic, double value) {
            add(SearchRow{kTasks[t], model, name, k, tokens, critic, 0.01 * k, synthetic_accuracy(value * after, 100)});
          };
          row("majority", 0, base + gain * steps);
          row("bon", tokens * 1.1, base + gain * 0.55 * steps);
          if (k >= 4) row("beam", tokens * 1.4, base + gain * 0.4 * steps);
          if (k >= 4) row("mcts", tokens * 1.6, base + gain * 0.7 * steps);
          add(PassAtKRow{kTasks[t], model, k, 16, tokens,
                         synthetic_accuracy(after * std::min(0.999, base + gain * 1.2 * steps), 100)});
        }
      }
    }
  }

  void add_texts() {
    const char* before = "goal 18 below ; try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 18 no ; stop end";
    const char* after =
        "goal 18 below ; try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 18 no ; back 15 8 ; 15 - 8 = 8 wait 7 ? 18 no ; "
        "try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ; ans 13 * 2 ; 26 - 8 end";
    for (int i = 0; i < 10; ++i) {
      const std::string id = base::cat("countdown3-test-", i), task = i < 8 ? "countdown3" : "countdown4";
      add(TranscriptRow{task, id, "sft", "Q 13 8 2 > 18 :", before, "", "unparsable", "gave up", 24});
      add(TranscriptRow{task, id, "rl", "Q 13 8 2 > 18 :", after, "13 * 2 ; 26 - 8", i == 4 ? "wrong" : "correct",
                        i == 4 ? "8 is used twice" : "", 61});
    }
    for (const char* strategy : {"mcts", "beam"})
      add(TreeRow{"countdown3", "countdown3-test-0", "rl", strategy, "Q 13 8 2 > 18 :", "13 * 2 ; 26 - 8", "correct",
                  412, synthetic_tree()});
    add(NoteRow{"transcripts",
                "The first ten test problems by id whose verdict or length changed most; fixed before the run."});
    add(NoteRow{"rewards", "1 for an answer that the strict verifier accepts, else 0. No format or length reward."});
    add(NoteRow{"search", "1 to 16 samples a problem, at most 192 tokens each, temperature 1."});
    add(NoteRow{"data", "Everything is generated: arithmetic, programs with traces, imperfect demonstrations."});
    add(NoteRow{"limits", "A model of a million parameters that knows two families of puzzles and nothing else."});
  }

  std::vector<base::Json> rows_;
};

}  // namespace ponder::eval
