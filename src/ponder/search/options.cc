#include "ponder/search/options.h"

#include <algorithm>

namespace ponder::search {
namespace {

constexpr double kMany = 1e6;  // upper end of counts

void field_max_tokens(base::Fields& f, int64_t& max_tokens) {
  f.field("max_tokens", max_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest completion"});
}
void field_seed(base::Fields& f, int64_t& seed) {
  f.field("seed", seed, {.min = 0, .help = "another seed draws other samples; joins the run's own seed"});
}
void field_select(base::Fields& f, std::string& select) {
  f.field("select", select,
          {.help = "how the answer is chosen: best score, vote, vote weighted by score, or at random (a control)",
           .choices = {"rm", "maj", "wmaj", "random"}});
}
void field_guide(base::Fields& f, std::string& guide, double& mix) {
  f.field(
      "guide", guide,
      {.help =
           "who scores: the critic; what was fitted to the log-probs of the policy's answers (confidence: for samples "
           "drawn as those were); exp(mean log-prob) (likelihood); auto = the first of these that there is; exp(-mean "
           "entropy) of the model's distributions on the way (entropy); the share of the answers that is equal (vote); "
           "how sure it is what follows a step (semantic: 4 continuations a "
           "step); the model asked in words (p-true); the problem itself (verifier: where it says what is right; "
           "heuristic: of steps its rule of thumb, too); or the critic and the model's own signal together (mix)",
       .choices = {"auto", "critic", "confidence", "likelihood", "entropy", "vote", "semantic", "p-true", "verifier",
                   "heuristic", "mix"}});
  f.field("mix", mix, {.min = 0, .max = 1, .help = "guide=mix: weight of the model's own signal beside the critic's"});
}
void field_agg(base::Fields& f, std::string& agg) {
  f.field(
      "agg_strategy", agg,
      {.help = "how the scores of the steps become the score of a path", .choices = {"last", "min", "prod", "mean"}});
}

}  // namespace

void GreedyOptions::fields(base::Fields& f) {
  field_max_tokens(f, max_tokens);
  field_seed(f, seed);
}

core::SampleParams GreedyOptions::params() const {
  core::SampleParams params;
  params.temperature = 0;
  params.max_tokens = max_tokens;
  return params;
}

void SampleOptions::fields(base::Fields& f) {
  f.field("temperature", temperature, {.min = 0, .max = 100, .help = "0 = always the likeliest token"});
  f.field("top_p", top_p, {.min = 0, .max = 1, .help = "least set of tokens with this probability; 1 = off"});
  f.field("top_k", top_k, {.min = 0, .max = kMany, .help = "only the k likeliest tokens; 0 = off"});
  f.field("min_p", min_p, {.min = 0, .max = 1, .help = "least probability relative to the likeliest; 0 = off"});
  field_max_tokens(f, max_tokens);
  field_seed(f, seed);
}

core::SampleParams SampleOptions::params() const {
  core::SampleParams params;
  params.temperature = temperature;
  params.top_p = top_p;
  params.top_k = top_k;
  params.min_p = min_p;
  params.max_tokens = max_tokens;
  return params;
}

void ManyOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 0, .max = kMany, .help = "samples; 0 = until the budget is spent (16 without a budget)"});
  SampleOptions::fields(f);
}

void MajorityOptions::fields(base::Fields& f) {
  ManyOptions::fields(f);
  f.field(
      "until", until,
      {.help =
           "when it stops: at n samples; decided: when those that are missing of n cannot change the answer (without "
           "n it is never known); likely: when the answer that leads keeps its lead over the next one with probability "
           "`sure`",
       .choices = {"n", "decided", "likely"}});
  f.field("sure", sure, {.min = 0.5, .max = 1, .help = "that probability"});
}

void ChosenOptions::fields(base::Fields& f) {
  field_select(f, select);
  field_guide(f, guide, mix);
  SampleOptions::fields(f);
}

void BestOfNOptions::fields(base::Fields& f) {
  ManyOptions::fields(f);
  field_select(f, select);
  field_guide(f, guide, mix);
}

void StepOptions::fields(base::Fields& f) {
  SampleOptions::fields(f);
  f.field("step_tokens", step_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "a longer step is cut here"});
  field_guide(f, guide, mix);
}

Growth StepOptions::growth() const {
  Growth growth;
  growth.params = params();
  growth.step_tokens = step_tokens;
  growth.scoring = Scoring::kAll;
  return growth;
}

void RejectOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 0, .max = kMany, .help = "samples; 0 = until the budget is spent (16 without a budget)"});
  f.field("round", round, {.min = 1, .max = kMany, .help = "samples written side by side"});
  f.field("accept", accept, {.min = 0, .max = 2, .help = "an answer worth this ends the search; above 1: none does"});
  f.field("reject", reject, {.min = 0, .max = 1, .help = "a sample worth less is cut; 0 = none is, nor read for it"});
  f.field("every", every, {.min = 1, .max = kMany, .unit = "tokens", .help = "at least, between two such readings"});
  f.field("votes", votes, {.min = 0, .max = kMany, .help = "an answer claimed so often ends the search too; 0 = off"});
  field_select(f, select);
  StepOptions::fields(f);
}

void BudgetForceOptions::fields(base::Fields& f) {
  f.field("nudges", nudges, {.min = 0, .max = kMany, .help = "times that a thought which wants to end is kept going"});
  f.field("min_thought", min_thought,
          {.min = 0, .max = kMany, .unit = "tokens", .help = "only thoughts shorter than this; 0 = any"});
  f.field("max_thought", max_thought,
          {.min = 0,
           .max = kMany,
           .unit = "tokens",
           .help = "a longer thought is ended, and answers; 0 = what answer_tokens leave of max_tokens"});
  f.field("answer_tokens", answer_tokens,
          {.min = 1, .max = kMany, .unit = "tokens", .help = "for the answer of a thought that was ended"});
  f.field("step_tokens", step_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "a longer step is cut here"});
  SampleOptions::fields(f);
}

int64_t BudgetForceOptions::longest_thought() const {
  const int64_t room = std::max<int64_t>(1, max_tokens - answer_tokens);
  return max_thought > 0 ? std::min(max_thought, room) : room;
}

void ReviseOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 1, .max = kMany, .help = "answers that are revised side by side, each by itself"});
  f.field("rounds", rounds,
          {.min = 0, .max = kMany, .help = "revisions of each; 0 = until the budget is spent (4 without a budget)"});
  f.field("feedback", feedback,
          {.help = "what a revision is told: what the model itself says about the answer (one that it calls right is "
                   "revised no more); that it is wrong, where the guide scores it below `accept` (verifier; others are "
                   "revised no more); or nothing",
           .choices = {"self", "verifier", "none"}});
  f.field("accept", accept, {.min = 0, .max = 2, .help = "that score; above 1: no answer has it"});
  f.field("feedback_tokens", feedback_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest feedback"});
  f.field("select", select,
          {.help = "how the answer is chosen: vote of the last answers, or as for bon among all of them",
           .choices = {"last", "rm", "maj", "wmaj", "random"}});
  field_guide(f, guide, mix);
  SampleOptions::fields(f);
}

void MctsrOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 1, .max = kMany, .help = "answers that it begins with"});
  f.field("sims", sims,
          {.min = 0, .max = kMany, .help = "revisions; 0 = until the budget is spent (8 without a budget)"});
  f.field("width", width,
          {.min = 1, .max = kMany, .help = "revisions of one answer, more where none of them is better"});
  f.field("c_uct", c_uct, {.min = 0, .max = 1000, .help = "weight of exploration"});
  f.field("judge", judge,
          {.help = "what rates an answer: the model in words, or the guide's score", .choices = {"rate", "score"}});
  f.field("rates", rates, {.min = 1, .max = kMany, .help = "ratings of an answer that are asked for"});
  f.field("rate_tokens", rate_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest rating"});
  f.field("feedback_tokens", feedback_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest feedback"});
  ChosenOptions::fields(f);
}

void DecomposeOptions::fields(base::Fields& f) {
  f.field("parts", parts, {.min = 1, .max = kMany, .help = "most questions of a plan"});
  f.field("plan_tokens", plan_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest plan"});
  f.field("part_tokens", part_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest answer of a part"});
  f.field("passes", passes,
          {.min = 0, .max = kMany, .help = "plans; 0 = until the budget is spent (1 without a budget)"});
  ChosenOptions::fields(f);
}

void RstarOptions::fields(base::Fields& f) {
  f.field("sims", sims,
          {.min = 0, .max = kMany, .help = "simulations; 0 = until the budget is spent (16 without one)"});
  f.field("actions", actions,
          {.help = "which of the five: 1 a step, 2 the rest, 3 the next question, 4 that again, 5 other words; 3 to 5 "
                   "only of models that can be asked in words"});
  f.field("width", width, {.min = 1, .max = kMany, .help = "draws of actions 1 to 3 behind a state"});
  f.field("rollouts", rollouts, {.min = 1, .max = kMany, .help = "continuations that value a state"});
  f.field("parts", parts, {.min = 0, .max = kMany, .help = "most questions on the way"});
  f.field("c_uct", c_uct, {.min = 0, .max = 1000, .help = "weight of exploration"});
  f.field("step_tokens", step_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "a longer step is cut here"});
  f.field("question_tokens", question_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest question"});
  f.field("part_tokens", part_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest answer of a part"});
  f.field("checks", checks,
          {.min = 0, .max = kMany, .help = "times that an answer is covered up; 0 = until the budget is spent (4)"});
  f.field("finalists", finalists, {.min = 1, .max = kMany, .help = "leading answers that are covered up"});
  f.field("reserve", reserve,
          {.min = 0, .max = 1, .help = "share of the budget that is kept for that; 0: no answer is covered up"});
  field_select(f, select);
  SampleOptions::fields(f);
}

void RapOptions::fields(base::Fields& f) {
  f.field("sims", sims, {.min = 0, .max = kMany, .help = "simulations; 0 = until the budget is spent (8 without one)"});
  f.field("width", width, {.min = 1, .max = kMany, .help = "draws of the next question behind a state"});
  f.field("parts", parts, {.min = 1, .max = kMany, .help = "most questions on the way"});
  f.field("answers", answers, {.min = 1, .max = kMany, .help = "draws of a part's answer, of which most decide"});
  f.field("evals", evals, {.min = 1, .max = kMany, .help = "replies whether a question is useful"});
  f.field("alpha", alpha, {.min = 0, .max = 1, .help = "weight of usefulness beside confidence"});
  f.field("c_uct", c_uct, {.min = 0, .max = 1000, .help = "weight of exploration"});
  f.field("question_tokens", question_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest question"});
  f.field("part_tokens", part_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest answer of a part"});
  f.field("eval_tokens", eval_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest reply"});
  field_select(f, select);
  SampleOptions::fields(f);
}

void AutoOptions::fields(base::Fields& f) {
  f.field("table", table,
          {.help = "FILE that `ponder scaling search` wrote (auto.json): probe, signal, easy_at, hard_at, and easy, "
                   "middle and hard for the largest of its budgets that --budget-tokens pays for"});
  f.field("probe", probe, {.min = 1, .max = kMany, .help = "samples that say how hard a problem is; they vote too"});
  f.field("signal", signal,
          {.help = "what they say: the share of the answer that leads, or the mean score of the guide",
           .choices = {"agreement", "score"}});
  f.field("easy_at", easy_at, {.min = 0, .max = 2, .help = "from here on a problem is easy; above 1: none is"});
  f.field("hard_at", hard_at, {.min = 0, .max = 1, .help = "below it is hard"});
  f.field("easy", easy, {.help = "the search for easy problems, with its options: \"bon n=8\"; stop: the vote so far"});
  f.field("middle", middle, {.help = "the search for those in between"});
  f.field("hard", hard, {.help = "the search for hard ones"});
  f.field("step_tokens", step_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "a longer step is cut here"});
  field_guide(f, guide, mix);
  SampleOptions::fields(f);
}

void SpecRejectOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 1, .max = kMany, .help = "samples that are begun side by side"});
  f.field("alpha", alpha, {.min = 0, .max = 1, .help = "share of those still being written that is cut at each stop"});
  f.field("every", every, {.min = 1, .max = kMany, .unit = "tokens", .help = "between two stops"});
  f.field("passes", passes,
          {.min = 0, .max = kMany, .help = "times n samples; 0 = until the budget is spent (1 without a budget)"});
  ChosenOptions::fields(f);
}

void BeamOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 1, .max = kMany, .help = "beams"});
  f.field("beam_width", beam_width,
          {.min = 1, .max = kMany, .help = "draws behind each kept beam; n / beam_width beams are kept"});
  f.field("lookahead", lookahead, {.min = 0, .max = 1000, .unit = "steps", .help = "greedy steps before scoring"});
  field_agg(f, agg_strategy);
  f.field("filter_duplicates", filter_duplicates, {.help = "equal steps behind one beam count once"});
  f.field("passes", passes,
          {.min = 0, .max = kMany, .help = "whole searches; 0 = until the budget is spent (1 without a budget)"});
  field_select(f, select);
  StepOptions::fields(f);
}

