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

// Which runs of rows go into which pack: the longest first, each into the emptiest pack (LPT scheduling), so that
// packs, and with them workers, end at the same time.
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

// Neighbouring rows first … end−1, whole units, whose first `shared` tokens are read once for all.
struct Run {
  size_t first = 0, end = 0, shared = 0;
};

size_t common_beginning(const core::Tokens& a, const core::Tokens& b, size_t most) {
  most = std::min({most, a.size(), b.size()});
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
                             a.begin());
}

// Runs grow as long as another unit saves tokens, and stay small enough to be dealt out evenly.
std::vector<Run> make_runs(std::span<const Row> rows, const std::vector<size_t>& lengths, const PackOptions& options) {
  const size_t total = std::accumulate(lengths.begin(), lengths.end(), size_t{0});
  const auto workers = static_cast<size_t>(options.workers), least = static_cast<size_t>(options.min_shared);
  const size_t largest = std::min(static_cast<size_t>(options.max_tokens), workers > 1 ? total / (2 * workers) : total);
  // What the run's rows have in common with the unit that begins at row `first`.
  const auto shared_with = [&](const Run& run, size_t first) {
    size_t shared = run.shared;
    for (size_t i = first; i < first + options.unit; ++i)
      shared = common_beginning(rows[run.first].tokens, rows[i].tokens, std::min(shared, lengths[i]));
    return shared;
  };
  std::vector<Run> runs;
  for (size_t first = 0; first < rows.size(); first = runs.back().end) {
    Run run{first, first + options.unit, lengths[first]};
    size_t tokens = 0;
    for (size_t i = first; i < run.end; ++i) tokens += lengths[i];
    run.shared = shared_with(run, first);
    while (run.shared >= least && run.end < rows.size()) {
      const size_t shared = shared_with(run, run.end), count = run.end - run.first;
      size_t more = tokens;
      for (size_t i = run.end; i < run.end + options.unit; ++i) more += lengths[i];
      const size_t saved = shared * (count + options.unit - 1);
      if (shared < least || saved <= run.shared * (count - 1) || more - saved > largest) break;
      run.end += options.unit, run.shared = shared, tokens = more;
    }
    if (run.shared < least || run.end - run.first == 1) run.shared = 0;
    runs.push_back(run);
  }
  return runs;
}

void append_sequence(const core::Tokens& tokens, size_t first, size_t end, bool continues, Pack& pack) {
  pack.ids.insert(pack.ids.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                  tokens.begin() + static_cast<std::ptrdiff_t>(end));
  pack.packing.starts.push_back(static_cast<int64_t>(pack.ids.size()));
  pack.packing.continues.push_back(continues);
}

void append_run(std::span<const Row> rows, const Run& run, Reads reads, Pack& pack) {
  const size_t prompt = pack.ids.size();
  if (run.shared > 0) append_sequence(rows[run.first].tokens, 0, run.shared, false, pack);
  for (size_t r = run.first; r < run.end; ++r) {
    const Row& row = rows[r];
    const size_t own = pack.ids.size();
    append_sequence(row.tokens, run.shared, std::max(run.shared, input_length(row, reads)), run.shared > 0, pack);
    pack.rows.push_back(r);
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      if (row.weights[i] == 0) continue;
      const size_t at = i - (reads == Reads::kTokens ? 1 : 0);
      pack.hidden.push_back(static_cast<int64_t>(at < run.shared ? prompt + at : own + at - run.shared));
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
}

}  // namespace

LossInput Pack::loss_input(size_t first, size_t end, std::span<const double> values,
                           std::vector<int64_t>& row_offsets) const {
  row_offsets.clear();
  for (size_t row = first; row <= end; ++row) row_offsets.push_back(offsets[row] - offsets[first]);
  const auto part = [&](const std::vector<double>& list) {
    if (list.empty()) return std::span<const double>();
    PONDER_CHECK(list.size() == hidden.size(), "a list that one row of a batch has must be there in every row");
    return std::span(list).subspan(static_cast<size_t>(offsets[first]), values.size());
  };
  return {values, row_offsets, part(logp_old), part(logp_ref), part(mask), part(advantages), part(labels), {}, {}};
}

std::vector<Pack> make_packs(std::span<const Row> rows, Reads reads, const PackOptions& options) {
  PONDER_CHECK(options.max_tokens > 0 && options.workers > 0 && options.unit > 0 && options.min_shared > 0,
               "pack options must be positive");
  PONDER_CHECK(rows.size() % options.unit == 0, "rows must come in units of ", options.unit, ", got ", rows.size());
  std::vector<size_t> lengths;
  for (size_t i = 0; i < rows.size(); ++i) {
    check_row(rows[i], reads, i);
    lengths.push_back(input_length(rows[i], reads));
  }
  const std::vector<Run> runs = make_runs(rows, lengths, options);
  std::vector<size_t> loads;
  for (const Run& run : runs) {
    size_t tokens = 0;
    for (size_t i = run.first; i < run.end; ++i) tokens += lengths[i];
    loads.push_back(tokens - run.shared * (run.end - run.first - 1));
  }
  std::vector<Pack> packs;
  for (auto& indices : assign(loads, options)) {
    std::sort(indices.begin(), indices.end());
    Pack& pack = packs.emplace_back();
    for (size_t r : indices) append_run(rows, runs[r], reads, pack);
  }
  return packs;
}

}  // namespace ponder::learn
