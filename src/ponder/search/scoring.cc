// How a search scores its nodes: by the critic, by the model's own signals, by questions to the model, or by what the
// problem itself says (guide.h has the list).
#include <algorithm>
#include <cmath>

#include "ponder/search/replies.h"
#include "ponder/search/search.h"

namespace ponder::search {

double Search::share_of_votes(const std::string& answer) const {
  double votes = 0, all = 0;
  for (const Candidate& c : candidates_)
    if (c.answer) ++all, votes += *c.answer == answer;
  return all > 0 ? votes / all : 0;
}

// What costs nothing. Answers alone can be counted, and be what a confidence was fitted to; of steps the log-probs say
// something.
double Search::own_value(const Reading& reading) const {
  const Node& node = tree_[reading.node];
  const GuideKind kind = guide_.kind;
  if (kind == GuideKind::kConfidence && node.answered) return ports_.confidence->value(tree_.path_logps(reading.node));
  if (node.answered && (kind == GuideKind::kVote || kind == GuideKind::kSemantic))
    return share_of_votes(*candidates_[static_cast<size_t>(node.candidate)].answer);
  if (kind == GuideKind::kVerifier || kind == GuideKind::kHeuristic) {
    core::Tokens path = tree_.path_tokens(reading.node);
    path.insert(path.end(), reading.ahead.begin(), reading.ahead.end());
    auto seen = ports_.judge->value(problem_, path);
    if (!seen && kind == GuideKind::kHeuristic) seen = ports_.judge->outlook(problem_, path);
    if (seen) return *seen;
  }
  if (kind == GuideKind::kEntropy)
    return node.path_length > 0 ? std::exp(-static_cast<double>(node.path_entropy) / node.path_length) : 0;
  const auto length = static_cast<double>(node.path_length) + static_cast<double>(reading.ahead_logps.size());
  double logp = 0;
  for (float ahead : reading.ahead_logps) logp += ahead;
  return length > 0 ? std::exp((node.path_logp + logp) / length) : 0;
}

core::Task<bool> Search::score(std::vector<Reading> readings) {
  if (!critic_reads()) {
    std::vector<NodeId> asked;
    for (const Reading& r : readings) {
      const bool opens = guide_.kind == GuideKind::kSemantic && !tree_[r.node].terminal;
      if (guide_.kind == GuideKind::kTrue || opens)
        asked.push_back(r.node);
      else
        set_value(r.node, own_value(r));
    }
    if (asked.empty()) co_return true;
    auto asking =
        guide_.kind == GuideKind::kTrue ? ask_whether_true(std::move(asked)) : see_how_they_end(std::move(asked));
    co_return co_await asking;
  }
  std::vector<core::ScoreRequest> requests;
  requests.reserve(readings.size());
  for (const Reading& r : readings) {
    requests.push_back({judged(r.node)});
    requests.back().prefix.insert(requests.back().prefix.end(), r.ahead.begin(), r.ahead.end());
  }
  core::ScoreAll scoring(ports_, std::move(requests));
  const std::vector<core::Score> scores = co_await scoring;
  for (size_t i = 0; i < readings.size(); ++i) {
    usage_.critic_processed += scores[i].processed;
    usage_.critic_calls += 1;
    double value = scores[i].value;
    if (const auto share = guide_.own_share) value = *share * own_value(readings[i]) + (1 - *share) * value;
    set_value(readings[i].node, value);
  }
  co_return true;
}

// P(True) (Kadavath et al. 2022, arXiv 2207.05221, §3), by sampling: of several replies the share that says yes. Of an
// unfinished solution the model is asked what becomes of it.
core::Task<bool> Search::ask_whether_true(std::vector<NodeId> nodes) {
  constexpr int64_t kReply = 8;
  constexpr size_t kReplies = 4;
  constexpr double kNoOpinion = 0.5;
  core::SampleParams params;
  std::vector<NodeId> about;
  std::vector<int32_t> prompts;
  std::erase_if(nodes, [&](NodeId node) {
    const core::Ask ask = tree_[node].terminal ? core::Ask::kTrue : core::Ask::kJudge;
    const core::Tokens prompt = prompt_of({ask, {text_of(node)}});
    if (prompt.empty()) {  // too long to be asked about
      set_value(node, kNoOpinion);
      return true;
    }
    about.insert(about.end(), kReplies, node);
    prompts.insert(prompts.end(), kReplies, prompt_number(prompt));
    return false;
  });
  auto asking = reply(std::move(about), std::move(prompts), std::move(params), kReply);
  const std::vector<NodeId> replies = co_await asking;
  for (size_t i = 0; i < nodes.size(); ++i) {
    double sum = 0, opinions = 0;
    for (size_t k = 0; k < kReplies; ++k) {
      const NodeId reply = replies[i * kReplies + k];
      if (reply == kNoNode) co_return false;
      const auto says = opinion_in(ports_.codec->said(tree_.tokens(reply)));
      if (says) ++opinions, sum += *says;
    }
    judge(nodes[i], opinions > 0 ? sum / opinions : kNoOpinion);
  }
  co_return true;
}

// Semantic entropy (Kuhn et al. 2023, arXiv 2302.09664; by counts of equal answers, as in Farquhar et al. 2024): a step
// is as good as the model is sure of what follows, 1 − H/ln k over the answers of k continuations, one without an
// answer standing for itself.
core::Task<bool> Search::see_how_they_end(std::vector<NodeId> nodes) {
  constexpr size_t kEnds = 4;
  std::vector<Cut> cuts;
  for (NodeId node : nodes)
    for (size_t i = 0; i < kEnds; ++i) cuts.push_back({node, tree_[node].path_length});
  auto writing = write_on(std::move(cuts), guide_params_);
  const std::vector<NodeId> ends = co_await writing;
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::vector<std::optional<std::string>> answers;
    for (size_t k = 0; k < kEnds; ++k) {
      const NodeId end = ends[i * kEnds + k];
      if (end == kNoNode) co_return false;
      core::Tokens whole = tree_.path_tokens(nodes[i]);
      const core::TokenSpan rest = tree_.tokens(end);
      whole.insert(whole.end(), rest.begin(), rest.end());
      answers.push_back(ports_.codec->answer(problem_, whole));
    }
    judge(nodes[i], 1 - semantic_entropy(answers) / std::log(static_cast<double>(kEnds)));
  }
  co_return true;
}

