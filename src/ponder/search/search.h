// One search of one problem: its tree, what it has spent, and the ports. Strategies are written over extend(),
// evaluate() and conclude(); budgets, reservations and random keys are kept here and nowhere else.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ponder/core/budget.h"
#include "ponder/core/ports.h"
#include "ponder/search/guide.h"
#include "ponder/search/select.h"
#include "ponder/search/tree.h"

namespace ponder::search {

struct SearchResult {
  core::Tokens completion;            // the chosen one, whole, behind the prompt
  std::optional<std::string> answer;  // what it claims
  double score = 0;
  core::Usage usage;
  Tree tree;
  std::vector<Candidate> candidates;  // in the order in which they were complete
  std::vector<core::Tokens> prompts;  // that nodes start behind (Node::prompt); the first is the problem's
};

enum class Scoring {
  kNothing,
  kAnswers,  // completions that claim an answer
  kAll,      // those and unfinished steps
};

// How extend() grows the tree.
struct Growth {
  core::SampleParams params;            // max_tokens: of the whole completion, not of the step
  bool by_step = true;                  // stop at the end of a step; false: write to the end
  bool at_step_ends = true;             // false: steps are pieces of step_tokens tokens
  int64_t step_tokens = 32;             // a longer step is cut here and goes on as the next one
  bool merge = true;                    // a draw that equals a sibling is that sibling
  bool rollout = false;                 // the draws are continuations, no steps to choose from; never merged
  bool asked = false;                   // they are replies, no part of an answer
  Scoring scoring = Scoring::kNothing;  // completions without an answer are worth 0 and are never read
  int64_t lookahead = 0;                // greedy steps behind a new unfinished step, read with it and then thrown away
  core::Writer writer = core::Writer::kPolicy;
};

// Completions written to their end, of which equal ones vote twice.
Growth whole_answers(core::SampleParams params, Scoring scoring);
// What a choice among whole answers needs: rm and wmaj need scores.
Scoring scoring_for(const std::string& select);

// The critic's reading is charged once for each token of the tree (and of lookaheads), the prompt included: what a
// critic with a prefix cache reads. The charge depends on the tree alone, so budgets cut at the same place whatever the
// cache held; Usage::critic_processed has what was really read.
class Search {
 public:
  // Borrows problem and the ports; they must outlive the search.
  Search(const core::Problem& problem, core::Tokens prompt, const core::Ports& ports, core::Budget budget,
         base::RngKey key);

  // Before growing.
  void reseed(int64_t seed);
  // Who scores; what each of them does stands in guide.h. Error(kUsage) where the model has no such one.
  void use_guide(const std::string& guide, double own_share, const core::SampleParams& params);
  void reserve_for_answer(int64_t tokens) { answer_reserve_ = tokens; }  // kept back until some candidate has an answer

  // Draws one completion behind each of the parents (a parent may stand there several times) in waves whose worst case
  // the budget can pay, scores them as asked, and gives their nodes in the same order: kNoNode from the first draw that
  // the budget could not pay.
  core::Task<std::vector<NodeId>> extend(std::vector<NodeId> parents, Growth growth);
  // The same behind prompts of their own, one for each parent: an answer written anew is a child of the one it revises.
  core::Task<std::vector<NodeId>> start(std::vector<NodeId> parents, std::vector<core::Tokens> prompts, Growth growth);
  // Writes on behind the first `tokens` tokens of each path: replies to the question how it could have ended. Gives
  // their nodes, whose tokens are what was written. The policy has these tokens already, so they cost nothing; a second
  // model reads them, and the prompt, at the price of what a critic reads.
  struct Cut {
    NodeId node = kRoot;
    int64_t tokens = 0;
  };
  core::Task<std::vector<NodeId>> write_on(std::vector<Cut> cuts, core::SampleParams params,
                                           core::Writer writer = core::Writer::kPolicy);
  // Asks the model about nodes, with `params` but for the longest reply; gives the replies' texts in order, "" for what
  // is too long to be asked, and fewer when the budget is spent. Error(kUsage) where the model cannot be asked in
  // words.
  struct Question {
    NodeId about = kRoot;
    core::Asking asking;
  };
  core::Task<std::vector<std::string>> ask(std::vector<Question> questions, core::SampleParams params,
                                           int64_t max_tokens);
  // A score that the strategy has by itself. bought: the answer is of use from here on, when its score is paid for, and
  // not from when it was complete (Candidate::usage).
  void judge(NodeId node, double value, bool bought = true);
  core::Tokens prompt_of(const core::Asking& asking) const;  // the same error
  bool can_ask() const;                                      // whether there would be none
  // Of what may be spent; 0 without a budget. Strategies in parts leave something for the later ones.
  double share_spent() const;
  const core::Problem& problem() const { return problem_; }
  const core::Budget& budget() const { return budget_; }  // as it was given
  // Scores a node, or several at once, unless it has a score; false when the budget cannot pay for that, and then for
  // those behind it too.
  core::Task<bool> evaluate(NodeId node);
  core::Task<std::vector<bool>> evaluate_all(std::vector<NodeId> nodes);
  // What is written for the model behind a step; paid for as if it had written it. kNoNode when the budget cannot.
  NodeId force(NodeId parent, const core::Tokens& tokens);
  // Writes `from` to its end greedily with what is left, the reserve included; gives that end, kNoNode when nothing is
  // left.
  core::Task<NodeId> finish(NodeId from, core::SampleParams params);
  // The last act of every strategy: selects among the candidates; without any answer, finishes `best` first.
  core::Task<NodeId> conclude(std::string select, NodeId best, core::SampleParams params);
  SearchResult take_result(NodeId chosen);  // empties the search

