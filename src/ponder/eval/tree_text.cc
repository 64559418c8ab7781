// A search tree as text, for a terminal.
#include <algorithm>
#include <string_view>

#include "ponder/base/cat.h"
#include "ponder/eval/tree_file.h"

namespace ponder::eval {
namespace {

constexpr size_t kWhole = 40;             // a tree of so many nodes is shown as it is
constexpr size_t kHead = 20, kTail = 12;  // of a long path, the levels that are shown
constexpr size_t kPathText = 100;         // steps of the chosen path that are written out: so many at each end

struct Character {
  char32_t code = 0;
  size_t bytes = 1;
};

// The text is valid: JSON holds nothing else.
Character character_at(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(i + k < text.size() ? text[i + k] : 0); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const auto more = [&](size_t k) { return static_cast<char32_t>(byte(k) & 0x3F); };
  if (first < 0xE0) return {static_cast<char32_t>(first & 0x1F) << 6 | more(1), 2};
  if (first < 0xF0) return {static_cast<char32_t>(first & 0x0F) << 12 | more(1) << 6 | more(2), 3};
  return {static_cast<char32_t>(first & 0x07) << 18 | more(1) << 12 | more(2) << 6 | more(3), 4};
}

struct Range {
  char32_t first, last;
};
template <size_t kCount>
bool among(char32_t c, const Range (&ranges)[kCount]) {
  return std::ranges::any_of(ranges, [c](const Range& r) { return r.first <= c && c <= r.last; });
}

// What would move the cursor, change colours or turn the direction of a line.
bool is_control(char32_t c) {
  constexpr Range kControls[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0x200E, 0x200F}, {0x2028, 0x202E},
                                 {0x2066, 0x2069}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}};
  return among(c, kControls);
}

