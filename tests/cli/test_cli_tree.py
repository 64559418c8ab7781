#!/usr/bin/env python3
"""`ponder tree`: what it shows of a search tree, what it writes, and what it says about files that are none."""
import sys
from pathlib import Path

import cli
from cli import CliTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from make_tree import make_tree  # noqa: E402


class Tree(CliTest):
    def test_the_terminal_shows_the_chosen_path(self):
        tree = make_tree(500)
        out = self.ponder("tree", self.file("tree.json", tree), "--width", 80).out
        self.assertTrue(out.startswith("mcts sims=166 · made-500 · none\nanswer "), out)
        for line in out.splitlines():
            self.assertLessEqual(len(line), 100, "the question alone may be longer")
        self.assertIn("● on the way to the answer", out)
        self.assertIn(" more\n", out)
        self.assertLess(len(out.splitlines()), 80)
        chosen = [n for n in tree["nodes"] if n.get("path")][1:]
        for node in chosen:
            self.assertIn(node["text"].strip()[:40], out)
        everything = self.ponder("tree", self.file("tree.json", tree), "--depth", 99).out
        self.assertEqual(everything.count("×  "), 500)

    def test_figures_as_json(self):
        one = self.one("tree", self.file("tree.json", make_tree(500)))
        self.assertEqual((one["nodes"], one["strategy"], one["page"]), (500, "mcts", None))
        self.assertEqual(sum(one["levels"]), 500)
        self.assertEqual(one["chosen"]["id"], one["path"][-1])
        self.assertEqual(sum(row["count"] for row in one["found"]), one["answers"])

    def test_a_page(self):
        page = self.folder / "tree.html"
        one = self.one("tree", self.file("tree.json", make_tree(10_000)), "--out", page)
        self.assertEqual(one["page"], str(page))
        text = page.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        self.assertNotIn("http", text.lower().replace("http-equiv", ""))
        self.assertEqual(self.ponder("tree", self.folder / "tree.json", "--out", page).err, "")
        self.ponder("tree", self.folder / "tree.json", "--out", self.folder / "none" / "tree.html", status=2, says=["none"])

    def test_ten_thousand_levels(self):
        path = self.file("deep.json", make_tree(10_000, deep=True))
        self.assertEqual(self.one("tree", path)["depth"], 9999)
        self.assertLess(len(self.ponder("tree", path).out.splitlines()), 400)
        self.assertGreater(len(self.ponder("tree", path, "--depth", 20_000).out.splitlines()), 10_000)

    def test_a_long_text_is_cut_to_the_line(self):
        nodes = [dict(id=0, parent=-1), dict(id=1, parent=0, text="x" * 5_000_000)]
        out = self.ponder("tree", self.file("long.json", dict(nodes=nodes)), "--width", 60).out
        self.assertLess(len(out), 1000)

    def test_bad_files_are_named(self):
        root, child = dict(id=0, parent=-1), dict(id=1, parent=0)
        for content, says in [
            ("not JSON", "tree.json"),
            ("", "tree.json"),
            ("[1]", "no search tree"),
            ('{"nodes":[{"id":0,"parent":-1,"value":NaN}]}', "tree.json"),
            (dict(nodes=[]), "a node at least"),
            (dict(nodes=[root, dict(id=1, parent=5)]), "node 5, which is not there"),
            (dict(nodes=[root, dict(id=1, parent=2), dict(id=2, parent=1)]), "among its own ancestors"),
            (dict(nodes=[root, child, dict(child, text="again")]), "two nodes have the id 1"),
            (dict(nodes=[root, dict(child, visits="many")]), '"visits" must be an integer'),
        ]:
            path = self.file("tree.json", content)
            self.ponder("tree", path, status=3, says=["tree.json", says])
        self.ponder("tree", self.folder / "none.json", status=3, says=["none.json"])
        self.ponder("tree", self.folder, status=3, says=["is a directory"])
        self.ponder("tree", status=2)
        self.ponder("tree", path, "--depth", -1, status=2)


if __name__ == "__main__":
    cli.main()
