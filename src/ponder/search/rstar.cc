// rStar (Qi et al. 2024, arXiv 2408.06195): a small model searches among five human-like actions, and the answer is one
// that is found again when its reasoning is covered up.
//
//   A1 one step more      A2 all the rest              A3 the next simpler question, and its answer
//   A4 that question answered once more                A5 the problem in other words
//
// One simulation: down by UCT to a state with an untried action, try it, write the rest several times behind what it
// gave; the value is how well those answers agree with all that were found so far. Then the discriminator (§3.2): of
// the leading answers the beginning is kept, between a fifth and four fifths of it, the rest is written anew; an answer
// counts as often as it comes back.
// As in the paper the discriminator is a second model where there is one (Ports::second); otherwise the model itself
// finds again. The paper's program takes the gold answer into the choice of the winner; here nothing knows gold.
#include <algorithm>
#include <cmath>
#include <map>

#include "ponder/search/algorithms.h"
#include "ponder/search/parts.h"

namespace ponder::search {
namespace {

enum Action { kStep = 1, kRest, kQuestion, kAgain, kRephrase };

struct State {
  Arm arm;
  Action by = kStep;
  NodeId node = kRoot;                     // what is written stands behind it …
  core::Tokens prompt = {};                // … or, when this is not empty, behind a prompt of its own
  std::string known = {};                  // questions and answers, the last one included
  std::string before = {}, question = {};  // known before the last one, and it
  std::string problem = {};                // in other words, when it is not empty
  int64_t parts = 0;                       // questions answered
  std::vector<Action> untried = {};
};

class Explorer {
 public:
  Explorer(Search& search, const RstarOptions& options) : search_(search), options_(options) {
    State root;
    root.untried = actions_of(root, true);
    states_.push_back(std::move(root));
  }

  // One simulation; false: the budget is spent, or there is nothing to try.
  core::Task<bool> simulate() {
    size_t s = select();
    while (!states_[s].untried.empty()) {
      const Action action = states_[s].untried.front();
      states_[s].untried.erase(states_[s].untried.begin());
      auto acting = act(s, action);
      const int64_t made = co_await acting;
      if (made == kSpent) co_return false;
      if (made >= 0) {
        s = static_cast<size_t>(made);
        break;
      }
      if (states_[s].untried.empty()) s = select();  // nothing came of its last one: down to what there is
    }
    if (s == 0) co_return false;
    auto evaluating = evaluate(s);
    const double value = co_await evaluating;
    if (value >= 0) back_up(s, value);
    co_return value >= 0;
  }

  // A simulation that comes to an end which is there already asks for nothing, and must not wait for it either: a tree
  // that is worked through sees thousands of them. False: this one is not such.
  bool simulate_known() {
    const size_t s = select();
    if (!states_[s].untried.empty() || !is_end(states_[s])) return false;
    back_up(s, agreement({states_[s].node}));
    return true;
  }

 private:
  static constexpr int64_t kSpent = -1, kNothing = -2;

  bool is_end(const State& s) const { return s.prompt.empty() && s.node != kRoot && search_.tree()[s.node].terminal; }

  // What may follow (table 1 of the paper): a problem in other words is still to be solved in full, behind a step
  // nothing but steps and the rest makes sense, only a question that was just answered can be answered again.
  std::vector<Action> actions_of(const State& s, bool root) const {
    if (is_end(s)) return {};
    const auto has = [&](Action a) {
      return options_.actions.find(static_cast<char>('0' + a)) != std::string::npos &&
             (a <= kRest || search_.can_ask());
    };
    const bool in_steps = !root && s.by == kStep;
    std::vector<Action> actions;
    for (int64_t draw = 0; draw < options_.width; ++draw) {
      if (has(kStep)) actions.push_back(kStep);
      if (has(kRest)) actions.push_back(kRest);
      if (has(kQuestion) && !in_steps && s.parts < options_.parts) actions.push_back(kQuestion);
      if (has(kAgain) && draw == 0 && s.by == kQuestion) actions.push_back(kAgain);
      if (has(kRephrase) && draw == 0 && root) actions.push_back(kRephrase);
    }
    return actions;
  }

  // A state is opened whole before it is passed: one action a visit.
  size_t select() const {
    size_t s = 0;
    while (states_[s].untried.empty()) {
      size_t best = 0;
      double highest = -1;
      for (size_t c = s + 1; c < states_.size(); ++c) {
        if (states_[c].arm.parent != static_cast<int64_t>(s)) continue;
        const double score = uct(states_[c].arm, states_[s].arm, options_.c_uct);
        if (score > highest) best = c, highest = score;
      }
      if (best == 0) break;  // an end
      s = best;
    }
    return s;
  }

