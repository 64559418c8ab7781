#include "ponder/search/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::search {

Search::Search(const core::Problem& problem, core::Tokens prompt, const core::Ports& ports, core::Budget budget,
               base::RngKey key)
    : problem_(problem),
      prompts_(1, std::move(prompt)),
      prompt_read_(1, true),
      ports_(ports),
      budget_(budget),
      key_(key),
      tree_(key) {
  guide_ = ports_.critic ? Guide::kCritic : Guide::kLikelihood;
}

Growth whole_answers(core::SampleParams params, Scoring scoring) {
  Growth growth;
  growth.params = std::move(params);
  growth.by_step = false;
  growth.merge = false;
  growth.scoring = scoring;
  return growth;
}

Scoring scoring_for(const std::string& select) {
  return select == "rm" || select == "wmaj" ? Scoring::kAnswers : Scoring::kNothing;
}

void Search::reseed(int64_t seed) {
  PONDER_CHECK(tree_.size() == 1, "a search is reseeded before it grows");
  key_ = key_.child(static_cast<uint64_t>(seed));
  tree_ = Tree(key_);
}

void Search::use_guide(const std::string& guide, const core::SampleParams& params) {
  const bool fits = ports_.confidence && ports_.confidence->temperature == params.temperature && params.top_p == 1 &&
                    params.top_k == 0 && params.min_p == 0;
  if (guide == "critic" && !ports_.critic)
    throw Error(ErrorCode::kUsage,
                "guide=critic needs a model with a critic and this one has none; use guide=likelihood or guide=auto");
  if (guide == "confidence" && !ports_.confidence)
    throw Error(ErrorCode::kUsage,
                "guide=confidence needs a run whose critic stage had critic.kind=confidence, and this model has none; "
                "use guide=likelihood or guide=auto");
  if (guide == "confidence" && !fits)
    throw Error(ErrorCode::kUsage,
                base::cat("guide=confidence was fitted to samples at temperature ", ports_.confidence->temperature,
                          " without top_p, top_k and min_p; sample so, or use guide=likelihood or guide=auto"));
  if (guide == "critic" || (guide == "auto" && ports_.critic)) {
    guide_ = Guide::kCritic;
  } else if (guide == "confidence" || (guide == "auto" && fits)) {
    guide_ = Guide::kConfidence;
  } else {
    guide_ = Guide::kLikelihood;
  }
}

int64_t Search::goal(int64_t wanted, int64_t without_budget) const {
  constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  if (wanted > 0) return wanted;
  return budget_.tokens < kNoLimit || budget_.nodes < kNoLimit ? kNoLimit : without_budget;
}

double Search::path_score(NodeId node, const std::string& agg_strategy) const {
  std::vector<double> scores;
  for (NodeId id : tree_.path(node)) {
    if (tree_[id].scored) scores.push_back(tree_[id].value);
  }
  return aggregate_scores(scores, agg_strategy);
}

// ---- Budget -------------------------------------------------------------------------------------------------------

int64_t Search::tokens_left() const {
  return std::max<int64_t>(0, budget_.tokens_left(usage_) - (has_answer_ ? 0 : answer_reserve_));
}

int64_t Search::nodes_left() const {
  const int64_t reserve = !has_answer_ && answer_reserve_ > 0 ? 1 : 0;
  return std::max<int64_t>(0, budget_.nodes_left(usage_) - reserve);
}

// Tokens behind the prompt that the critic would read for the first time to score `node`.
int64_t Search::unread_tokens(NodeId node) const {
  int64_t tokens = 0;
  for (; node != kRoot && !tree_[node].read; node = tree_[node].parent) {
    tokens += tree_[node].length;
    if (tree_[node].starts) break;
  }
  return tokens;
}

// Of a prompt that the search made, what is read for the first time: its beginning is often the problem's own.
int64_t Search::unasked_tokens(int32_t prompt) const {
  if (prompt == Tree::kBehindParent || prompt_read_[static_cast<size_t>(prompt)]) return 0;
  const core::Tokens& tokens = prompts_[static_cast<size_t>(prompt)];
  return tokens.end() - std::ranges::mismatch(tokens, prompts_[0]).in1;
}

