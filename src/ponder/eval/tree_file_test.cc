#include "ponder/eval/tree_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

using base::Json;

FileTree parsed(const std::string& text) { return parse_tree(Json::parse(text, "t.json"), "t.json"); }

// A problem with two first steps, one of which was chosen and goes on to an answer.
const char* const kSmall =
    R"({"id":"p1","question":"How many?","model":"m","seed":3,"answer":"24","tokens_generated":90,
"critic_tokens":0,"search":{"strategy":"mcts","score":0.9,"given":["sims=4"],"options":{"sims":4},
"candidates":[{"answer":"24","score":0.9},{"answer":null,"score":0}]},
"nodes":[{"id":0,"parent":-1,"text":"","value":null,"visits":4,"order":0,"path":true},
{"id":1,"parent":0,"text":" 12 * 2 = 24\n","value":0.75,"visits":3,"logp":-1.5,"tokens":6,"order":1,"path":true},
{"id":2,"parent":0,"text":"no idea","value":0.25,"visits":1,"pruned":true,"order":2},
{"id":3,"parent":1,"text":"#### 24","value":0.9,"visits":2,"terminal":true,"answered":true,"candidate":0,"order":3,"path":true},
{"id":4,"parent":1,"text":"…","mean":0.5,"terminal":true,"candidate":1,"order":4}]})";

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

// A chain of so many levels, the last of which is the answer.
std::string chain(size_t levels) {
  std::string text = R"({"nodes":[{"id":0,"parent":-1,"path":true})";
  for (size_t i = 1; i <= levels; ++i)
    text += base::cat(R"(,{"id":)", i, R"(,"parent":)", i - 1, R"(,"text":"step )", i, R"(","path":true})");
  return text + "]}";
}

TEST(TreeFile, ReadsWhatTheDumpSays) {
  const FileTree tree = parsed(kSmall);
  EXPECT_EQ(tree.id, "p1");
  EXPECT_EQ(tree.strategy, "mcts");
  EXPECT_EQ(tree.answer, "24");
  EXPECT_EQ(tree.seed, 3);
  ASSERT_EQ(tree.nodes.size(), 5u);
  EXPECT_EQ(tree.nodes[0].children, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(tree.nodes[0].below, 4);
  EXPECT_EQ(tree.nodes[3].depth, 2);
  EXPECT_EQ(tree.nodes[3].answer, "24");
  EXPECT_FALSE(tree.nodes[4].answer.has_value());
  EXPECT_EQ(tree.nodes[4].worth(), 0.5);
  EXPECT_EQ(tree.chosen_path(), (std::vector<int32_t>{1, 3}));
}

TEST(TreeFile, NodesAloneAreEnough) {
  const FileTree tree = parsed(R"({"nodes":[{"id":7,"parent":-1}]})");
  EXPECT_EQ(tree.nodes.size(), 1u);
  EXPECT_EQ(tree.nodes[0].id, 7);
  EXPECT_TRUE(tree.chosen_path().empty());
  EXPECT_NE(tree_text(tree, {}).find("no answer"), std::string::npos);
  EXPECT_EQ(tree_figures(tree).int_at("nodes"), 1);
  EXPECT_NE(tree_html(tree, "one").find("\"nodes\":[{\"id\":7"), std::string::npos);
}

TEST(TreeFile, NodesComeInTheOrderInWhichTheyWereMade) {
  const FileTree tree = parsed(
      R"({"nodes":[{"id":9,"parent":5,"order":2},{"id":5,"parent":3,"order":1},{"id":3,"parent":-1,"order":0}]})");
  EXPECT_EQ(tree.nodes[2].id, 9);
  EXPECT_EQ(tree.nodes[2].depth, 2);
}

TEST(TreeFile, WhatIsWrongIsNamed) {
  const auto says = [](const std::string& text, const std::string& part) {
    const std::string message = message_of([&] { parsed(text); });
    EXPECT_NE(message.find(part), std::string::npos) << text << "\n" << message;
    EXPECT_NE(message.find("t.json"), std::string::npos) << message;
  };
  says("{", "t.json");
  says("[]", "no search tree");
  says("{}", "--dump");
  says(R"({"nodes":7})", "\"nodes\" must be a list");
  says(R"({"nodes":[]})", "a node at least");
  says(R"({"nodes":[3]})", "nodes[0]: must be an object, found integer");
  says(R"({"nodes":[{"parent":-1}]})", "nodes[0]: needs \"id\"");
  says(R"({"nodes":[{"id":0}]})", "needs \"parent\"");
  says(R"({"nodes":[{"id":0.5,"parent":-1}]})", "\"id\" must be an integer, found 0.5");
  says(R"({"nodes":[{"id":0,"parent":-1,"text":5}]})", "\"text\" must be text");
  says(R"({"nodes":[{"id":0,"parent":-1,"value":"x"}]})", "\"value\" must be a number");
  says(R"({"nodes":[{"id":0,"parent":-1,"value":NaN}]})", "t.json");
  says(R"({"nodes":[{"id":0,"parent":-1,"value":1e999}]})", "t.json");
  says("{\"nodes\":[{\"id\":0,\"parent\":-1,\"text\":\"\xff\"}]}", "t.json");
  says(R"({"nodes":[{"id":0,"parent":-1,"pruned":1}]})", "\"pruned\" must be true or false");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":0,"parent":0}]})", "two nodes have the id 0");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":1,"parent":-1}]})", "one root");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":1,"parent":8}]})", "behind node 8, which is not there");
  says(R"({"nodes":[{"id":0,"parent":0}]})", "needs a root");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":1,"parent":2},{"id":2,"parent":1}]})", "among its own ancestors");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":1,"parent":2},{"id":2,"parent":0}]})", "made before its parent 2");
  says(R"({"nodes":[{"id":0,"parent":-1}],"search":[]})", "\"search\" must be an object");
  says(R"({"nodes":[{"id":0,"parent":-1}],"search":{"candidates":[1]}})", "candidates[0]");
  for (const char* wrong :
       {"7", "[2,5]", "[2,5,true]", "[2,5,1e999]", "[2,6,0.5]", "[1,5,0.5]", "[3,5,0.5]", "[1.5,0,1]"})
    says(base::cat(R"({"nodes":[{"id":0,"parent":-1},{"id":5,"parent":0}],"backups":[)", wrong, "]}"),
         std::string(wrong).find("1e999") == std::string::npos ? "backups[0]" : "t.json");
  says(R"({"nodes":[{"id":0,"parent":-1},{"id":5,"parent":0}],"backups":[[2,5,1],[1,0,1]]})", "backups[1]");
  EXPECT_NE(message_of([] { read_tree(testing::TempDir()); }).find("is a directory"), std::string::npos);
}

