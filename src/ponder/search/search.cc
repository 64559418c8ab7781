#include "ponder/search/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::search {

Search::Search(const core::Problem& problem, core::Tokens prompt, const core::Ports& ports, core::Budget budget,
               base::RngKey key)
    : problem_(problem), prompts_{{std::move(prompt), true}}, ports_(ports), budget_(budget), key_(key), tree_(key) {
  guide_.kind = ports_.critic ? GuideKind::kCritic : GuideKind::kLikelihood;
  if (std::isfinite(budget_.seconds)) start_ = ports_.now();
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

void Search::use_guide(const std::string& guide, double own_share, const core::SampleParams& params) {
  guide_ = guide_named(guide, own_share, ports_, problem_, params);
  guide_params_ = params;
  if (guide_.kind == GuideKind::kTrue) (void)prompt_of({core::Ask::kTrue, {""}});  // the model must have words for it
}

double Search::share_spent() const {
  const auto share = [](int64_t used, int64_t all) {
    return all < std::numeric_limits<int64_t>::max()
               ? static_cast<double>(used) / static_cast<double>(std::max<int64_t>(1, all))
               : 0.0;
  };
  double spent = std::max(share(usage_.generated + usage_.read(), budget_.tokens), share(usage_.nodes, budget_.nodes));
  const auto prompt = static_cast<int64_t>(prompts_[0].tokens.size());
  if (std::isfinite(budget_.flops)) spent = std::max(spent, budget_.flops_spent(usage_, prompt) / budget_.flops);
  if (std::isfinite(budget_.seconds)) spent = std::max(spent, (ports_.now() - start_) / budget_.seconds);
  return spent;
}

int64_t Search::goal(int64_t wanted, int64_t without_budget) const {
  if (wanted > 0) return wanted;
  return budget_.limits() ? std::numeric_limits<int64_t>::max() : without_budget;
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
  if (deadline() <= ports_.now()) return 0;
  const int64_t left = budget_.tokens_left(usage_, static_cast<int64_t>(prompts_[0].tokens.size()));
  return std::max<int64_t>(0, left - (has_answer_ ? 0 : answer_reserve_));
}

// What is kept back for an answer is worth as much time as the last wave took for so many tokens, one after the other:
// at most half of all, and a quarter where no wave has told yet.
double Search::deadline() const {
  const double end = start_ + budget_.seconds;
  if (has_answer_ || answer_reserve_ == 0 || !std::isfinite(end)) return end;
  const double wanted =
      token_seconds_ > 0 ? static_cast<double>(answer_reserve_) * token_seconds_ : budget_.seconds / 4;
  return end - std::min(wanted, budget_.seconds / 2);
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

// Of a prompt that the search made, what is read for the first time. For the policy its beginning is often the
// problem's own. A second model has read nothing but such prompts, those of the wave among them.
int64_t Search::unasked_tokens(int32_t prompt, const std::vector<Draw>& wave) const {
  if (prompt == Tree::kBehindParent || std::ranges::find(wave, prompt, &Draw::prompt) != wave.end()) return 0;
  const Prompt& asked = prompts_[static_cast<size_t>(prompt)];
  if (asked.read) return 0;
  const auto behind = [&](const Prompt& known) {
    return asked.tokens.end() - std::ranges::mismatch(asked.tokens, known.tokens).in1;
  };
  if (asked.reader == core::Writer::kPolicy) return behind(prompts_[0]);
  auto fresh = static_cast<int64_t>(asked.tokens.size());
  for (const Prompt& known : prompts_)
    if (known.read && known.reader == asked.reader) fresh = std::min(fresh, behind(known));
  for (const Draw& draw : wave) fresh = std::min(fresh, behind(prompts_[static_cast<size_t>(draw.prompt)]));
  return fresh;
}

void Search::charge_reading(NodeId node) {
  // Whatever an answer was written behind, it is read behind the problem.
  for (; node != kNoNode && !tree_[node].read; node = tree_[node].starts ? kRoot : tree_[node].parent) {
    usage_.critic += static_cast<int64_t>(node == kRoot ? prompts_[0].tokens.size() : tree_.tokens(node).size());
    tree_[node].read = true;
  }
}

void Search::account(const core::Completion& completion, int64_t max_tokens, core::Writer writer) {
  const auto written = static_cast<int64_t>(completion.tokens.size());
  PONDER_CHECK(written <= max_tokens, "a policy may write at most max_tokens = ", max_tokens, " tokens, got ", written);
  usage_.generated += written;
  (writer == core::Writer::kSecond ? usage_.second_processed : usage_.processed) += completion.processed;
  usage_.drafted += completion.drafted;
  usage_.accepted += completion.accepted;
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
  if (reads && !tree_[kRoot].read) tokens -= static_cast<int64_t>(prompts_[0].tokens.size());

  std::vector<Draw> wave;
  for (size_t i = from; i < parents.size(); ++i) {
    const Node& parent = tree_[parents[i]];
    const bool starts = prompts[i] != Tree::kBehindParent;
    PONDER_CHECK(starts || !parent.terminal, "nothing can be drawn behind a finished completion");
    const int64_t written = starts ? prompts_[static_cast<size_t>(prompts[i])].written : parent.path_length;
    const int64_t room = growth.params.max_tokens - written;
    const int64_t length = growth.by_step ? std::min(growth.step_tokens, room) : room;
    const int64_t ahead = std::min(growth.lookahead * growth.step_tokens, room - length);
    const int64_t unread = reads && !starts ? unread_tokens(parents[i]) : 0;
    const int64_t asked = unasked_tokens(prompts[i], wave), cost = price * (length + ahead) + unread + asked;
    if (cost <= tokens && 1 + growth.lookahead <= nodes) {
      wave.push_back({parents[i], length, growth.lookahead, prompts[i], asked, false, {}});
      tokens -= cost;
      nodes -= 1 + growth.lookahead;
      continue;
    }
    const int64_t affordable = std::min(length, (tokens - unread - asked) / price);
    if (wave.empty() && affordable >= 1 && nodes >= 1)
      wave.push_back({parents[i], affordable, 0, prompts[i], asked, affordable < length, {}});
    break;
  }
  return wave;
}

// ---- Growing ------------------------------------------------------------------------------------------------------

core::Tokens Search::prefix(NodeId node) const {
  core::Tokens tokens = prompts_[static_cast<size_t>(tree_[node].prompt)].tokens;
  const core::Tokens path = tree_.path_tokens(node);
  tokens.insert(tokens.end(), path.begin(), path.end());
  return tokens;
}

core::Tokens Search::judged(NodeId node) const {
  core::Tokens tokens = prompts_[0].tokens;
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
    params.entropy = guide_.kind == GuideKind::kEntropy;
    params.endings = ports_.codec->endings();
    if (growth.by_step && growth.at_step_ends) params.stop = ports_.codec->step_ends();
    usage_.asked += draw.asked;
    if (draw.prompt == Tree::kBehindParent) {
      requests.push_back({prefix(draw.parent), std::move(params), draw.key, parent.path_length, deadline()});
      continue;
    }
    Prompt& prompt = prompts_[static_cast<size_t>(draw.prompt)];
    prompt.read = true;
    requests.push_back({prompt.tokens, std::move(params), draw.key, prompt.written, deadline()});
  }
  return requests;
}

// A finished completion becomes a candidate. Without an answer it is worth 0: that can be seen in its text. Where it
// was cut off, what its very last token belongs to claims nothing: "12" may have been the beginning of 125.
void Search::close(NodeId id, bool cut) {
  Node& node = tree_[id];
  node.terminal = true;
  Candidate candidate;
  candidate.tokens = tree_.path_tokens(id);
  candidate.answer = ports_.codec->answer(problem_, candidate.tokens);
  if (cut && candidate.answer) {
    const core::TokenSpan all = candidate.tokens;
    const bool was_there =
        !all.empty() && ports_.codec->answer(problem_, all.first(all.size() - 1)) == candidate.answer;
    if (!was_there) candidate.answer.reset();
  }
  candidate.node = id;
  node.answered = candidate.answer.has_value();
  node.candidate = static_cast<int32_t>(candidates_.size());
  has_answer_ |= node.answered;
  candidates_.push_back(std::move(candidate));
}

NodeId Search::settle(const Draw& draw, const core::Completion& completion, const Growth& growth,
                      std::vector<Reading>& readings) {
  account(completion, draw.max_tokens, growth.writer);
  if (growth.merge && !growth.rollout) {
    const NodeId twin = tree_.find_child(draw.parent, completion.tokens, draw.prompt);
    if (twin != kNoNode) return twin;
  }
  const NodeId id =
      tree_.add(draw.parent, draw.key, completion.tokens, completion.logps, draw.prompt, completion.entropies);
  if (growth.rollout) {
    tree_[id].rollout = true;
    tree_[draw.parent].rollouts += 1;
  }
  tree_[id].asked = growth.asked;
  tree_[id].second = growth.writer == core::Writer::kSecond;
  if (growth.asked) return id;
  const bool out_of_time = completion.stop == core::StopReason::kDeadline;  // an answer may still be written behind it
  const bool ended = completion.ended || (completion.tokens.empty() && !out_of_time) ||
                     completion.stop == core::StopReason::kContextFull ||
                     completion.stop == core::StopReason::kCancelled;
  if (!growth.by_step || ended || tree_[id].path_length >= growth.params.max_tokens)
    close(id, !completion.ended && completion.stop != core::StopReason::kStopToken);
  if (tree_[id].terminal && !tree_[id].answered) {
    const bool out_of_tokens = draw.cut && !completion.ended && completion.stop == core::StopReason::kMaxTokens;
    candidates_.back().cut = out_of_tokens || out_of_time;
  }

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
  for (core::Tokens& prompt : prompts) own.push_back(prompt_number(std::move(prompt)));
  return grow(std::move(parents), std::move(own), std::move(growth));
}

int32_t Search::prompt_number(core::Tokens tokens, core::Writer reader) {
  const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(core::Token));
  std::vector<int32_t>& alike = prompts_by_hash_[base::hash64(bytes)];
  for (int32_t number : alike) {
    const Prompt& known = prompts_[static_cast<size_t>(number)];
    if (known.reader == reader && known.tokens == tokens) return number;
  }
  alike.push_back(static_cast<int32_t>(prompts_.size()));
  prompts_.push_back({std::move(tokens), false, 0, reader});
  return alike.back();
}