void Search::charge_reading(NodeId node) {
  // Whatever an answer was written behind, it is read behind the problem.
  for (; node != kNoNode && !tree_[node].read; node = tree_[node].starts ? kRoot : tree_[node].parent) {
    usage_.critic += static_cast<int64_t>(node == kRoot ? prompts_[0].size() : tree_.tokens(node).size());
    tree_[node].read = true;
  }
}

void Search::account(const core::Completion& completion, int64_t max_tokens) {
  const auto written = static_cast<int64_t>(completion.tokens.size());
  PONDER_CHECK(written <= max_tokens, "a policy may write at most max_tokens = ", max_tokens, " tokens, got ", written);
  usage_.generated += written;
  usage_.processed += completion.processed;
  usage_.nodes += 1;
}

// As many of the draws as the budget can pay even if each one is as long as it may be. Only a draw that does not fit
// when it stands alone is cut: then all before it are settled, so a smaller budget makes the same draws as a larger one
// up to the point where it is spent.
std::vector<Search::Draw> Search::plan_wave(const std::vector<NodeId>& parents, const std::vector<int32_t>& prompts,
                                            size_t from, const Growth& growth) const {
  const bool reads = critic_reads() && growth.scoring != Scoring::kNothing;
  const int64_t price = reads ? 2 : 1;  // every new token is written, and read by the critic
  int64_t tokens = tokens_left();
  int64_t nodes = nodes_left();
  if (reads && !tree_[kRoot].read) tokens -= static_cast<int64_t>(prompts_[0].size());

  std::vector<Draw> wave;
  const auto asks = [&](int32_t prompt) {  // once a wave
    const bool again = std::ranges::find(wave, prompt, &Draw::prompt) != wave.end();
    return again ? 0 : unasked_tokens(prompt);
  };
  for (size_t i = from; i < parents.size(); ++i) {
    const Node& parent = tree_[parents[i]];
    const bool starts = prompts[i] != Tree::kBehindParent;
    PONDER_CHECK(starts || !parent.terminal, "nothing can be drawn behind a finished completion");
    const int64_t room = growth.params.max_tokens - (starts ? 0 : parent.path_length);
    const int64_t length = growth.by_step ? std::min(growth.step_tokens, room) : room;
    const int64_t ahead = std::min(growth.lookahead * growth.step_tokens, room - length);
    const int64_t unread = reads && !starts ? unread_tokens(parents[i]) : 0;
    const int64_t asked = asks(prompts[i]), cost = price * (length + ahead) + unread + asked;
    if (cost <= tokens && 1 + growth.lookahead <= nodes) {
      wave.push_back({parents[i], length, growth.lookahead, prompts[i], asked, {}});
      tokens -= cost;
      nodes -= 1 + growth.lookahead;
      continue;
    }
    const int64_t affordable = std::min(length, (tokens - unread - asked) / price);
    if (wave.empty() && affordable >= 1 && nodes >= 1)
      wave.push_back({parents[i], affordable, 0, prompts[i], asked, {}});
    break;
  }
  return wave;
}

// ---- Growing ------------------------------------------------------------------------------------------------------

core::Tokens Search::prefix(NodeId node) const {
  core::Tokens tokens = prompts_[static_cast<size_t>(tree_[node].prompt)];
  const core::Tokens path = tree_.path_tokens(node);
  tokens.insert(tokens.end(), path.begin(), path.end());
  return tokens;
}

core::Tokens Search::judged(NodeId node) const {
  core::Tokens tokens = prompts_[0];
  const core::Tokens path = tree_.path_tokens(node);
  tokens.insert(tokens.end(), path.begin(), path.end());
  return tokens;
}

