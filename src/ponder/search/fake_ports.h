// Test-only ports over small known games: a policy whose step probabilities are given, a critic with exact values and
// planted noise, both answering in random batches and random order. They keep books of their own, so that a test can
// hold a search's Usage against what really happened.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "ponder/search/run.h"

namespace ponder::search::fake {

constexpr core::Token kEnd = 0;     // the model's end token
constexpr core::Token kStep = 1;    // ends a step
constexpr core::Token kGiveUp = 2;  // a completion with it claims no answer
constexpr core::Token kAnswer = 3;  // forced: what an answer begins with
constexpr core::Token kOn = 4;      // forced: what a thought goes on with
constexpr core::Token kFirstWord = 10;

// The time of this world: a second for each round of a policy.
inline thread_local double seconds = 0;
inline double now() { return seconds; }

struct Choice {
  core::Token token;
  double p;
};

// What a game is: the distribution of the next token behind (prompt, completion), and which answers are right.
struct Game {
  std::function<std::vector<Choice>(core::TokenSpan completion)> next;
  std::function<bool(core::TokenSpan completion)> correct;  // known to the exact critic alone
};

// `depth` steps of one word and kStep each, then kEnd; word w of `width` has probability p[w] (not normalised). The
// answer is the list of words. Right are the paths that `correct` says.
inline Game path_game(int depth, std::vector<double> p, std::function<bool(const std::vector<int>&)> correct) {
  const auto words = [](core::TokenSpan completion) {
    std::vector<int> path;
    for (core::Token t : completion) {
      if (t >= kFirstWord) path.push_back(t - kFirstWord);
    }
    return path;
  };
  Game game;
  game.next = [=](core::TokenSpan completion) -> std::vector<Choice> {
    if (!completion.empty() && completion.back() >= kFirstWord) return {{kStep, 1.0}};
    if (static_cast<int>(words(completion).size()) == depth) return {{kEnd, 1.0}};
    std::vector<Choice> choices;
    for (size_t w = 0; w < p.size(); ++w) choices.push_back({kFirstWord + static_cast<core::Token>(w), p[w]});
    return choices;
  };
  game.correct = [=](core::TokenSpan completion) { return correct(words(completion)); };
  return game;
}

// Games of random shape: sometimes endless steps, dead ends, giving up, empty completions, probability zero.
inline Game messy_game() {
  Game game;
  game.next = [](core::TokenSpan completion) -> std::vector<Choice> {
    const uint64_t h = base::RngKey(7).child(completion.size()).value % 5;
    if (completion.empty()) return {{kEnd, 0.1}, {kFirstWord, 0.5}, {kFirstWord + 1, 0.4}, {kGiveUp, 0.0}};
    return {{kEnd, 0.05}, {kStep, 0.3}, {kGiveUp, 0.05}, {kFirstWord, 0.4}, {kFirstWord + 2, h == 0 ? 0.0 : 0.2}};
  };
  game.correct = [](core::TokenSpan completion) { return completion.size() % 3 == 0; };
  return game;
}

class FakeCodec : public core::Codec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    std::string text;
    for (core::Token t : tokens) text += (text.empty() ? "" : " ") + std::to_string(t);
    return text;
  }
  std::optional<std::string> answer(const core::Problem&, core::TokenSpan completion) const override {
    const bool ended = !completion.empty() && (completion.back() == kEnd || (endings() && ends.ended(completion)));
    if (!ended || std::ranges::find(completion, kGiveUp) != completion.end()) return std::nullopt;
    std::string text;
    for (core::Token t : completion) {
      if (t >= kFirstWord) text += static_cast<char>('a' + (t - kFirstWord) % 26);
    }
    return text;
  }
  core::Tokens step_ends() const override { return {kStep}; }
  const core::Endings* endings() const override { return ends.tokens.empty() ? nullptr : &ends; }
  // The answer is what stands behind kAnswer, or the last word of what has ended.
  int64_t thought_length(core::TokenSpan completion) const override {
    const auto mark = std::ranges::find(completion, kAnswer);
    if (mark != completion.end()) return mark - completion.begin();
    size_t length = completion.size();
    if (length > 0 && completion.back() != kEnd) return static_cast<int64_t>(length);
    while (length > 0 && completion[length - 1] < kFirstWord) --length;
    return static_cast<int64_t>(length > 0 ? length - 1 : 0);
  }
  core::Tokens think_on(core::TokenSpan) const override { return {kOn}; }
  core::Tokens answer_now(core::TokenSpan) const override { return {kAnswer}; }
  // What a text of a question is called in its prompt, when it is the only one.
  static int text_number(const std::string& text) {
    return static_cast<int>(base::RngKey(1).child(text).value % 1000000);
  }
  // A prompt of the same length as the problem's: the problem, which question it is, and its texts.
  std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override {
    if (!asks) return std::nullopt;
    uint64_t texts = 1;
    for (const std::string& text : asking.texts) texts = base::RngKey(texts).child(text).value;
    return core::Tokens{std::atoi(problem.id.c_str()), 1 + static_cast<core::Token>(asking.ask),
                        static_cast<core::Token>(texts % 1000000)};
  }
  bool asks = true;

  // Ends a completion as a stop text does; none unless its tokens are set.
  struct TokensEnd : core::Endings {
    core::Tokens tokens;
    bool ended(core::TokenSpan completion) const override {
      return completion.size() >= tokens.size() && std::ranges::equal(completion.last(tokens.size()), tokens);
    }
  } ends;
};