TEST(TreeFile, BackupsNameNodesByTheirPlace) {
  const FileTree tree = parsed(
      R"({"nodes":[{"id":0,"parent":-1},{"id":9,"parent":0,"order":2},{"id":5,"parent":0,"order":1,"second":true}],
          "backups":[[2,5,0.25],[3,9,1],[3,0,0]]})");
  ASSERT_EQ(tree.backups.size(), 3u);
  EXPECT_EQ(tree.backups[0].place, 1);
  EXPECT_EQ(tree.backups[0].value, 0.25);
  EXPECT_EQ(tree.backups[1].place, 2);
  EXPECT_EQ(tree.backups[1].made, 3);
  EXPECT_TRUE(tree.nodes[1].second);
  EXPECT_NE(tree_html(tree, "b").find("\"backups\":[[2,1,0.25],[3,2,1.0],[3,0,0.0]]"), std::string::npos);
}

TEST(TreeFile, FiguresCountWhatIsThere) {
  const Json figures = tree_figures(parsed(kSmall));
  EXPECT_EQ(figures.int_at("nodes"), 5);
  EXPECT_EQ(figures.int_at("depth"), 2);
  EXPECT_EQ(figures.int_at("leaves"), 3);
  EXPECT_EQ(figures.int_at("answers"), 1);
  EXPECT_EQ(figures.int_at("pruned"), 1);
  EXPECT_EQ(figures.at("branching").double_at("mean"), 2.0);
  EXPECT_EQ(figures.at("levels").dump(), "[1,2,2]");
  EXPECT_EQ(figures.at("path").dump(), "[1,3]");
  EXPECT_EQ(figures.at("chosen").string_at("answer"), "24");
  EXPECT_EQ(figures.at("found").dump(), R"([{"answer":"24","count":1}])");
}

TEST(TreeText, ASmallTreeIsShownWhole) {
  EXPECT_EQ(tree_text(parsed(kSmall), {.width = 80}),
            R"(mcts sims=4 · p1 · m
answer 24, 5 nodes, depth 2, 1 answer found, 90 tokens written

How many?

score  visits
    –      4×  ● How many?
 0.75      3×  ├─● 12 * 2 = 24
 0.90      2×  │ ├─● #### 24  = 24
 0.50          │ └─○ …  end
 0.25      1×  └─✕ no idea

● on the way to the answer   ✕ given up

the way to the answer, 2 steps
   1  12 * 2 = 24
   2  #### 24
)");
}