std::vector<core::SampleRequest> Search::requests(std::vector<Draw>& wave, const Growth& growth) {
  std::vector<core::SampleRequest> requests;
  requests.reserve(wave.size());
  for (Draw& draw : wave) {
    Node& parent = tree_[draw.parent];
    draw.key = parent.key.child(static_cast<uint64_t>(parent.draws++));
    core::SampleParams params = growth.params;
    params.max_tokens = draw.max_tokens;
    params.endings = ports_.codec->endings();
    if (growth.by_step && growth.at_step_ends) params.stop = ports_.codec->step_ends();
    usage_.asked += draw.asked;
    if (draw.prompt != Tree::kBehindParent) prompt_read_[static_cast<size_t>(draw.prompt)] = true;
    if (draw.prompt == Tree::kBehindParent)
      requests.push_back({prefix(draw.parent), std::move(params), draw.key, parent.path_length});
    else
      requests.push_back({prompts_[static_cast<size_t>(draw.prompt)], std::move(params), draw.key, 0});
  }
  return requests;
}

// A finished completion becomes a candidate. Without an answer it is worth 0: that can be seen in its text.
void Search::close(NodeId id) {
  Node& node = tree_[id];
  node.terminal = true;
  Candidate candidate;
  candidate.tokens = tree_.path_tokens(id);
  candidate.answer = ports_.codec->answer(problem_, candidate.tokens);
  candidate.node = id;
  node.answered = candidate.answer.has_value();
  node.candidate = static_cast<int32_t>(candidates_.size());
  has_answer_ |= node.answered;
  candidates_.push_back(std::move(candidate));
}

NodeId Search::settle(const Draw& draw, const core::Completion& completion, const Growth& growth,
                      std::vector<Reading>& readings) {
  account(completion, draw.max_tokens);
  if (growth.merge && !growth.rollout) {
    const NodeId twin = tree_.find_child(draw.parent, completion.tokens, draw.prompt);
    if (twin != kNoNode) return twin;
  }
  const NodeId id = tree_.add(draw.parent, draw.key, completion.tokens, completion.logps, draw.prompt);
  if (growth.rollout) {
    tree_[id].rollout = true;
    tree_[draw.parent].rollouts += 1;
  }
  tree_[id].asked = growth.asked;
  if (growth.asked) return id;
  const bool ended = completion.ended || completion.tokens.empty() ||
                     completion.stop == core::StopReason::kContextFull ||
                     completion.stop == core::StopReason::kCancelled;
  if (!growth.by_step || ended || tree_[id].path_length >= growth.params.max_tokens) close(id);

  const Node& node = tree_[id];
  if (growth.scoring != Scoring::kNothing) {
    if (node.terminal && !node.answered) {
      set_value(id, 0);
    } else if (node.answered || growth.scoring == Scoring::kAll) {
      if (critic_reads()) charge_reading(id);
      readings.push_back({id, node.terminal ? 0 : draw.lookahead, {}, {}});
    }
  }
  if (node.terminal) candidates_[static_cast<size_t>(node.candidate)].usage = usage_;
  return id;
}

core::Task<std::vector<NodeId>> Search::extend(std::vector<NodeId> parents, Growth growth) {
  std::vector<int32_t> behind(parents.size(), Tree::kBehindParent);
  return grow(std::move(parents), std::move(behind), std::move(growth));
}

core::Task<std::vector<NodeId>> Search::start(std::vector<NodeId> parents, std::vector<core::Tokens> prompts,
                                              Growth growth) {
  PONDER_CHECK(prompts.size() == parents.size() && growth.lookahead == 0, "one prompt for each parent");
  std::vector<int32_t> own;
  for (core::Tokens& prompt : prompts) {
    const auto known = std::ranges::find(prompts_, prompt);
    own.push_back(static_cast<int32_t>(known - prompts_.begin()));
    if (known != prompts_.end()) continue;
    prompts_.push_back(std::move(prompt));
    prompt_read_.push_back(false);
  }
  return grow(std::move(parents), std::move(own), std::move(growth));
}