// The prompt of every test problem: the problem's number, then length − 1 zeros.
inline core::Tokens make_prompt(int problem, size_t length = 3) {
  core::Tokens prompt(length, 0);
  if (length > 0) prompt[0] = problem;
  return prompt;
}

class FakePolicy : public core::Policy {
 public:
  FakePolicy(Game game, size_t prompt_length, uint64_t batch_seed)
      : game_(std::move(game)), prompt_length_(prompt_length), batches_(base::RngKey(batch_seed)) {}

  void submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) override {
    PONDER_CHECK(request.params.max_tokens >= 1, "a search asked for ", request.params.max_tokens, " tokens");
    const core::Tokens& prefix = request.prefix;
    if (prefix.size() >= 3 && prefix[1] != 0) prompts.emplace(prefix.begin(), prefix.begin() + 3);
    rows_.push_back({std::move(request), out, waiter});
    ++requests;
    most_rows = std::max(most_rows, rows_.size());
  }

  // A token for a random half of the rows, in random order.
  bool advance() override {
    if (rows_.empty()) return false;
    seconds += 1;
    if (std::erase_if(rows_, [&](Row& row) { return end_late(row); }) > 0) return true;
    batches_.shuffle(rows_);
    const size_t served = 1 + static_cast<size_t>(batches_.below(static_cast<int64_t>(rows_.size())));
    std::vector<Row> live;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (i >= served || !write_token(rows_[i])) live.push_back(std::move(rows_[i]));
    }
    rows_ = std::move(live);
    return true;
  }

  std::map<core::Token, int64_t> generated;  // by problem
  int64_t requests = 0;
  std::set<core::Tokens> prompts;  // other than the problems'
  size_t most_rows = 0;
  std::function<void(core::Completion&)> garble;  // spoils finished completions
  // What it replies to a question (core::Ask, and a number for its texts); where it is not set, as to the problem. An
  // answer written anew, or behind what is known, is always as to the problem.
  std::function<std::vector<Choice>(int ask, int texts, core::TokenSpan reply)> asked;
  static constexpr core::Token kRevision = 1 + static_cast<core::Token>(core::Ask::kRevise);
  static constexpr core::Token kConclusion = 1 + static_cast<core::Token>(core::Ask::kConclude);

 private:
  struct Row {
    core::SampleRequest request;
    core::Completion* out;
    core::Waiter* waiter;
  };

  bool end_late(Row& row) {
    if (row.request.deadline > seconds) return false;
    row.out->stop = core::StopReason::kDeadline;
    row.out->processed = static_cast<int64_t>(row.request.prefix.size() + row.out->tokens.size());
    generated[row.request.prefix[0]] += static_cast<int64_t>(row.out->tokens.size());
    row.waiter->arrived();
    return true;
  }

  bool write_token(Row& row) {
    core::Completion& c = *row.out;
    const core::Tokens& prefix = row.request.prefix;
    core::Tokens completion(prefix.begin() + static_cast<std::ptrdiff_t>(prompt_length_), prefix.end());
    completion.insert(completion.end(), c.tokens.begin(), c.tokens.end());
    std::vector<double> p;
    const std::vector<Choice> choices = asked && prefix[1] != 0 && prefix[1] != kRevision && prefix[1] != kConclusion
                                            ? asked(prefix[1] - 1, prefix[2], completion)
                                            : game_.next(completion);
    for (const Choice& choice : choices) {
      const double t = row.request.params.temperature;
      p.push_back(t == 0 || t == 1 ? choice.p : std::pow(choice.p, 1 / t));
    }
    if (row.request.params.temperature == 0) {
      const size_t top = static_cast<size_t>(std::ranges::max_element(p) - p.begin());
      for (size_t i = 0; i < p.size(); ++i) p[i] = i == top ? 1 : 0;
    }
    double sum = 0;
    for (double x : p) sum += x;
    double u = base::uniform_at(row.request.key, c.tokens.size()) * sum;
    size_t pick = 0;
    while (pick + 1 < p.size() && (u >= p[pick] || p[pick] == 0)) u -= p[pick++];
    c.tokens.push_back(choices[pick].token);
    c.logps.push_back(static_cast<float>(std::log(p[pick] / sum)));
    if (row.request.params.entropy) c.entropies.push_back(entropy_of(choices));
    completion.push_back(c.tokens.back());
    PONDER_CHECK(completion.size() == static_cast<size_t>(row.request.written) + c.tokens.size(),
                 "a search says what it has written");
    const core::Endings* endings = row.request.params.endings;
    c.ended = choices[pick].token == kEnd || (endings && endings->ended(completion));
    const bool stopped = std::ranges::find(row.request.params.stop, c.tokens.back()) != row.request.params.stop.end();
    const bool full = static_cast<int64_t>(c.tokens.size()) >= row.request.params.max_tokens;
    if (!c.ended && !stopped && !full) return false;
    c.stop = c.ended || stopped ? core::StopReason::kStopToken : core::StopReason::kMaxTokens;
    c.processed = static_cast<int64_t>(prefix.size() + c.tokens.size());
    if (garble) garble(c);
    generated[prefix[0]] += static_cast<int64_t>(c.tokens.size());
    row.waiter->arrived();
    return true;
  }

  static float entropy_of(const std::vector<Choice>& choices) {
    double sum = 0, entropy = 0;
    for (const Choice& choice : choices) sum += choice.p;
    for (const Choice& choice : choices)
      if (choice.p > 0) entropy -= choice.p / sum * std::log(choice.p / sum);
    return static_cast<float>(entropy);
  }

  Game game_;
  size_t prompt_length_;
  base::Rng batches_;
  std::vector<Row> rows_;
};

