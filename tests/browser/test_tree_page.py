#!/usr/bin/env python3
"""`ponder tree --out` in a real browser: a tree of ten thousand nodes is opened, replayed, clicked through and searched,
and nothing that stands in a step runs. test_tree_page.py PONDER [--shots DIR] [unittest arguments]; without Chromium and
its driver it ends with 77, which ctest counts as skipped."""
import json
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from browser import Browser, missing
from make_tree import make_tree

PONDER = None
SHOTS = None  # a folder that screenshots are left in

EVIL = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=2> <b>bold</b> {{SCRIPT}} <!-- &amp; \u2028 \u202e"


def node(number, parent, text="", **fields):
    return dict(id=number, parent=parent, text=text, **fields)


class TreePage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.temporary.cleanup()

    def tearDown(self):
        said = self.browser.messages()
        self.browser.size(1440, 900)
        self.assertEqual(said, [], "the console must stay empty")

    def show(self, name, tree):
        """Makes the page and opens it; gives the seconds until it can be used."""
        data, page = self.folder / f"{name}.json", self.folder / f"{name}.html"
        data.write_text(json.dumps(tree))
        subprocess.run([PONDER, "tree", data, "--out", page], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        start = time.monotonic()
        self.browser.open(page)
        self.assertTrue(self.browser.wait("return document.querySelector('.tree [role=treeitem]') !== null"))
        return time.monotonic() - start

    def shot(self, name):
        if not SHOTS:
            return
        for dark in (False, True):
            self.browser.dark(dark)
            time.sleep(0.2)
            self.browser.screenshot(SHOTS / f"{name}-{'dark' if dark else 'light'}.png")
        self.browser.dark(False)

    def text(self, selector):
        return self.browser.run("return document.querySelector(arguments[0]).textContent", selector)

    def click(self, selector, number=0):
        self.browser.run("document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, number)

    def answered_within(self, seconds, script):
        """Runs the script and waits for the next two frames: how long until the eye sees it."""
        tries = []
        for _ in range(5):  # the machine may be busy with other things
            tries.append(self.browser.send("POST", "/execute/async", {"script": """
                const done = arguments[arguments.length - 1];
                const start = performance.now();
                """ + script + """
                requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));""", "args": []}))
            if tries[-1] < 1000 * seconds:
                return
        self.fail(f"{tries} ms, wanted less than {seconds} s: {script}")

    def test_ten_thousand_nodes_stay_quick(self):
        self.assertLess(self.show("large", make_tree(10_000)), 2)
        self.assertIn("10,000", self.text(".tree-head"))
        self.shot("large")
        rows = "return document.querySelectorAll('.tree [role=treeitem]').length"
        self.click(".tree-tools button", 1)  # open all
        self.assertLess(self.browser.run(rows), 200, "only the lines in sight are in the page")
        self.assertGreater(self.browser.run("return document.querySelector('.tree').scrollHeight"), 10_000 * 20)
        for at in (5000, 1, 9999, 10_000):
            self.answered_within(0.1, f"""
                const slider = document.querySelector('.replay input');
                slider.value = {at}; slider.dispatchEvent(new Event('input'));""")
        self.answered_within(0.1, "document.querySelectorAll('.tree [role=treeitem]')[3].click();")
        self.answered_within(0.1, "document.querySelector('.tree').scrollTop = 130000;")
        self.answered_within(0.1, "document.querySelectorAll('.drawing-tools button')[0].click();")
        self.answered_within(0.2, """
            const input = document.querySelector('.find input');
            input.value = '12 * 7'; input.dispatchEvent(new Event('input'));""")
        self.shot("large-found")

    def test_the_replay_plays_pauses_and_steps(self):
        self.show("replay", make_tree(400))
        count = lambda: int(self.text(".replay-count").split()[0].replace(",", ""))
        self.assertEqual(count(), 400)
        self.browser.run("document.querySelector('.replay select').value = 128;"
                         "document.querySelector('.replay select').dispatchEvent(new Event('change'))")
        self.click(".replay button", 1)
        self.assertTrue(self.browser.wait("return parseInt(document.querySelector('.replay-count').textContent) > 40"))
        self.click(".replay button", 1)
        at = count()
        self.assertLess(at, 400)
        time.sleep(0.2)
        self.assertEqual(count(), at, "paused")
        self.shot("replay")
        newest = lambda: self.text(".details h3")
        self.assertEqual(newest(), f"Node {at - 1}")
        self.click(".replay button", 2)
        self.assertEqual((count(), newest()), (at + 1, f"Node {at}"))
        self.click(".replay button", 0)
        self.click(".replay button", 0)
        self.assertEqual((count(), newest()), (at - 1, f"Node {at - 2}"))
        self.browser.key("p")
        self.assertTrue(self.browser.wait("return document.querySelector('.replay-count').textContent.startsWith('400')"))
        self.assertTrue(self.browser.wait("return document.querySelectorAll('.replay button')[1].title == 'Play'"))

    def test_a_moment_has_the_scores_of_that_moment(self):
        nodes = [node(0, -1, path=True), node(1, 0, "first", value=0.25, visits=2), node(2, 0, "second", value=0.5, visits=1),
                 node(3, 1, "end", value=1, visits=1, terminal=True, path=True)]
        self.show("moments", dict(nodes=nodes, backups=[[3, 1, 0.25], [3, 2, 0.5], [4, 3, 1]]))
        at = lambda count: self.browser.run("""
            const slider = document.querySelector('.replay input');
            slider.value = arguments[0]; slider.dispatchEvent(new Event('input'));
            const { tree } = window.treePage;
            return [0, 1, 2, 3].map((i) => [tree.visits[i], tree.means[i], tree.value(i)]);""", count)
        end = [[3, 1.75 / 3, None], [2, 0.625, 0.25], [1, 0.5, 0.5], [1, 1, 1]]
        self.assertEqual(at(2), [[0, None, None], [0, None, None], [0, None, None], [0, None, 1]])
        self.assertEqual(at(4), end)
        self.assertEqual(at(3), [[2, 0.375, None], [1, 0.25, 0.25], [1, 0.5, 0.5], [0, None, 1]])
        self.browser.run("window.treePage.goTo(1)")
        self.assertEqual(self.text(".node-facts").replace(" ", "")[:40], "value0.250meanofvisits0.250visits1prior–"[:40])
        self.assertEqual(at(4), end)

    def test_nodes_are_given_up_at_the_end_alone(self):
        nodes = [node(0, -1, path=True), node(1, 0, "first", pruned=True), node(2, 0, "second", path=True), node(3, 2, "end", terminal=True, path=True)]
        self.show("given_up", dict(nodes=nodes))
        at = lambda count: self.browser.run("""
            const slider = document.querySelector('.replay input');
            slider.value = arguments[0]; slider.dispatchEvent(new Event('input'));
            window.treePage.goTo(1);
            const { drawing } = window.treePage;
            return [document.querySelectorAll('.tree .pruned').length, document.querySelector('.details').textContent.includes('given up'),
                    drawing.shade[1] === drawing.shade[2]];""", count)
        self.assertEqual(at(4), [1, True, False])
        self.assertEqual(at(3), [0, False, True])
        self.assertEqual(at(4), [1, True, False])

    def test_keys_clicks_and_the_search_agree(self):
        self.show("keys", make_tree(300))
        title = lambda: self.text(".details h3")
        self.assertEqual(title(), "Problem")
        self.browser.run("document.querySelector('.tree').focus()")
        self.browser.key("ArrowDown")
        self.assertEqual(title(), "Node 1")
        active = "return document.querySelector('#' + document.querySelector('.tree').getAttribute('aria-activedescendant')).className"
        self.assertIn("active", self.browser.run(active))
        self.browser.key("Home")
        self.browser.key("ArrowLeft")  # folds the problem
        self.assertEqual(self.browser.run("return document.querySelectorAll('.tree [role=treeitem]').length"), 1)
        self.browser.key("ArrowRight")
        self.assertGreater(self.browser.run("return document.querySelectorAll('.tree [role=treeitem]').length"), 1)
        self.browser.key("/")
        self.assertEqual(self.browser.run("return document.activeElement.type"), "search")
        self.browser.type("#### 84")
        self.assertRegex(self.text(".find-count"), r"^1 of \d+$")
        self.assertIn("#### 84", self.text(".details .step-text"))
        self.assertEqual(self.text(".tree .active mark"), "#### 84")
        first = title()
        self.browser.key("Enter")
        self.assertRegex(self.text(".find-count"), r"^2 of \d+$")
        self.assertNotEqual(title(), first)
        self.shot("found")
        self.browser.key("Escape")
        self.assertEqual(self.text(".find-count"), "")
        # A click into the drawing, where the node of the chosen answer stands.
        x, y, i = self.browser.run("""
            const page = window.treePage;
            const i = page.tree.nodes.findLastIndex((n) => n.path);
            const box = page.drawing.canvas.getBoundingClientRect();
            const [x, y] = page.drawing.point(i);
            return [box.left + x, box.top + y, page.tree.nodes[i].id];""")
        self.browser.click(x, y)
        self.assertEqual(title(), f"Node {i}")
        self.assertIn("on the chosen path", self.text(".details"))
        self.shot("node")
        self.click(".details .step-link")
        self.assertNotEqual(title(), f"Node {i}")
        self.click(".tabs button", 1)
        time.sleep(0.2)
        self.shot("drawing")
        self.click(".tabs button", 2)
        self.shot("outline")

    def test_ten_thousand_levels(self):
        self.assertLess(self.show("deep", make_tree(10_000, deep=True)), 3)
        self.click(".tree-tools button", 1)
        self.browser.run("document.querySelector('.tree').focus()")
        self.answered_within(0.2, "document.querySelector('.tree').dispatchEvent(new KeyboardEvent('keydown', {key: 'End'}));")
        self.assertEqual(self.text(".details h3"), "Node 9999")
        self.shot("deep")

    def test_texts_are_shown_and_never_run(self):
        tree = dict(id=EVIL, question=EVIL, model=EVIL, answer=EVIL, prompts=["", EVIL],
                    search=dict(strategy=EVIL, given=[EVIL], options={EVIL: EVIL}, candidates=[dict(answer=EVIL)]),
                    nodes=[node(0, -1, path=True), node(1, 0, EVIL, path=True, value=0.5, visits=3),
                           node(2, 1, EVIL, terminal=True, answered=True, candidate=0, path=True),
                           node(3, 1, EVIL, asked=True, starts=True, prompt=1), node(4, 1, "x" * 3_000_000),
                           node(5, 0, "", forced=True), node(6, 0, EVIL, pruned=True, rollout=True)])
        self.show("evil", tree)
        for number in range(7):
            self.browser.run("window.treePage.goTo(arguments[0])", number)
        self.browser.run("window.treePage.goTo(3)")
        self.assertIn("What was asked", self.text(".details"))
        self.assertIn(EVIL[:30], self.text(".details"))
        self.assertIsNone(self.browser.run("return window.hurt ?? null"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('main img, main b b, main script').length"), 0)
        self.shot("evil")
        self.browser.run("window.treePage.goTo(4)")
        self.assertIn("Show all 3,000,000 characters", self.text(".details"))

    def test_little_and_narrow(self):
        self.show("one", dict(nodes=[node(0, -1)]))
        self.click(".replay button", 1)
        self.click(".replay button", 2)
        self.shot("one")
        self.browser.size(420, 900)
        self.show("narrow", make_tree(60))
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 420, "nothing sticks out")
        self.shot("narrow")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_PONDER [--shots DIR] [unittest arguments]")
    PONDER = str(Path(sys.argv.pop(1)).resolve())
    if "--shots" in sys.argv:
        at = sys.argv.index("--shots")
        SHOTS = Path(sys.argv[at + 1])
        SHOTS.mkdir(parents=True, exist_ok=True)
        del sys.argv[at:at + 2]
    if missing():
        print(f"skipped: {missing()}")  # scripts/test_summary.py reads it
        sys.exit(77)
    unittest.main()