  Growth growth(bool by_step) const {
    Growth growth = whole_answers(options_.params(), Scoring::kNothing);
    growth.by_step = by_step;  // equal steps stay apart: how often one is drawn is what the model thinks of it
    growth.step_tokens = options_.step_tokens;
    return growth;
  }

  core::Task<std::vector<NodeId>> write(size_t s, int64_t count, Growth growth) {
    const auto n = static_cast<size_t>(count);
    std::vector<NodeId> parents(n, states_[s].node);
    std::vector<core::Tokens> prompts(n, states_[s].prompt);
    return states_[s].prompt.empty() ? search_.extend(std::move(parents), std::move(growth))
                                     : search_.start(std::move(parents), std::move(prompts), std::move(growth));
  }

  // The number of the state that an action led to.
  core::Task<int64_t> act(size_t s, Action action) {
    State next;
    next.arm.parent = static_cast<int64_t>(s);
    next.by = action;
    next.known = states_[s].known, next.problem = states_[s].problem, next.parts = states_[s].parts;
    next.node = states_[s].node;
    if (action == kStep || action == kRest) {
      auto writing = write(s, 1, growth(action == kStep));
      const std::vector<NodeId> nodes = co_await writing;
      next.node = nodes[0];
      if (next.node == kNoNode) co_return kSpent;
    } else {
      bool paid = true;
      auto asking = ask(next, s, action, &paid);
      const bool asked = co_await asking;
      if (!paid) co_return kSpent;
      if (!asked) co_return kNothing;
      next.prompt = search_.prompt_of({core::Ask::kConclude, {next.known, next.problem}});
      if (next.prompt.empty()) co_return kNothing;
    }
    next.untried = actions_of(next, false);
    states_.push_back(std::move(next));
    co_return static_cast<int64_t>(states_.size()) - 1;
  }

  // Fills in what a reply gave; false: nothing that leads on.
  core::Task<bool> ask(State& next, size_t s, Action action, bool* paid) {
    if (action == kRephrase) {
      auto asking = ask_one(search_, {core::Ask::kRephrase, {}}, options_.params(), options_.question_tokens, paid);
      next.problem = co_await asking;
      co_return next.problem.find_first_not_of(" \n") != std::string::npos;
    }
    next.before = action == kAgain ? states_[s].before : states_[s].known;
    next.question = states_[s].question;
    if (action == kQuestion) {
      auto asking = ask_one(search_, {core::Ask::kNext, {next.before, next.problem}}, options_.params(),
                            options_.question_tokens, paid);
      const std::string reply = co_await asking;
      const std::vector<std::string> questions = questions_of(reply, 1);
      if (questions.empty()) co_return false;
      next.question = questions[0];
      next.parts += 1;
    }
    auto answering = ask_one(search_, {core::Ask::kPart, {next.before, next.question, next.problem}}, options_.params(),
                             options_.part_tokens, paid);
    const std::string answer = co_await answering;
    next.known = with_part(next.before, next.question, answer);
    co_return true;
  }

  // In the tree too, whose nodes are the states of steps; behind a question several states share one node.
  void back_up(size_t from, double value) {
    search_.tree().back_up(states_[from].node, static_cast<float>(value));
    for (auto s = static_cast<int64_t>(from); s >= 0; s = states_[static_cast<size_t>(s)].arm.parent) {
      Arm& arm = states_[static_cast<size_t>(s)].arm;
      arm.visits += 1, arm.sum += value;
    }
  }

  // The share of all answers so far that these ends have, in the mean.
  double agreement(const std::vector<NodeId>& ends) const {
    double shares = 0;
    for (NodeId end : ends)
      if (const auto& answer = answer_of(end)) shares += search_.share_of_votes(*answer);
    return shares / static_cast<double>(ends.size());
  }

  // How well what follows agrees with all answers so far; negative: the budget cannot pay for it.
  core::Task<double> evaluate(size_t s) {
    std::vector<NodeId> ends = {states_[s].node};
    if (!is_end(states_[s])) {
      Growth to_the_end = growth(false);
      to_the_end.rollout = true;
      auto writing = write(s, options_.rollouts, std::move(to_the_end));
      ends = co_await writing;
    }
    if (ends[0] == kNoNode) co_return -1;
    std::erase(ends, kNoNode);
    co_return agreement(ends);
  }

