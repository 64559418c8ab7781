#!/usr/bin/env python3
"""`ponder scaling search` from outside: curves of all strategies of a tiny model, the same again after a kill, its page in a
browser where there is one, and what it does not take."""
import json
import sys
import tempfile
from pathlib import Path

import cli
from cli import CliTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soak"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
import runs  # noqa: E402
from browser import Browser, missing  # noqa: E402

BUDGETS = [40, 160]
COMMAND = ["scaling", "search", "--task", "countdown3", "--n", 6, "--budgets", "40,160", "--pool", 8]

folder = None
model = None  # a run of the micro recipe


def setUpModule():
    global folder, model
    folder = tempfile.TemporaryDirectory()
    model = Path(folder.name) / "made"
    runs.run_to_end(cli.PONDER, "recipes/micro.yaml", model)


def tearDownModule():
    folder.cleanup()


class Scaling(CliTest):
    def test_all_strategies_that_the_model_can_run(self):
        out = self.folder / "study"
        study = self.one(*COMMAND, "--model", model, "--out", out)
        self.assertEqual(study, json.loads((out / "scaling.json").read_text()))
        names = {point["strategy"] for point in study["curves"]}
        for name in ("greedy", "majority", "bon", "mcts", "beam", "dvts", "tot", "rstar", "auto", "budget-force", "random"):
            self.assertIn(name, names)
        for name in ("revise", "rap", "mctsr", "decompose"):  # ask in words, which this model has not
            self.assertNotIn(name, names)
        for point in study["curves"]:
            self.assertEqual(point["n"], 6)
            self.assertLessEqual(point["ci_lo"], point["accuracy"])
            self.assertGreaterEqual(point["ci_hi"], point["accuracy"])
            spent = point["tokens_per_problem"] + point["critic_tokens_per_problem"]
            self.assertLessEqual(spent, point["budget"] + 1e-9, point)
            self.assertFalse(point["anytime"], point)
        self.assertEqual({(c["strategy"], c["budget"]) for c in study["comparisons"]},
                         {(p["strategy"], p["budget"]) for p in study["curves"] if p["strategy"] != "majority"})
        self.assertEqual([p["k"] for p in study["pass_at_k"]], [1, 2, 4, 8])

        # What signals say of the pool's answers. Risk goes to that of answering everything, which needs no order.
        signals = {signal["name"]: signal for signal in study["signals"]}
        self.assertLessEqual({"likelihood", "vote", "critic", "length", "random"}, set(signals))
        self.assertEqual({s["of"] for s in study["signals"]}, {"samples"})  # no strategy named its guide
        for signal in study["signals"]:
            self.assertEqual(signal["n"], signals["vote"]["n"])
            self.assertEqual([p["coverage"] for p in signal["risk_coverage"]], [k / 10 for k in range(1, 11)])
            self.assertAlmostEqual(signal["risk_coverage"][-1]["risk"], signal["error"])
            self.assertTrue(signal["auroc"] is None or signal["low"] <= signal["auroc"] <= signal["high"], signal)

        # A study that lost a part of its rows goes on with the others as they are, and ends in the same bits.
        rows = {path.name: path.read_bytes() for path in out.glob("*.jsonl")}
        (out / "mcts-160.jsonl").unlink()
        again = self.one(*COMMAND, "--model", model, "--out", out)
        self.assertEqual(again, study)
        self.assertEqual({path.name: path.read_bytes() for path in out.glob("*.jsonl")}, rows)

        # Another study does not go into the same directory.
        self.ponder(*COMMAND, "--model", model, "--out", out, "--seed", 7, status=2, says=["study of something else"])

        if missing():
            return
        browser = Browser()
        try:
            browser.open(out / "scaling.html")
            self.assertEqual(browser.messages(), [])
            self.assertGreater(browser.run("return document.querySelectorAll('section').length"), 1)
            self.assertGreater(browser.run("return document.querySelectorAll('.chart svg circle, .chart svg path').length"), 10)
            self.assertIn("random", browser.run("return document.querySelector('table').textContent"))
            said = browser.run("return document.getElementById('signals').textContent")
            for text in ("AUROC", "critic", "random (control)", "Wrong answers among the most confident"):
                self.assertIn(text, said)
            self.assertEqual(browser.run("return document.querySelectorAll('#signals .chart svg path').length"),
                             len(study["signals"]))
        finally:
            browser.close()

    def test_named_strategies_with_options(self):
        out = self.folder / "two"
        study = self.one(*COMMAND, "--model", model, "--out", out, "majority", "beam n=4 beam_width=2")
        names = {point["strategy"] for point in study["curves"]}
        self.assertEqual(names, {"majority", "bon", "bon-wmaj", "random", "beam n=4 beam_width=2"})
        text = self.ponder(*COMMAND, "--model", model, "--out", out, "majority", "beam n=4 beam_width=2").out
        self.assertIn("beam n=4 beam_width=2", text)

    def test_signals_of_named_guides_and_of_older_studies(self):
        out = self.folder / "guides"
        command = [*COMMAND, "--model", model, "--out", out, "majority", "bon guide=entropy"]
        study = self.one(*command)
        named = [s for s in study["signals"] if s["of"] != "samples"]
        self.assertEqual([(s["name"], s["of"]) for s in named], [("entropy", "bon guide=entropy")])
        text = self.ponder(*command).out
        self.assertIn("entropy of bon guide=entropy", text)
        self.assertIn("within a problem", text)

        # Rows that were written before there were signals tell of votes alone.
        for path in out.glob("*.jsonl"):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            for row in rows:
                del row["guide"]
                for found in row["found"]:
                    for field in ("scored", "likelihood", "length"):
                        found.pop(field, None)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        old = self.one(*command)
        self.assertEqual([s["name"] for s in old["signals"]], ["vote", "random"])
        self.assertEqual(old["curves"], study["curves"])

    def test_read_off_one_search(self):
        out = self.folder / "anytime"
        study = self.one(*COMMAND, "--model", model, "--out", out, "--anytime", "majority", "mcts", "rstar")
        files = sorted(path.name for path in out.glob("*.jsonl"))
        self.assertEqual(files, ["mcts-160.jsonl", "rstar-160.jsonl", "rstar-40.jsonl", "samples-0.jsonl"])
        read_off = {(p["strategy"], p["budget"]) for p in study["curves"] if p["anytime"]}
        self.assertEqual(read_off, {("mcts", 40)})
        self.assertNotIn(("mcts", 40), {(c["strategy"], c["budget"]) for c in study["comparisons"]})

    def test_a_discriminator(self):
        # One more budget, of which the quarter that is kept for covering answers up pays for reading the problem too.
        out, both = self.folder / "one", ["majority", "rstar", "--budgets", 800]
        alone = self.one(*COMMAND, "--model", model, "--out", out, *both)
        self.ponder(*COMMAND, "--model", model, "--out", out, "--discriminator", model, *both, status=2,
                    says=["study of something else"])
        other = self.folder / "other"
        found = self.one(*COMMAND, "--model", model, "--out", other, "--discriminator", model, *both)
        identity = json.loads((other / "study.json").read_text())
        self.assertEqual((identity["discriminator"], identity["discriminator_id"]), (str(model), identity["weights_id"]))
        self.assertNotIn("discriminator", json.loads((out / "study.json").read_text()))
        pool = "samples-0.jsonl"  # has no use for it
        self.assertEqual((out / pool).read_bytes(), (other / pool).read_bytes())
        for study in (alone, found):
            for point in study["curves"]:
                spent = point["tokens_per_problem"] + point["critic_tokens_per_problem"]
                self.assertLessEqual(spent, point["budget"] + 1e-9, point)
        read = [sum(p["critic_tokens_per_problem"] for p in study["curves"] if p["strategy"] == "rstar") for study in (alone, found)]
        self.assertEqual(read[0], 0)
        self.assertGreater(read[1], 0)
        self.ponder(*COMMAND, "--model", model, "--out", self.folder / "none", "--discriminator", model, "majority", "mcts",
                    status=2, says=["--discriminator", "rstar"])

    def test_what_is_wrong_is_said_before_any_work(self):
        for extra, says in ((["mctss"], "mcts"), (["mcts width=x"], "width"), (["beam", "beam"], "named twice"),
                            (["mcts", "rap"], "no words for that"), (["mcts", "mctsr"], "no words for that")):
            self.ponder(*COMMAND, "--model", model, "--out", self.folder / "bad", *extra, status=2, says=[says])
        self.assertEqual(list((self.folder / "bad").glob("*.jsonl")), [])
        self.ponder("scaling", "training", "--model", model, "--task", "countdown3", status=2, says=["search"])
        self.ponder("scaling", "search", "--model", model, status=2, says=["--task"])


if __name__ == "__main__":
    cli.main()