bool Search::can_ask() const { return ports_.codec->asking(problem_, {core::Ask::kPlan, {}}).has_value(); }

core::Tokens Search::prompt_of(const core::Asking& asking) const {
  auto prompt = ports_.codec->asking(problem_, asking);
  if (!prompt)
    throw Error(ErrorCode::kUsage,
                "this search asks the model about its own work in words, and this model has no words for that");
  return std::move(*prompt);
}

core::Task<std::vector<std::string>> Search::ask(std::vector<Question> questions, core::SampleParams params,
                                                 int64_t max_tokens) {
  std::vector<NodeId> about;
  std::vector<int32_t> prompts;
  std::vector<size_t> asked;
  for (size_t i = 0; i < questions.size(); ++i) {
    core::Tokens prompt = prompt_of(questions[i].asking);
    if (prompt.empty()) continue;
    about.push_back(questions[i].about);
    prompts.push_back(prompt_number(std::move(prompt)));
    asked.push_back(i);
  }
  auto asking = reply(std::move(about), std::move(prompts), std::move(params), max_tokens);
  const std::vector<NodeId> nodes = co_await asking;
  std::vector<std::string> replies(questions.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] == kNoNode) {
      replies.resize(asked[i]);
      break;
    }
    replies[asked[i]] = ports_.codec->said(tree_.tokens(nodes[i]));
  }
  co_return replies;
}