  // wanted, or when that is 0: no limit under a budget, `without_budget` otherwise.
  int64_t goal(int64_t wanted, int64_t without_budget) const;
  // The score of the path to a node, from the scored nodes on it.
  double path_score(NodeId node, const std::string& agg_strategy) const;

  Tree& tree() { return tree_; }
  const Tree& tree() const { return tree_; }
  const core::Usage& usage() const { return usage_; }
  const core::Codec& codec() const { return *ports_.codec; }
  std::string text_of(NodeId node) const { return codec().decode(tree_.path_tokens(node)); }  // its whole path
  const std::vector<Candidate>& candidates() const { return candidates_; }
  bool has_answer() const { return has_answer_; }
  double share_of_votes(const std::string& answer) const;  // of all answers so far, those that equal this one

 private:
  struct Prompt {
    core::Tokens tokens;
    bool read = false;    // and paid for; the problem's is free
    int64_t written = 0;  // tokens at its end that the model wrote
    core::Writer reader = core::Writer::kPolicy;
  };
  struct Draw {
    NodeId parent = kNoNode;
    int64_t max_tokens = 0;
    int64_t lookahead = 0;  // steps
    int32_t prompt = Tree::kBehindParent;
    int64_t asked = 0;  // tokens of a prompt that is read for the first time
    bool cut = false;   // max_tokens is less than was wanted: the budget pays for no more
    base::RngKey key;
  };
  struct Reading {
    NodeId node;
    int64_t lookahead = 0;  // steps still to be written
    core::Tokens ahead;     // written so far
    std::vector<float> ahead_logps;
  };

  bool critic_reads() const { return ports_.critic && (guide_.kind == GuideKind::kCritic || guide_.own_share); }
  double own_value(const Reading& reading) const;
  int64_t tokens_left() const;
  double deadline() const;  // of what is written next, as ports_.now(); infinite without a budget of seconds
  int64_t nodes_left() const;
  int64_t unread_tokens(NodeId node) const;
  int64_t unasked_tokens(int32_t prompt, const std::vector<Draw>& wave) const;
  void charge_reading(NodeId node);
  core::Tokens prefix(NodeId node) const;  // what it goes on behind
  core::Tokens judged(NodeId node) const;  // the same path behind the problem, whatever it was written behind
  int32_t prompt_number(core::Tokens tokens, core::Writer reader = core::Writer::kPolicy);
  core::Task<std::vector<NodeId>> grow(std::vector<NodeId> parents, std::vector<int32_t> prompts, Growth growth);
  core::Task<std::vector<NodeId>> reply(std::vector<NodeId> about, std::vector<int32_t> prompts,
                                        core::SampleParams params, int64_t max_tokens,
                                        core::Writer writer = core::Writer::kPolicy);
  std::vector<Draw> plan_wave(const std::vector<NodeId>& parents, const std::vector<int32_t>& prompts, size_t from,
                              const Growth& growth) const;
  std::vector<core::SampleRequest> requests(std::vector<Draw>& wave, const Growth& growth);
  NodeId settle(const Draw& draw, const core::Completion& completion, const Growth& growth,
                std::vector<Reading>& readings);
  void close(NodeId node, bool cut);
  void account(const core::Completion& completion, int64_t max_tokens, core::Writer writer);
  core::Task<std::vector<Reading>> look_ahead(std::vector<Reading> readings, Growth growth);
  core::Task<bool> score(std::vector<Reading> readings);         // by the critic: already paid; true
  core::Task<bool> ask_whether_true(std::vector<NodeId> nodes);  // false: the budget cannot pay for the last ones
  core::Task<bool> see_how_they_end(std::vector<NodeId> nodes);  // likewise
  void set_value(NodeId node, double value);

  // Fixed during the search.
  const core::Problem& problem_;
  std::vector<Prompt> prompts_;  // the problem's own, then those that the search made
  std::unordered_map<uint64_t, std::vector<int32_t>> prompts_by_hash_;  // of the latter
  core::Ports ports_;
  core::Budget budget_;
  base::RngKey key_;
  Guide guide_;
  core::SampleParams guide_params_;  // of what a guide draws
  // Grows.
  Tree tree_;
  core::Usage usage_;
  std::vector<Candidate> candidates_;
  bool has_answer_ = false;
  int64_t answer_reserve_ = 0;
  double start_ = 0;          // as ports_.now()
  double token_seconds_ = 0;  // of the longest completion of the last wave, a token
};

}  // namespace ponder::search