core::Tokens Search::prompt_of(const core::Asking& asking) const {
  auto prompt = ports_.codec->asking(problem_, asking);
  if (!prompt)
    throw Error(ErrorCode::kUsage,
                "this search asks the model about its own work in words, and this model has no words for that");
  return std::move(*prompt);
}

core::Task<std::vector<std::string>> Search::ask(std::vector<Question> questions, core::SampleParams params,
                                                 int64_t max_tokens) {
  params.max_tokens = max_tokens;
  std::vector<NodeId> about;
  std::vector<core::Tokens> prompts;
  std::vector<size_t> asked;
  for (size_t i = 0; i < questions.size(); ++i) {
    core::Tokens prompt = prompt_of(questions[i].asking);
    if (prompt.empty()) continue;
    about.push_back(questions[i].about);
    prompts.push_back(std::move(prompt));
    asked.push_back(i);
  }
  Growth growth;
  growth.params = params;
  growth.by_step = false;
  growth.rollout = growth.asked = true;
  auto asking = start(std::move(about), std::move(prompts), std::move(growth));
  const std::vector<NodeId> nodes = co_await asking;
  std::vector<std::string> replies(questions.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] == kNoNode) {
      replies.resize(asked[i]);
      break;
    }
    replies[asked[i]] = ports_.codec->decode(tree_.tokens(nodes[i]));
  }
  co_return replies;
}

core::Task<std::vector<NodeId>> Search::grow(std::vector<NodeId> parents, std::vector<int32_t> prompts, Growth growth) {
  std::vector<NodeId> children;
  while (children.size() < parents.size()) {
    std::vector<Draw> wave = plan_wave(parents, prompts, children.size(), growth);
    if (wave.empty()) break;
    core::SampleAll sampling(ports_, requests(wave, growth));
    const std::vector<core::Completion> completions = co_await sampling;
    std::vector<Reading> readings;
    for (size_t i = 0; i < wave.size(); ++i) children.push_back(settle(wave[i], completions[i], growth, readings));
    if (growth.lookahead > 0) {
      auto looking = look_ahead(std::move(readings), growth);
      readings = co_await looking;
    }
    auto scoring = score(std::move(readings));
    co_await scoring;
  }
  children.resize(parents.size(), kNoNode);
  co_return children;
}

core::Task<std::vector<Search::Reading>> Search::look_ahead(std::vector<Reading> readings, Growth growth) {
  for (uint64_t step = 0;; ++step) {
    std::vector<core::SampleRequest> requests;
    std::vector<size_t> rows;
    for (size_t i = 0; i < readings.size(); ++i) {
      Reading& reading = readings[i];
      const Node& node = tree_[reading.node];
      const int64_t room = growth.params.max_tokens - node.path_length - static_cast<int64_t>(reading.ahead.size());
      if (reading.lookahead == 0 || room <= 0) continue;
      core::SampleRequest request{prefix(reading.node), growth.params, node.key.child("lookahead").child(step)};
      request.prefix.insert(request.prefix.end(), reading.ahead.begin(), reading.ahead.end());
      request.written = node.path_length + static_cast<int64_t>(reading.ahead.size());
      request.params.endings = ports_.codec->endings();
      request.params.temperature = 0;
      request.params.max_tokens = std::min(growth.step_tokens, room);
      request.params.stop = ports_.codec->step_ends();
      requests.push_back(std::move(request));
      rows.push_back(i);
    }
    if (requests.empty()) break;
    core::SampleAll sampling(ports_, std::move(requests));
    const std::vector<core::Completion> completions = co_await sampling;
    for (size_t i = 0; i < rows.size(); ++i) {
      Reading& reading = readings[rows[i]];
      const core::Completion& completion = completions[i];
      account(completion, growth.step_tokens);
      if (critic_reads()) usage_.critic += static_cast<int64_t>(completion.tokens.size());
      reading.ahead.insert(reading.ahead.end(), completion.tokens.begin(), completion.tokens.end());
      reading.ahead_logps.insert(reading.ahead_logps.end(), completion.logps.begin(), completion.logps.end());
      reading.lookahead = completion.ended || completion.tokens.empty() ? 0 : reading.lookahead - 1;
    }
  }
  co_return readings;
}