core::Task<std::vector<NodeId>> Search::reply(std::vector<NodeId> about, std::vector<int32_t> prompts,
                                              core::SampleParams params, int64_t max_tokens, core::Writer writer) {
  Growth growth;
  growth.params = std::move(params);
  growth.params.max_tokens = max_tokens;
  growth.by_step = false;
  growth.rollout = growth.asked = true;
  growth.writer = writer;
  return grow(std::move(about), std::move(prompts), std::move(growth));
}

core::Task<std::vector<NodeId>> Search::write_on(std::vector<Cut> cuts, core::SampleParams params,
                                                 core::Writer writer) {
  if (!ports_.second) writer = core::Writer::kPolicy;
  std::vector<NodeId> about;
  std::vector<int32_t> prompts;
  for (const Cut& cut : cuts) {
    const Node& node = tree_[cut.node];
    PONDER_CHECK(cut.tokens <= node.path_length, "a path of ", node.path_length, " tokens has no first ", cut.tokens);
    core::Tokens begun = prefix(cut.node);
    begun.resize(begun.size() - static_cast<size_t>(node.path_length - cut.tokens));
    about.push_back(cut.node);
    prompts.push_back(prompt_number(std::move(begun), writer));
    Prompt& prompt = prompts_[static_cast<size_t>(prompts.back())];
    prompt.read |= writer == core::Writer::kPolicy, prompt.written = cut.tokens;
  }
  const int64_t longest = params.max_tokens;
  return reply(std::move(about), std::move(prompts), std::move(params), longest, writer);
}