void Search::set_value(NodeId id, double value) {
  Node& node = tree_[id];
  node.value = std::isfinite(value) ? static_cast<float>(std::clamp(value, 0.0, 1.0)) : 0.0f;
  node.scored = true;
  if (node.answered) candidates_[static_cast<size_t>(node.candidate)].score = node.value;
}

void Search::judge(NodeId node, double value, bool bought) {
  set_value(node, value);
  if (bought && tree_[node].answered) candidates_[static_cast<size_t>(tree_[node].candidate)].usage = usage_;
}

core::Task<std::vector<bool>> Search::evaluate_all(std::vector<NodeId> nodes) {
  std::vector<Reading> readings;
  std::vector<bool> paid(nodes.size(), false);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const NodeId id = nodes[i];
    const bool twice = std::ranges::find(readings, id, &Reading::node) != readings.end();
    if (tree_[id].terminal && !tree_[id].answered && !tree_[id].scored) set_value(id, 0);
    if (!tree_[id].scored && !twice) {
      if (critic_reads()) {
        const int64_t prompt = tree_[kRoot].read ? 0 : static_cast<int64_t>(prompts_[0].tokens.size());
        if (unread_tokens(id) + prompt > tokens_left()) break;
        charge_reading(id);
      }
      readings.push_back({id, 0, {}, {}});
    }
    paid[i] = true;
  }
  auto scoring = score(std::move(readings));
  co_await scoring;
  for (size_t i = 0; i < nodes.size(); ++i) paid[i] = paid[i] && tree_[nodes[i]].scored;  // guides that ask pay then
  co_return paid;
}

core::Task<bool> Search::evaluate(NodeId node) {
  std::vector<NodeId> nodes = {node};
  auto evaluation = evaluate_all(std::move(nodes));
  const std::vector<bool> paid = co_await evaluation;
  co_return paid[0];
}

}  // namespace ponder::search