TEST(TreeText, ALargeTreeIsFoldedButForTheChosenPath) {
  std::string text = R"({"nodes":[{"id":0,"parent":-1,"path":true})";
  for (int i = 1; i <= 100; ++i)
    text += base::cat(R"(,{"id":)", i, R"(,"parent":0,"text":"way )", i, R"(","value":)", i / 200.0,
                      i == 7 ? R"(,"path":true})" : "}");
  text += R"(,{"id":101,"parent":7,"text":"end","path":true},{"id":102,"parent":99,"text":"hidden"}]})";
  const FileTree tree = parsed(text);
  const std::string shown = tree_text(tree, {});
  for (const char* part : {"├─● way 7\n", "│ └─● end\n", "├─○ way 98\n", "├─○ way 99  (+1)\n", "└─ … 96 more\n"})
    EXPECT_NE(shown.find(part), std::string::npos) << part << "\n" << shown;
  EXPECT_EQ(shown.find("hidden"), std::string::npos);
  const std::string open = tree_text(tree, {.depth = 2});
  EXPECT_NE(open.find("└─○ hidden"), std::string::npos);
  EXPECT_EQ(open.find(" more"), std::string::npos);
}

TEST(TreeText, TenThousandLevelsKeepTheirEnds) {
  const FileTree tree = parsed(chain(10000));
  const std::string shown = tree_text(tree, {});
  EXPECT_NE(shown.find("● step 1\n"), std::string::npos);
  EXPECT_NE(shown.find("● step 10000\n"), std::string::npos);
  EXPECT_NE(shown.find(" levels\n"), std::string::npos);
  EXPECT_LT(std::count(shown.begin(), shown.end(), '\n'), 300);
  const std::string open = tree_text(tree, {.width = 80, .depth = 20000});
  EXPECT_GT(std::count(open.begin(), open.end(), '\n'), 10000);
  EXPECT_NE(open.find("● step 5000\n"), std::string::npos);
  EXPECT_NE(tree_html(tree, "deep").find("step 10000"), std::string::npos);
}

TEST(TreeText, ATextCannotCommandTheTerminal) {
  const FileTree tree = parsed(R"({"question":"a\u001b[2Jb","nodes":[{"id":0,"parent":-1,"path":true},
      {"id":1,"parent":0,"text":"x\u001b]0;title\u0007\r\u009b31m\u202ey\nz","path":true}]})");
  const std::string shown = tree_text(tree, {});
  for (const char* control : {"\x1b", "\x07", "\r", "\u009b", "\u202e"})
    EXPECT_EQ(shown.find(control), std::string::npos) << control;
  EXPECT_NE(shown.find("\uFFFD]0;title\uFFFD"), std::string::npos);
}

TEST(TreeText, LinesKeepToTheWidth) {
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "数e\u0301";
  FileTree tree = parsed(R"({"nodes":[{"id":0,"parent":-1},{"id":1,"parent":0,"text":"T"}]})");
  tree.nodes[1].text = wide;
  const std::string shown = tree_text(tree, {.width = 50});
  const size_t from = shown.find("└─");
  const std::string line = shown.substr(from, shown.find('\n', from) - from);
  EXPECT_TRUE(line.ends_with("…")) << line;
  // Behind 15 columns of figures and 4 of the branch: 31 for the text, of which each "数é" takes three.
  EXPECT_EQ(std::count(line.begin(), line.end(), 'e'), 10) << line;
}

TEST(TreePage, TextsAreNeverMarkup) {
  FileTree tree = parsed(kSmall);
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{SCRIPT}} & <!--";
  tree.nodes[1].text = tree.question = tree.id = tree.model = evil;
  tree.answer = tree.nodes[3].answer = evil;
  tree.prompts = {evil};
  const std::string page = tree_html(tree, evil);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find("<!--"), std::string::npos);
  const std::string open = "id=\"data\">";
  const size_t start = page.find(open) + open.size();
  const Json data = Json::parse(page.substr(start, page.find("</script>", start) - start));
  EXPECT_EQ(data.string_at("question"), evil);
  EXPECT_EQ(data.at("nodes").as_array()[1].string_at("text"), evil);
}

TEST(TreePage, NeedsNothingButItself) {
  const std::string page = tree_html(parsed(kSmall), "t");
  for (const char* load : {"http://", "https://", "src=", "<link", "@import", "url(", "fetch(", "import("})
    EXPECT_EQ(page.find(load), std::string::npos) << load;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("{{"), std::string::npos);
  for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"})
    EXPECT_EQ(web::kTreeScript.find(way), std::string_view::npos) << way;
}

}  // namespace
}  // namespace ponder::eval