// The prefixes that a cache has held, of which none is read twice.
class Held {
 public:
  int64_t read(const core::Tokens& prefix) {  // tokens of it that are read for the first time
    int64_t fresh = 0;
    for (size_t n = 1; n <= prefix.size(); ++n)
      fresh += held_.emplace(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(n)).second ? 1 : 0;
    return fresh;
  }

 private:
  std::set<core::Tokens> held_;
};

// Another model, which has none of the first one's cache.
class FakeSecond : public FakePolicy {
 public:
  using FakePolicy::FakePolicy;
  void submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) override {
    read_tokens[request.prefix[0]] += held_.read(request.prefix);
    FakePolicy::submit(std::move(request), out, waiter);
  }
  std::map<core::Token, int64_t> read_tokens;  // by problem

 private:
  Held held_;
};

// The chance that the game's policy, at temperature 1, ends in a right answer behind this completion; by enumeration.
inline double exact_value(const Game& game, const core::Tokens& completion) {
  double value = 0;
  std::vector<std::pair<core::Tokens, double>> open = {{completion, 1.0}};
  while (!open.empty()) {
    auto [path, p] = std::move(open.back());
    open.pop_back();
    if (!path.empty() && path.back() == kEnd) {
      value += game.correct(path) ? p : 0;
      continue;
    }
    const std::vector<Choice> choices = game.next(path);
    double sum = 0;
    for (const Choice& c : choices) sum += c.p;
    for (const Choice& c : choices) {
      open.push_back({path, p * c.p / sum});
      open.back().first.push_back(c.token);
    }
  }
  return value;
}

// Reads each prefix token once, as a critic with a prefix cache does, and answers in random order.
class FakeCritic : public core::Critic {
 public:
  using Value = std::function<double(const core::Tokens& completion)>;
  FakeCritic(Value value, size_t prompt_length, uint64_t batch_seed, double noise = 0)
      : value_(std::move(value)), prompt_length_(prompt_length), noise_(noise), batches_(base::RngKey(batch_seed)) {}

