#include "ponder/learn/pack.h"

#include <algorithm>
#include <numeric>

#include "ponder/base/error.h"

namespace ponder::learn {

Row make_row(const core::Example& example) {
  PONDER_CHECK(example.tokens.size() == example.weights.size(), "every token needs one weight");
  return {.tokens = example.tokens, .weights = example.weights};
}

Row make_row(const core::Trajectory& trajectory, float advantage) {
  const size_t prompt = trajectory.prompt.size();
  PONDER_CHECK(trajectory.tokens.size() == trajectory.logp_behavior.size(), "every sampled token needs its log-prob");
  Row row;
  row.tokens = trajectory.prompt;
  row.tokens.insert(row.tokens.end(), trajectory.tokens.begin(), trajectory.tokens.end());
  row.weights.assign(row.tokens.size(), 1.0f);
  std::fill_n(row.weights.begin(), prompt, 0.0f);
  row.advantages.assign(row.tokens.size(), advantage);
  row.logp_old.assign(prompt, 0.0f);
  row.logp_old.insert(row.logp_old.end(), trajectory.logp_behavior.begin(), trajectory.logp_behavior.end());
  return row;
}

Row make_row(core::Tokens tokens, std::span<const int64_t> positions, std::span<const float> labels) {
  PONDER_CHECK(positions.size() == labels.size(), "every position needs one label");
  Row row;
  row.weights.assign(tokens.size(), 0.0f);
  row.labels.assign(tokens.size(), 0.0f);
  for (size_t k = 0; k < positions.size(); ++k) {
    PONDER_CHECK(positions[k] >= 1 && positions[k] <= static_cast<int64_t>(tokens.size()),
                 "a prefix has between 1 token and all of them, got ", positions[k]);
    row.weights[static_cast<size_t>(positions[k]) - 1] = 1.0f;
    row.labels[static_cast<size_t>(positions[k]) - 1] = labels[k];
  }
  row.tokens = std::move(tokens);
  return row;
}

namespace {

// Input tokens that a row needs: up to the last position that a loss reads.
size_t input_length(const Row& row, Reads reads) {
  size_t last = row.weights.size();
  while (last > 0 && row.weights[last - 1] == 0) --last;
  return last == 0 ? 0 : reads == Reads::kTokens ? last - 1 : last;
}

void check_row(const Row& row, Reads reads, size_t index) {
  PONDER_CHECK(row.weights.size() == row.tokens.size(), "row ", index, ": every token needs one weight");
  PONDER_CHECK(reads == Reads::kScores || row.weights.empty() || row.weights[0] == 0, "row ", index,
               ": nothing comes before the first token, its weight must be 0");
  for (const auto* list : {&row.advantages, &row.logp_old, &row.logp_ref, &row.labels}) {
    PONDER_CHECK(list->empty() || list->size() == row.tokens.size(), "row ", index, ": a list has ", list->size(),
                 " numbers for ", row.tokens.size(), " tokens");
  }
}

// Which units go into which pack: the longest first, each into the emptiest pack (LPT scheduling), so that packs, and
// with them workers, end at the same time.
std::vector<std::vector<size_t>> assign(const std::vector<size_t>& lengths, const PackOptions& options) {
  std::vector<size_t> order;
  size_t total = 0;
  for (size_t u = 0; u < lengths.size(); ++u) {
    if (lengths[u] > 0) order.push_back(u);
    total += lengths[u];
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  const size_t capacity = static_cast<size_t>(options.max_tokens), workers = static_cast<size_t>(options.workers);
  for (size_t rounds = std::max<size_t>(1, (total + capacity * workers - 1) / (capacity * workers));; ++rounds) {
    const size_t count = std::min(rounds * workers, order.size());
    std::vector<std::vector<size_t>> packs(count);
    std::vector<size_t> load(count, 0);
    bool fits = true;
    for (size_t u : order) {
      const auto emptiest = static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
      fits = fits && (load[emptiest] == 0 || load[emptiest] + lengths[u] <= capacity);
      packs[emptiest].push_back(u);
      load[emptiest] += lengths[u];
    }
    if (fits || count == order.size()) return packs;
  }
}

void append_row(const Row& row, size_t index, Reads reads, Pack& pack) {
  const auto start = static_cast<int64_t>(pack.ids.size());
  const size_t length = input_length(row, reads);
  pack.rows.push_back(index);
  pack.ids.insert(pack.ids.end(), row.tokens.begin(), row.tokens.begin() + static_cast<std::ptrdiff_t>(length));
  pack.starts.push_back(static_cast<int64_t>(pack.ids.size()));
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    if (row.weights[i] == 0) continue;
    pack.hidden.push_back(start + static_cast<int64_t>(i) - (reads == Reads::kTokens ? 1 : 0));
    pack.targets.push_back(row.tokens[i]);
    pack.sources.push_back(static_cast<int64_t>(i));
    pack.mask.push_back(row.weights[i]);
    if (!row.advantages.empty()) pack.advantages.push_back(row.advantages[i]);
    if (!row.logp_old.empty()) pack.logp_old.push_back(row.logp_old[i]);
    if (!row.logp_ref.empty()) pack.logp_ref.push_back(row.logp_ref[i]);
    if (!row.labels.empty()) pack.labels.push_back(row.labels[i]);
  }
  pack.offsets.push_back(static_cast<int64_t>(pack.hidden.size()));
}

}  // namespace

LossInput Pack::loss_input(std::span<const double> logp) const {
  return {logp, offsets, logp_old, logp_ref, mask, advantages, labels, {}, {}};
}

std::vector<Pack> make_packs(std::span<const Row> rows, Reads reads, const PackOptions& options) {
  PONDER_CHECK(options.max_tokens > 0 && options.workers > 0 && options.unit > 0, "pack options must be positive");
  PONDER_CHECK(rows.size() % options.unit == 0, "rows must come in units of ", options.unit, ", got ", rows.size());
  std::vector<size_t> lengths(rows.size() / options.unit, 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    check_row(rows[i], reads, i);
    lengths[i / options.unit] += input_length(rows[i], reads);
  }
  std::vector<Pack> packs;
  for (auto& units : assign(lengths, options)) {
    std::sort(units.begin(), units.end());
    Pack& pack = packs.emplace_back();
    for (size_t u : units) {
      for (size_t i = u * options.unit; i < (u + 1) * options.unit; ++i) append_row(rows[i], i, reads, pack);
    }
  }
  return packs;
}

}  // namespace ponder::learn