// Columns on a terminal, by the common ranges.
size_t columns_of(char32_t c) {
  constexpr Range kMarks[] = {{0x300, 0x36F}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
  constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
                             {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                             {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  if (among(c, kMarks)) return 0;
  return among(c, kWide) ? 2 : 1;
}

size_t columns(std::string_view text) {
  size_t sum = 0;
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    sum += columns_of(c.code);
    i += c.bytes;
  }
  return sum;
}

// In one line of at most so many columns; a text that is cut ends in "…".
std::string one_line(std::string_view text, size_t most) {
  std::string out;
  size_t used = 0, fits = 0;  // fits: bytes of out behind which there is room for "…"
  bool space = false;
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    const bool blank = c.code == ' ' || c.code == '\n' || c.code == '\t' || c.code == '\r';
    if (blank) {
      space = !out.empty();
    } else {
      const size_t wide = (space ? 1 : 0) + (is_control(c.code) ? 1 : columns_of(c.code));
      if (used + wide > most) return most == 0 ? "" : base::cat(std::string_view(out).substr(0, fits), "…");
      if (space) out += ' ';
      space = false;
      if (is_control(c.code)) {
        out += "\uFFFD";
      } else {
        out += text.substr(i, c.bytes);
      }
      used += wide;
      if (used + 1 <= most) fits = out.size();
    }
    i += c.bytes;
  }
  return out;
}

// With its line breaks, each line behind the same margin.
std::string block(std::string_view text, const std::string& margin) {
  std::string out;
  bool fresh = true;
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    if (c.code == '\n') {
      out += '\n';
      fresh = true;
    } else {
      if (fresh && c.code == ' ' && out.empty()) {  // a step often begins with the space between two words
        i += c.bytes;
        continue;
      }
      if (fresh) out += margin;
      fresh = false;
      if (c.code == '\t') {
        out += "    ";
      } else if (is_control(c.code)) {
        out += c.code == '\r' ? "" : "\uFFFD";
      } else {
        out += text.substr(i, c.bytes);
      }
    }
    i += c.bytes;
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out + "\n";
}

std::string padded(const std::string& text, size_t wide) {
  const size_t used = columns(text);
  return used < wide ? base::cat(std::string(wide - used, ' '), text) : text;
}

std::string counted(int64_t n, const char* one, const char* many) { return base::cat(n, " ", n == 1 ? one : many); }

class Drawing {
 public:
  Drawing(const FileTree& tree, const TreeTextOptions& options)
      : tree_(tree), options_(options), on_path_(tree.nodes.size()), path_(tree.chosen_path()) {
    if (path_.empty()) follow_best();
    whole_ = !options_.depth && tree_.nodes.size() <= kWhole;
    on_path_[0] = true;
    for (int32_t i : path_) on_path_[static_cast<size_t>(i)] = true;
    siblings_ = path_.size() <= 12 ? 3 : path_.size() <= 24 ? 1 : 0;
  }

  std::string text() {
    waiting_.push_back({0, "", ""});
    while (!waiting_.empty()) {  // the next one is the last
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      if (next.node == kNote) {
        lines_ += base::cat(margin("", ""), next.branch, "\n");
      } else {
        add(next);
      }
    }
    return lines_;
  }
  // What the marks mean that were used.
  std::string legend() const {
    constexpr const char* kMeanings[kMarks] = {
        "● on the way to the answer", "✕ given up",     "~ rollout",        "? a reply about the step above",
        "+ written for the model",    "» written anew", "(+n) nodes folded"};
    std::string out;
    for (size_t i = 0; i < kMarks; ++i)
      if (used_[i]) out += base::cat(out.empty() ? "" : "   ", kMeanings[i]);
    return out;
  }

 private:
  enum Mark { kChosen, kPruned, kRollout, kAsked, kForced, kAnew, kFolded, kMarks };
  static constexpr int32_t kNote = -1;
  struct Waiting {
    int32_t node = kNote;
    std::string branch;  // what leads to it; a note's text
    std::string prefix;  // of what stands under it
  };

  const TreeNode& node(int32_t i) const { return tree_.nodes[static_cast<size_t>(i)]; }
  bool on_path(int32_t i) const { return on_path_[static_cast<size_t>(i)]; }
  bool all_open(int32_t i) const { return whole_ || (options_.depth && node(i).depth < *options_.depth); }

  bool better(int32_t a, int32_t b) const {
    if (node(a).visits != node(b).visits) return node(a).visits > node(b).visits;
    return node(a).worth().value_or(-1) > node(b).worth().value_or(-1);
  }
  // Without a choice the branch with the most visits, or the best score, stands for one.
  void follow_best() {
    for (int32_t at = 0; !node(at).children.empty();) {
      at = *std::ranges::min_element(node(at).children, [&](int32_t a, int32_t b) { return better(a, b); });
      path_.push_back(at);
    }
  }
  // Of a long path the two ends are shown.
  bool skipped(int32_t i) const {
    const auto level = static_cast<size_t>(node(i).depth);
    return !whole_ && !options_.depth && on_path(i) && level > kHead && level + kTail <= path_.size();
  }

  std::vector<int32_t> shown_children(int32_t i) const {
    const std::vector<int32_t>& all = node(i).children;
    std::vector<int32_t> shown, others;
    for (int32_t child : all) (on_path(child) ? shown : others).push_back(child);
    if (all_open(i) || others.size() <= siblings_) return all;
    const auto room = static_cast<std::ptrdiff_t>(siblings_);
    std::ranges::partial_sort(others, others.begin() + room,
                              [&](int32_t a, int32_t b) { return better(a, b) || (!better(b, a) && a < b); });
    shown.insert(shown.end(), others.begin(), others.begin() + room);
    std::ranges::sort(shown);
    return shown;
  }

  std::string mark(const TreeNode& n) {
    std::string out;
    const auto use = [&](Mark which, const char* text) {
      used_[which] = true;
      out += text;
    };
    if (n.chosen) {
      use(kChosen, "●");
    } else if (n.pruned) {
      use(kPruned, "✕");
    } else if (n.rollout && !n.asked) {
      use(kRollout, "~");
    } else {
      out = "○";
    }
    if (n.asked) use(kAsked, "?");
    if (n.forced) use(kForced, "+");
    if (n.starts && !n.asked) use(kAnew, "»");
    return out;
  }

  // The line of a node; what is shown under it waits.
  void add(const Waiting& w) {
    const TreeNode& n = node(w.node);
    const bool open = all_open(w.node) || on_path(w.node);
    const std::string left = base::cat(
        margin(n.worth() ? base::fixed(*n.worth(), 2) : "–", n.visits > 0 ? base::cat(n.visits, "×") : std::string()),
        w.branch, mark(n), " ");
    std::string right = n.answer     ? base::cat("  = ", one_line(*n.answer, 24))
                        : n.answered ? "  answer"
                        : n.terminal ? "  end"
                                     : "";
    if (!open && n.below > 0) {
      right += base::cat("  (+", n.below, ")");
      used_[kFolded] = true;
    }
    const auto width = static_cast<size_t>(options_.width);
    const size_t taken = columns(left) + columns(right);
    const std::string& said =
        w.node == 0 && n.text.empty() ? (tree_.question.empty() ? kProblem : tree_.question) : n.text;
    lines_ += base::cat(left, one_line(said, std::max<size_t>(width > taken ? width - taken : 0, 8)), right, "\n");
    if (!open) return;
    const std::vector<int32_t> shown = shown_children(w.node);
    const size_t more = n.children.size() - shown.size();
    if (more > 0) waiting_.push_back({kNote, base::cat(w.prefix, "└─ … ", more, " more"), ""});
    for (size_t k = shown.size(); k-- > 0;) wait(shown[k], w.prefix, k + 1 == shown.size() && more == 0);
  }

  void wait(int32_t child, const std::string& prefix, bool last) {
    const int32_t from = child;
    while (skipped(child)) child = *std::ranges::find_if(node(child).children, [&](int32_t c) { return on_path(c); });
    // Deep trees would leave no room for text: the innermost levels stay.
    std::string inner = base::cat(prefix, last ? "  " : "│ ");
    if (columns(inner) > static_cast<size_t>(options_.width) * 2 / 5)
      inner = inner.substr(character_at(inner, 0).bytes + 1);
    waiting_.push_back({child, base::cat(prefix, last ? "└─" : "├─"), inner});
    if (child != from)
      waiting_.push_back({kNote, base::cat(prefix, "⋮  ", node(child).depth - node(from).depth, " levels"), ""});
  }

  static std::string margin(const std::string& score, const std::string& visits) {
    return base::cat(padded(score, 5), padded(visits, 8), "  ");
  }

  inline static const std::string kProblem = "problem";
  const FileTree& tree_;
  const TreeTextOptions options_;
  std::vector<bool> on_path_;  // shown in any case
  std::vector<int32_t> path_;
  std::vector<Waiting> waiting_;
  std::string lines_;
  size_t siblings_ = 3;  // beside the path
  bool whole_ = false;
  bool used_[kMarks] = {};
};

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts)
    if (!part.empty()) out += base::cat(out.empty() ? "" : between, part);
  return out;
}