  void submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) override {
    rows_.push_back({std::move(request.prefix), out, waiter});
    ++requests;
  }

  bool advance() override {
    if (rows_.empty()) return false;
    batches_.shuffle(rows_);
    const size_t served = 1 + static_cast<size_t>(batches_.below(static_cast<int64_t>(rows_.size())));
    for (size_t i = 0; i < served; ++i) {
      Row row = std::move(rows_.back());
      rows_.pop_back();
      *row.out = {static_cast<float>(noisy_value(row.prefix)), read(row.prefix)};
      row.waiter->arrived();
    }
    return true;
  }

  std::map<core::Token, int64_t> read_tokens;  // by problem
  int64_t requests = 0;

 private:
  struct Row {
    core::Tokens prefix;
    core::Score* out;
    core::Waiter* waiter;
  };

  double noisy_value(const core::Tokens& prefix) {
    core::Tokens completion(prefix.begin() + static_cast<std::ptrdiff_t>(prompt_length_), prefix.end());
    double value = value_(completion);
    if (noise_ > 0) {
      base::RngKey key(99);
      for (core::Token t : prefix) key = key.child(static_cast<uint64_t>(t));
      value += noise_ * base::Rng(key).normal();
    }
    return value;
  }

  int64_t read(const core::Tokens& prefix) {
    const int64_t fresh = held_.read(prefix);
    read_tokens[prefix[0]] += fresh;
    return fresh;
  }

  Value value_;
  size_t prompt_length_;
  double noise_;
  base::Rng batches_;
  std::vector<Row> rows_;
  Held held_;
};

// Says what the game says: ended paths are right or wrong, of others nothing is known.
class FakeJudge : public core::Judge {
 public:
  explicit FakeJudge(const Game& game) : game_(game) {}
  bool knows(const core::Problem&) const override { return true; }
  std::optional<double> value(const core::Problem&, core::TokenSpan completion) const override {
    if (completion.empty() || completion.back() != kEnd) return std::nullopt;
    return game_.correct(completion) ? 1.0 : 0.0;
  }
  std::optional<double> outlook(const core::Problem&, core::TokenSpan completion) const override {
    if (!outlook_of) return std::nullopt;
    return outlook_of(completion);
  }
  std::function<double(core::TokenSpan)> outlook_of;  // the game's rule of thumb, where it has one

 private:
  const Game& game_;
};

// A game with its ports, ready for run_searches.
struct World {
  explicit World(Game the_game, uint64_t batch_seed = 1, double noise = 0, bool with_critic = true)
      : game(std::move(the_game)),
        policy(game, 3, batch_seed),
        critic([this](const core::Tokens& c) { return value(c); }, 3, batch_seed + 1, noise),
        has_critic(with_critic) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  double value(const core::Tokens& completion) {
    const auto known = values.find(completion);
    if (known != values.end()) return known->second;
    return values[completion] = value_of ? value_of(completion) : exact_value(game, completion);
  }
  core::Ports ports() {
    return {&policy, has_critic ? &critic : nullptr, &codec, nullptr, &confidence, &judge, second.get(), &now};
  }

  // speaker: a codec of the test's own, in place of the plain one.
  std::vector<SearchRow> run(const Strategy& strategy, int problems, RunOptions options = {}, uint64_t seed = 0,
                             const core::Codec* speaker = nullptr) {
    std::vector<SearchInput> inputs;
    for (int i = 0; i < problems; ++i) {
      core::Problem problem;
      problem.id = std::to_string(i);
      inputs.push_back({problem, make_prompt(i)});
    }
    core::Ports own = ports();
    if (speaker) own.codec = speaker;
    return run_searches(inputs, strategy, own, base::RngKey(seed), options);
  }
  bool right(const SearchResult& result) const { return result.answer && game.correct(result.completion); }

  Game game;
  FakePolicy policy;
  FakeCritic critic;
  FakeCodec codec;
  core::Confidence confidence = {{0.5, 0.2}, 0.1, 0.05, 1};
  FakeJudge judge{game};
  bool has_critic;
  std::unique_ptr<FakeSecond> second;                   // null: the policy has nobody beside it
  std::function<double(const core::Tokens&)> value_of;  // instead of the exact value
  std::map<core::Tokens, double> values;
};

}  // namespace ponder::search::fake