// ---- Scoring ------------------------------------------------------------------------------------------------------

// What the policy's own log-probs say, without any reading. A confidence knows answers alone.
double Search::own_value(const Reading& reading) const {
  const Node& node = tree_[reading.node];
  if (guide_ == Guide::kConfidence && node.answered) return ports_.confidence->value(tree_.path_logps(reading.node));
  const auto length = static_cast<double>(node.path_length) + static_cast<double>(reading.ahead_logps.size());
  double logp = 0;
  for (float ahead : reading.ahead_logps) logp += ahead;
  return length > 0 ? std::exp((node.path_logp + logp) / length) : 0;
}

core::Task<bool> Search::score(std::vector<Reading> readings) {
  if (!critic_reads()) {
    for (const Reading& r : readings) set_value(r.node, own_value(r));
    co_return true;
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
    set_value(readings[i].node, scores[i].value);
  }
  co_return true;
}

void Search::set_value(NodeId id, double value) {
  Node& node = tree_[id];
  node.value = std::isfinite(value) ? static_cast<float>(std::clamp(value, 0.0, 1.0)) : 0.0f;
  node.scored = true;
  if (node.answered) candidates_[static_cast<size_t>(node.candidate)].score = node.value;
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
        const int64_t prompt = tree_[kRoot].read ? 0 : static_cast<int64_t>(prompts_[0].size());
        if (unread_tokens(id) + prompt > tokens_left()) break;
        charge_reading(id);
      }
      readings.push_back({id, 0, {}, {}});
    }
    paid[i] = true;
  }
  auto scoring = score(std::move(readings));
  co_await scoring;
  co_return paid;
}

core::Task<bool> Search::evaluate(NodeId node) {
  std::vector<NodeId> nodes = {node};
  auto evaluation = evaluate_all(std::move(nodes));
  const std::vector<bool> paid = co_await evaluation;
  co_return paid[0];
}

NodeId Search::force(NodeId parent, const core::Tokens& tokens) {
  PONDER_CHECK(!tree_[parent].terminal, "nothing can be written behind a finished completion");
  const auto length = static_cast<int64_t>(tokens.size());
  if (length > tokens_left()) return kNoNode;
  usage_.generated += length;
  const base::RngKey key = tree_[parent].key.child(static_cast<uint64_t>(tree_[parent].draws++));
  const NodeId id = tree_.add(parent, key, tokens, std::vector<float>(tokens.size(), 0.0f));
  tree_[id].forced = true;
  return id;
}

// ---- The end ------------------------------------------------------------------------------------------------------

core::Task<NodeId> Search::finish(NodeId from, core::SampleParams params) {
  answer_reserve_ = 0;
  if (tree_[from].terminal) co_return from;
  params.temperature = 0;
  Growth growth;
  growth.params = params;
  growth.by_step = false;
  growth.rollout = true;
  std::vector<NodeId> parents = {from};
  auto writing = extend(std::move(parents), growth);
  const std::vector<NodeId> children = co_await writing;
  co_return children[0];
}

core::Task<NodeId> Search::conclude(std::string select, NodeId best, core::SampleParams params) {
  if (!has_answer_) {
    auto finishing = finish(best, params);
    const NodeId end = co_await finishing;
    if (end != kNoNode) best = end;
  }
  const int64_t index = select_candidate(candidates_, select, key_.child("select"));
  co_return index < 0 ? best : candidates_[static_cast<size_t>(index)].node;
}

SearchResult Search::take_result(NodeId chosen) {
  SearchResult result;
  tree_.mark_chosen(chosen);
  result.completion = tree_.path_tokens(chosen);
  const Node& node = tree_[chosen];
  if (node.answered) result.answer = candidates_[static_cast<size_t>(node.candidate)].answer;
  result.score = node.value;
  result.usage = usage_;
  result.tree = std::move(tree_);
  result.candidates = std::move(candidates_);
  return result;
}

}  // namespace ponder::search