std::string head(const FileTree& tree, size_t width) {
  constexpr size_t kQuestion = 2000;
  int32_t depth = 0;
  int64_t answers = 0;
  for (const TreeNode& node : tree.nodes) {
    depth = std::max(depth, node.depth);
    answers += node.answered;
  }
  const auto nodes = static_cast<int64_t>(tree.nodes.size());
  const auto tokens = [](const std::optional<int64_t>& n, const char* what) {
    return n && *n > 0 ? base::cat(*n, " tokens ", what) : std::string();
  };
  std::vector<std::string> search = tree.given;
  search.insert(search.begin(), tree.strategy.empty() ? "search tree" : tree.strategy);
  std::string out =
      base::cat(one_line(joined({joined(search, " "), tree.id, tree.model}, " · "), width), "\n",
                one_line(joined({tree.answer ? base::cat("answer ", one_line(*tree.answer, 40)) : "no answer",
                                 counted(nodes, "node", "nodes"), base::cat("depth ", depth),
                                 base::cat(counted(answers, "answer", "answers"), " found"),
                                 tokens(tree.tokens_generated, "written"), tokens(tree.critic_tokens, "read")},
                                ", "),
                         width),
                "\n");
  if (!tree.question.empty()) {
    const bool cut = tree.question.size() > kQuestion;
    out += base::cat("\n", cut ? one_line(tree.question, kQuestion) + "\n" : block(tree.question, ""));
  }
  return out;
}

// The steps in full: what the answer consists of, and before it what it was made from.
std::string path_text(const FileTree& tree) {
  const std::vector<int32_t> path = tree.chosen_path();
  if (path.empty()) return "no answer was chosen\n";
  std::string out =
      base::cat("the way to the answer, ", counted(static_cast<int64_t>(path.size()), "step", "steps"), "\n");
  for (size_t i = 0; i < path.size(); ++i) {
    if (path.size() > 2 * kPathText && i == kPathText) {
      out += base::cat("\n     … ", path.size() - 2 * kPathText, " steps\n\n");
      i = path.size() - kPathText;
    }
    const TreeNode& node = tree.nodes[static_cast<size_t>(path[i])];
    const std::string number = padded(base::cat(i + 1), 4);
    if (node.starts && i > 0)
      out += node.second ? "     the second model:\n" : node.asked ? "     asked about it:\n" : "     written anew:\n";
    const std::string text = block(node.text, "      ");
    out += base::cat(number, text.size() > 1 ? std::string_view(text).substr(4) : "  (nothing)\n");
  }
  return out;
}

}  // namespace

std::string tree_text(const FileTree& tree, const TreeTextOptions& options) {
  Drawing drawing(tree, options);
  const std::string drawn = drawing.text();
  const std::string legend = drawing.legend();
  return base::cat(head(tree, static_cast<size_t>(options.width)), "\nscore  visits\n", drawn,
                   legend.empty() ? "" : base::cat("\n", legend, "\n"), "\n", path_text(tree));
}

}  // namespace ponder::eval