core::Task<std::vector<NodeId>> Search::grow(std::vector<NodeId> parents, std::vector<int32_t> prompts, Growth growth) {
  std::vector<NodeId> children;
  while (children.size() < parents.size()) {
    std::vector<Draw> wave = plan_wave(parents, prompts, children.size(), growth);
    if (wave.empty()) break;
    const double begun = ports_.now();
    core::SampleAll sampling(ports_, requests(wave, growth), growth.writer);
    const std::vector<core::Completion> completions = co_await sampling;
    const auto longest = std::ranges::max_element(completions, {}, [](const auto& c) { return c.tokens.size(); });
    if (const size_t tokens = longest->tokens.size(); tokens > 0)
      token_seconds_ = (ports_.now() - begun) / static_cast<double>(tokens);
    std::vector<Reading> readings;
    bool late = false;  // a reply that time has cut says nothing
    for (size_t i = 0; i < wave.size(); ++i) {
      const NodeId child = settle(wave[i], completions[i], growth, readings);
      late |= growth.asked && completions[i].stop == core::StopReason::kDeadline;
      if (!late) children.push_back(child);
    }
    if (late) break;
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
      request.deadline = deadline();
      request.params.endings = ports_.codec->endings();
      request.params.temperature = 0;
      request.params.max_tokens = std::min(growth.step_tokens, room);
      request.params.stop = ports_.codec->step_ends();
      requests.push_back(std::move(request));
      rows.push_back(i);
    }
    if (requests.empty()) break;
    core::SampleAll sampling(ports_, std::move(requests), growth.writer);
    const std::vector<core::Completion> completions = co_await sampling;
    for (size_t i = 0; i < rows.size(); ++i) {
      Reading& reading = readings[rows[i]];
      const core::Completion& completion = completions[i];
      account(completion, growth.step_tokens, growth.writer);
      if (critic_reads()) usage_.critic += static_cast<int64_t>(completion.tokens.size());
      reading.ahead.insert(reading.ahead.end(), completion.tokens.begin(), completion.tokens.end());
      reading.ahead_logps.insert(reading.ahead_logps.end(), completion.logps.begin(), completion.logps.end());
      reading.lookahead = completion.ended || completion.tokens.empty() ? 0 : reading.lookahead - 1;
    }
  }
  co_return readings;
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
  if (guide_.kind == GuideKind::kVote || guide_.kind == GuideKind::kSemantic) {  // all votes are in now
    for (const Candidate& c : candidates_)
      if (c.answer && tree_[c.node].scored) set_value(c.node, share_of_votes(*c.answer));
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
  for (Prompt& prompt : prompts_) result.prompts.push_back(std::move(prompt.tokens));
  return result;
}

}  // namespace ponder::search