  const std::optional<std::string>& answer_of(NodeId node) const {
    return search_.candidates()[static_cast<size_t>(search_.tree()[node].candidate)].answer;
  }

  Search& search_;
  const RstarOptions& options_;
  std::vector<State> states_;
};

// The answers that lead, at most `most` of them, each with its candidates.
std::vector<std::vector<NodeId>> leading_answers(const Search& search, int64_t most) {
  std::vector<std::vector<NodeId>> groups;
  std::map<std::string, size_t> group_of;
  for (const Candidate& c : search.candidates()) {
    if (!c.answer) continue;
    const auto [known, fresh] = group_of.emplace(*c.answer, groups.size());
    if (fresh) groups.emplace_back();
    groups[known->second].push_back(c.node);
  }
  std::ranges::stable_sort(groups, std::greater<>(), &std::vector<NodeId>::size);
  if (static_cast<int64_t>(groups.size()) > most) groups.resize(static_cast<size_t>(most));
  return groups;
}

bool has_an_answer(const Candidate& c) { return c.answer.has_value(); }

// A leading answer, and how often it came back.
struct Finalist {
  std::vector<NodeId> nodes;
  double found = 0, written = 0;
};

// Covers each leading answer up once a round, until that was done often enough or the budget is spent.
core::Task<bool> discriminate(Search& search, const RstarOptions& options) {
  std::vector<Finalist> finalists;
  for (std::vector<NodeId>& nodes : leading_answers(search, options.finalists)) finalists.push_back({std::move(nodes)});
  const Tree& tree = search.tree();
  const int64_t rounds = search.goal(options.checks, 4);
  bool paid = !finalists.empty();
  for (int64_t round = 0; round < rounds && paid; ++round) {
    std::vector<Search::Cut> cuts;
    for (const Finalist& f : finalists) {
      const NodeId node = f.nodes[static_cast<size_t>(round) % f.nodes.size()];
      const double kept = 0.2 + 0.6 * base::uniform_at(tree[node].key.child("cover"), static_cast<uint64_t>(round));
      cuts.push_back({node, static_cast<int64_t>(kept * tree[node].path_length)});
    }
    const int64_t generated = search.usage().generated;
    auto writing = search.write_on(cuts, options.params(), core::Writer::kSecond);
    const std::vector<NodeId> ends = co_await writing;
    for (size_t i = 0; i < ends.size() && ends[i] != kNoNode; ++i) {
      core::Tokens whole = tree.path_tokens(cuts[i].node);
      whole.resize(static_cast<size_t>(cuts[i].tokens));
      const core::TokenSpan rest = tree.tokens(ends[i]);
      whole.insert(whole.end(), rest.begin(), rest.end());
      const auto again = search.codec().answer(search.problem(), whole);
      const Candidate& was = search.candidates()[static_cast<size_t>(tree[cuts[i].node].candidate)];
      finalists[i].written += 1, finalists[i].found += again && again == was.answer;
    }
    paid = ends.back() != kNoNode && search.usage().generated > generated;
  }
  const auto all = static_cast<double>(std::ranges::count_if(search.candidates(), &has_an_answer));
  for (const Candidate& c : search.candidates())
    if (c.answer) search.judge(c.node, 0, false);  // no finalist
  for (const Finalist& f : finalists)
    for (NodeId node : f.nodes)
      search.judge(node, f.written > 0 ? static_cast<double>(f.nodes.size()) / all * f.found / f.written : 0, false);
  co_return true;
}

}  // namespace

core::Task<NodeId> run_rstar(Search& search, const RstarOptions& options) {
  Explorer explorer(search, options);
  const int64_t sims = search.goal(options.sims, 16);
  constexpr int64_t kIdle = 10000;  // simulations in a row that write nothing: the tree is worked through
  for (int64_t sim = 0, idle = 0; sim < sims && idle < kIdle && search.share_spent() < 1 - options.reserve; ++sim) {
    if (explorer.simulate_known()) {
      ++idle;
      continue;
    }
    const int64_t generated = search.usage().generated;
    auto simulating = explorer.simulate();
    if (!co_await simulating) break;
    idle = search.usage().generated == generated ? idle + 1 : 0;
  }
  if (options.reserve > 0) {
    auto discriminating = discriminate(search, options);
    co_await discriminating;
  }
  const auto& candidates = search.candidates();
  const bool judged = std::ranges::any_of(candidates, [](const Candidate& c) { return c.score > 0; });
  auto concluding = search.conclude(judged ? options.select : "maj", candidates.empty() ? kRoot : candidates[0].node,
                                    options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
