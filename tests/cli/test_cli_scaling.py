#!/usr/bin/env python3
"""`ponder scaling search` from outside: curves of all strategies of a tiny model, the same again after a kill, its page in a
browser where there is one, and what it does not take."""
import json
import re
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


def lasting(value):
    """Without what depends on the day: how long something took."""
    if isinstance(value, dict):
        return {key: lasting(v) for key, v in value.items() if key not in ("seconds", "batch_seconds", "seconds_per_problem")}
    return [lasting(v) for v in value] if isinstance(value, list) else value


def rows_of(out):
    return {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in out.glob("*.jsonl")}


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

        self.hold_costs(study, out)

        # A study that lost a part of its rows goes on with the others as they are, and ends in the same numbers.
        rows = rows_of(out)
        (out / "mcts-160.jsonl").unlink()
        again = self.one(*COMMAND, "--model", model, "--out", out)
        self.assertEqual(lasting(again), lasting(study))
        self.assertEqual(lasting(rows_of(out)), lasting(rows))

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
            costs = browser.run("return document.getElementById('curves').textContent")
            for text in ("What each search cost", "processed again", "FLOPs", "MiB of keys and values"):
                self.assertIn(text, costs)
            self.assertIsNone(browser.run("return document.getElementById('flips')"))
            said = browser.run("return document.getElementById('signals').textContent")
            for text in ("AUROC", "critic", "random (control)", "Wrong answers among the most confident"):
                self.assertIn(text, said)
            self.assertEqual(browser.run("return document.querySelectorAll('#signals .chart svg path').length"),
                             len(study["signals"]))
        finally:
            browser.close()

    def hold_costs(self, study, out):
        """Each point beside what its rows say; what is read off the pool has FLOPs and no time."""
        rows = rows_of(out)
        for point in study["curves"]:
            name = f"{point['strategy']}-{0 if point['strategy'] == 'greedy' else point['budget']}.jsonl"
            if point["strategy"] in ("majority", "bon", "bon-wmaj", "random"):
                self.assertIsNone(point["seconds_per_problem"], point)
                self.assertIsNone(point["kv_peak_bytes"], point)
                self.assertEqual(point["flops_per_problem"] > 0, point["tokens_per_problem"] > 0, point)
                continue
            own = rows[name]
            for key, field in (("flops_per_problem", "flops"), ("tokens_processed_per_problem", "processed"),
                               ("tokens_unique_per_problem", "unique"), ("tokens_discarded_per_problem", "discarded"),
                               ("tokens_recomputed_per_problem", "recomputed")):
                self.assertAlmostEqual(point[key], sum(row[field] for row in own) / 6, msg=point)
            self.assertEqual({row["batch"] for row in own}, {6})
            self.assertEqual(len({row["batch_seconds"] for row in own}), 1)
            self.assertLessEqual(max(row["seconds"] for row in own), own[0]["batch_seconds"])
            self.assertAlmostEqual(point["seconds_per_problem"], own[0]["batch_seconds"] / 6)
            self.assertEqual(point["kv_peak_bytes"], own[0]["batch_kv_peak_bytes"])
            self.assertGreater(point["kv_peak_bytes"], 0)
            self.assertNotIn("flips", point)
        vote, best = [next(p for p in study["curves"] if (p["strategy"], p["budget"]) == (name, 160)) for name in ("majority", "bon")]
        each = lambda point: point["flops_per_problem"] / point["tokens_per_problem"]
        self.assertGreater(each(vote), 0)
        self.assertGreater(each(best), each(vote))  # its critic reads what it writes

    def test_named_strategies_with_options(self):
        out = self.folder / "two"
        study = self.one(*COMMAND, "--model", model, "--out", out, "majority", "beam n=4 beam_width=2")
        names = {point["strategy"] for point in study["curves"]}
        self.assertEqual(names, {"majority", "bon", "bon-wmaj", "random", "beam n=4 beam_width=2"})
        text = self.ponder(*COMMAND, "--model", model, "--out", out, "majority", "beam n=4 beam_width=2").out
        self.assertIn("beam n=4 beam_width=2", text)
        self.assertRegex(text, r"spent of 160 tokens +written +read to judge +processed +unique +discarded +again +FLOPs +seconds")

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
                for field in ("guide", "processed", "unique", "discarded", "recomputed", "flops", "seconds", "batch", "batch_seconds",
                              "batch_kv_peak_bytes"):
                    del row[field]
                for found in row["found"]:
                    for field in ("scored", "likelihood", "length", "flops", "critic_flops"):
                        found.pop(field, None)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        old = self.one(*command)
        self.assertEqual([s["name"] for s in old["signals"]], ["vote", "random"])
        costs = [key for key in study["curves"][0] if key.endswith("_per_problem") or key == "kv_peak_bytes"]
        for then, now in zip(old["curves"], study["curves"], strict=True):
            for key in costs:
                if key not in ("tokens_per_problem", "critic_tokens_per_problem"):
                    self.assertIn(then.pop(key), (None, 0), key)  # 0 where the budget paid for nothing
                    del now[key]
            self.assertEqual(then, now)

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
        self.assertEqual(lasting(rows_of(out)[pool]), lasting(rows_of(other)[pool]))
        for study in (alone, found):
            for point in study["curves"]:
                spent = point["tokens_per_problem"] + point["critic_tokens_per_problem"]
                self.assertLessEqual(spent, point["budget"] + 1e-9, point)
        read = [sum(p["critic_tokens_per_problem"] for p in study["curves"] if p["strategy"] == "rstar") for study in (alone, found)]
        self.assertEqual(read[0], 0)
        self.assertGreater(read[1], 0)
        self.ponder(*COMMAND, "--model", model, "--out", self.folder / "none", "--discriminator", model, "majority", "mcts",
                    status=2, says=["--discriminator", "rstar"])

    def test_a_mix_is_what_the_search_itself_makes_of_it(self):
        out = self.folder / "mix"
        study = self.one(*COMMAND, "--model", model, "--out", out, "majority", "bon guide=mix mix=0.3 n=8", "--budgets", 4000)
        read = lambda name: [json.loads(line) for line in (out / name).read_text().splitlines()]
        for alone, mixed in zip(read("samples-0.jsonl"), read("bon guide=mix mix=0.3 n=8-4000.jsonl"), strict=True):
            for a, b in zip(alone["found"], mixed["found"], strict=True):  # the same samples
                self.assertEqual((a["answer"], a["likelihood"]), (b["answer"], b["likelihood"]))
                if a["answer"] is not None:  # the others are worth nothing
                    self.assertAlmostEqual(0.3 * a["likelihood"] + 0.7 * a["score"], b["score"], places=6)
        mix = study["mix"]
        self.assertEqual(mix["problems"] + mix["dev_problems"], 6)
        self.assertEqual(mix["grid"], [step / 10 for step in range(11)])
        if mix["lambda"] is not None:
            self.assertIn(mix["lambda"], mix["grid"])
            self.assertEqual([r["name"] for r in mix["against"]], ["likelihood", "critic", "vote"])

    def test_problems_out_of_distribution(self):
        out = self.folder / "shift"
        command = [*COMMAND, "--model", model, "--out", out, "majority"]
        alone = self.one(*command)
        self.assertEqual(alone["shift"], {})
        study = self.one(*command, "--shift", "countdown4")
        self.assertEqual(study["signals"], alone["signals"])  # the study itself goes on as it was
        shift = study["shift"]
        self.assertEqual((shift["task"], shift["n"]), ("countdown4", 6))
        files = sorted(path.name for path in out.glob("shift-*.jsonl"))
        self.assertEqual(len(files), 1)
        rows = [json.loads(line) for line in (out / files[0]).read_text().splitlines()]
        self.assertEqual({len(re.findall("[0-9]+", row["cluster"])) for row in rows}, {4})  # numbers
        self.assertEqual({len(row["found"]) for row in rows}, {8})
        names = {row["name"]: row for row in shift["drops"]}
        self.assertLessEqual({"vote", "random"}, set(names))
        for row in names.values():
            for figure in (row["auroc"], row["auroc_within"], row["gain"]):
                if figure:
                    self.assertAlmostEqual(figure["drop"], figure["home"] - figure["away"])
                    self.assertTrue(figure["low"] <= figure["drop"] <= figure["high"], figure)
        self.assertEqual(self.one(*command, "--shift", "countdown4"), study)
        text = self.ponder(*command, "--shift", "task:countdown4:dev").out
        self.assertIn("countdown4:dev", text)
        self.assertEqual(len(list(out.glob("shift-*.jsonl"))), 2)
        self.ponder(*command, "--shift", "countdwn4", status=2, says=["countdown4"])
        self.ponder(*COMMAND, "--model", model, "--out", self.folder / "none", "--shift", "countdown4", "mcts", status=2,
                    says=["--shift", "pool"])
        if missing():
            return
        self.one(*command, "--shift", "countdown4")
        browser = Browser()
        try:
            browser.open(out / "scaling.html")
            self.assertEqual(browser.messages(), [])
            said = browser.run("return document.getElementById('signals').textContent")
            for words in ("Out of distribution: countdown4", "drop"):
                self.assertIn(words, said)
            said = browser.run("return document.getElementById('allocation').textContent")
            for words in ("auto.json", "tokens a problem", "40", "160"):
                self.assertIn(words, said)
        finally:
            browser.close()

    def test_a_table_that_auto_goes_by(self):
        out = self.folder / "learned"
        dev = ["--problems", "task:countdown3:dev", "--n", 6]
        # A probe takes about 130 tokens: what is left of 240 pays for the search with 40.
        learn = ["scaling", "search", "--model", model, *dev, "--budgets", "40,240", "--pool", 8, "--out", out]
        study = self.one(*learn, "majority", "mcts width=3")
        path = out / "auto.json"
        table = json.loads(path.read_text())
        self.assertEqual([row["tokens"] for row in table["budgets"]], [40, 240])
        self.assertEqual((table["probe"], table["easy_at"], table["hard_at"], table["n"]), (4, 1.0, 0.5, 6))
        self.assertEqual(table["learned_on"], sorted(set(table["learned_on"])))
        for row, learned in zip(table["budgets"], study["allocation"]["table"], strict=True):
            for bin in ("easy", "middle", "hard"):
                self.assertIn(row[bin], ("stop", "majority", "bon select=rm", "bon select=wmaj", "mcts width=3"))
                self.assertEqual(row[bin] == "mcts width=3", learned[bin] == "mcts width=3")

        # On other problems it is a search like any other; on its own ones nobody scores it.
        auto = ["--search", "auto", f"table={path}", "--budget-tokens", 160]
        test = ["--problems", "task:countdown3:test", "--n", 4]
        done = self.one("eval", "--model", model, *test, *auto)
        self.assertEqual(done["n"], 4)
        self.assertLessEqual(done["tokens_per_problem"] + done["critic_tokens_per_problem"], 160)
        self.ponder("eval", "--model", model, *dev, *auto, status=2, says=["learned on", "6 of these 6"])
        solved = self.ponder("solve", "--model", model, *dev, *auto)
        self.assertIn("learned on instances of 6", solved.err)
        both = ["scaling", "search", "--model", model, "--budgets", "40,160", "--pool", 8, "majority", f"auto table={path}"]
        self.ponder(*both, *dev, "--out", self.folder / "own", status=2, says=["learned on"])
        scored = self.one(*both, *test, "--out", self.folder / "fresh")
        self.assertIn(f"auto table={path}".replace("/", "_"), {p["strategy"] for p in scored["curves"]})

        # What is wrong with it is said by file and key.
        self.ponder("eval", "--model", model, *test, "--search", "auto", f"table={path}", status=2, says=["--budget-tokens"])
        self.ponder("eval", "--model", model, *test, *auto, "probe=2", status=2, says=["probe"])
        path.write_text(path.read_text().replace('"tokens": 240', '"tokens": 24'))
        self.ponder("eval", "--model", model, *test, *auto, status=3, says=["auto.json", "budgets[1].tokens"])

    def test_what_is_wrong_is_said_before_any_work(self):
        for extra, says in ((["mctss"], "mcts"), (["mcts width=x"], "width"), (["beam", "beam"], "named twice"),
                            (["mcts", "rap"], "no words for that"), (["mcts", "mctsr"], "no words for that")):
            self.ponder(*COMMAND, "--model", model, "--out", self.folder / "bad", *extra, status=2, says=[says])
        self.assertEqual(list((self.folder / "bad").glob("*.jsonl")), [])
        self.ponder("scaling", "training", "--model", model, "--task", "countdown3", status=2, says=["search"])
        self.ponder("scaling", "search", "--model", model, status=2, says=["--task"])


if __name__ == "__main__":
    cli.main()