void TotOptions::fields(base::Fields& f) {
  f.field("order", order, {.help = "breadth-first or depth-first", .choices = {"bfs", "dfs"}});
  f.field("n", n, {.min = 1, .max = kMany, .help = "draws behind each state"});
  f.field("b", b, {.min = 1, .max = kMany, .help = "bfs: states of a level that are kept"});
  f.field(
      "eval", eval,
      {.help = "what judges a state: the guide's score; the model in words, each state by itself (value) or those of "
               "a level against each other (vote)",
       .choices = {"score", "value", "vote"}});
  f.field("evals", evals, {.min = 1, .max = kMany, .help = "replies or votes that are asked for"});
  f.field("eval_tokens", eval_tokens, {.min = 1, .max = kMany, .unit = "tokens", .help = "longest reply"});
  f.field("keep", keep,
          {.help = "bfs: the best states are kept, or some drawn with chances in proportion to their values",
           .choices = {"best", "sample"}});
  f.field("threshold", threshold, {.min = 0, .max = 1, .help = "dfs: states worth less are given up"});
  f.field("answers", answers, {.min = 1, .max = kMany, .help = "dfs: answers after which it stops"});
  f.field("passes", passes,
          {.min = 0, .max = kMany, .help = "whole searches; 0 = until the budget is spent (1 without a budget)"});
  f.field(
      "select", select,
      {.help = "how the answer is chosen: as for bon; auto: the highest value, or by their own votes with eval=vote",
       .choices = {"auto", "rm", "maj", "wmaj", "random"}});
  StepOptions::fields(f);
}

void BestFirstOptions::fields(base::Fields& f) {
  f.field("n", n, {.min = 1, .max = kMany, .help = "answers after which it stops"});
  f.field("sims", sims,
          {.min = 0, .max = kMany, .help = "steps opened; 0 = until the budget is spent (64 without one)"});
  f.field("width", width, {.min = 1, .max = kMany, .help = "draws behind each opened step"});
  f.field("cost", cost,
          {.min = 0,
           .max = 1000,
           .help = "weight of the path's own -log p beside -log score; 0: the score alone counts, 1: A*"});
  field_agg(f, agg_strategy);
  f.field("select", select,
          {.help = "how the answer is chosen: the first one that came to the front (goal), or as for bon",
           .choices = {"goal", "rm", "maj", "wmaj", "random"}});
  StepOptions::fields(f);
}

void MctsOptions::fields(base::Fields& f) {
  f.field("sims", sims,
          {.min = 0, .max = kMany, .help = "simulations; 0 = until the budget is spent (64 without one)"});
  f.field("width", width, {.min = 1, .max = kMany, .help = "draws behind a step when it is opened"});
  f.field("widen", widen,
          {.min = 0, .max = 1, .help = "a step visited N times may have N^widen draws; 0 = width only"});
  f.field("level", level, {.help = "what a step is: the model's own step, or one token", .choices = {"step", "token"}});
  f.field("rule", rule,
          {.help = "how it selects: PUCT, with the policy as prior; UCT, without", .choices = {"puct", "uct"}});
  f.field("parallel", parallel,
          {.min = 1,
           .max = 10000,
           .help = "simulations at a time, kept apart by virtual losses; above 1 the tree is another one"});
  f.field("c_uct", c_uct, {.min = 0, .max = 1000, .help = "weight of exploration under UCT"});
  f.field("c_puct", c_puct, {.min = 0, .max = 1000, .help = "weight of the prior (c_init of PUCT)"});
  f.field("c_base", c_base, {.min = 1, .help = "visits at which that weight begins to grow"});
  f.field("prior_temperature", prior_temperature, {.min = 0.01, .max = 100, .help = "above 1: a flatter prior"});
  f.field("noise", noise, {.min = 0, .max = 1, .help = "share of Dirichlet noise in the root's prior"});
  f.field("noise_alpha", noise_alpha, {.min = 0.01, .max = 100, .help = "concentration of that noise"});
  f.field(
      "leaf", leaf,
      {.help = "value of a leaf: its own score, or the score of one sampled continuation to the end, which also votes",
       .choices = {"value", "rollout"}});
  f.field("select", select,
          {.help = "how the answer is chosen: the end of the most visited path, or as for bon",
           .choices = {"visits", "rm", "maj", "wmaj", "random"}});
  StepOptions::fields(f);
}

Growth MctsOptions::growth() const {
  Growth growth = StepOptions::growth();
  if (level == "token") growth.step_tokens = 1;
  return growth;
}

}  // namespace ponder::search
