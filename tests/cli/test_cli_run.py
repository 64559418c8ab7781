#!/usr/bin/env python3
"""Whole runs from outside: the same files again, the plan, the doctor, the replay, and Ctrl-C while problems are solved."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import cli
from cli import CliTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soak"))
import runs  # noqa: E402 (it lies beside the soak tests)

RECIPE = "recipes/micro.yaml"

folder = None  # of all tests here
made = None    # a run directory that the tests read and copy


def setUpModule():
    global folder, made
    folder = tempfile.TemporaryDirectory()
    made = Path(folder.name) / "made"
    runs.run_to_end(cli.PONDER, RECIPE, made)


def tearDownModule():
    folder.cleanup()


class SameAgain(CliTest):
    def test_rows_rollouts_checkpoints_events_and_report(self):
        """`differences` looks at every file: weights, optimizer, rollouts, rows, events, report."""
        again = self.folder / "again"
        runs.run_to_end(cli.PONDER, RECIPE, again)
        self.assertEqual(runs.differences(made, again), [])

    def test_another_seed_is_another_run(self):
        other = self.folder / "other"
        runs.run_to_end(cli.PONDER, RECIPE, other, ["seed=2"])
        found = " ".join(runs.differences(made, other))
        for part in ("model.safetensors", "metrics.jsonl", "rollouts.jsonl.zst", "tensorboard/sft", "report.html"):
            self.assertIn(part, found)


class TrainCurve(CliTest):
    def test_its_seconds_are_of_training_alone(self):
        costs = {name: stage["cost"] for name, stage in json.loads((made / "state.json").read_text())["finished"].items()
                 if "cost" in stage}
        self.assertGreater(costs["sft"]["evaluation_seconds"], 0)
        for stage, before in (("sft", ["pretrain"]), ("rl", ["pretrain", "sft", "critic"])):
            curve = [row for row in json.loads((made / "report.json").read_text())["train_curve"] if row["stage"] == stage]
            trained = sum(costs[s]["seconds"] - costs[s]["evaluation_seconds"] for s in [*before, stage])
            self.assertAlmostEqual(max(row["seconds"] for row in curve), trained, places=3)


class DryRun(CliTest):
    def plan(self, *arguments, **wanted):
        out = self.folder / "planned"
        result = self.ponder("run", *arguments, "--dry-run", "--out", out, **wanted)
        self.assertFalse(out.exists(), "a plan writes nothing")
        return result

    def refuse(self, text, says, *overrides):
        result = self.plan(self.file("recipe.yaml", text), *overrides, status=2, says=says)
        self.assertEqual(result.out, "")

    def test_prints_memory_disk_and_time(self):
        out = self.plan(RECIPE).out
        for word in ("memory", "disk", "optimizer", "KV cache", "rollouts", "tokens", "an estimate"):
            self.assertIn(word, out)
        for stage in ("pretrain", "sft", "critic", "rl", "search"):
            self.assertRegex(out, rf"(?m)^{stage}\s+\S+\s+\S+\s+\S+ (s|min|h)")

    def test_json(self):
        plan = json.loads(self.plan(RECIPE, "--json").out)
        self.assertGreater(plan["memory"]["total"], plan["memory"]["weights"])
        self.assertGreater(plan["disk"]["total"], 0)
        self.assertGreater(plan["seconds_estimate"], 0)
        self.assertIn("rl", [stage["name"] for stage in plan["stages"]])

    def test_wrong_recipes_are_refused_with_key_and_place(self):
        self.refuse("rl:\n  prompts: many\n", ["recipe.yaml:2", "rl.prompts", "many"])
        self.refuse("seed: 1\nrl:\n  prompts: -4\n", ["recipe.yaml:3", "rl.prompts", "-4"])
        self.refuse("seed: 1\nrl:\n  promts: 4\n", ["recipe.yaml:3", '"promts"', '"prompts"'])
        self.refuse("rl:\n  algo: grpo\nmodel:\n  context: 100\n", ["recipe.yaml:4", "model.context", "max_tokens"])
        self.refuse("stages: [rl]\n", ["recipe.yaml:1", "rl", "pretrain or sft"])
        self.refuse("name: test\n", ["command line", "rl.train.steps"], "rl.train.steps=x")
        self.refuse("model: {context: 160}\n", ["command line", "rl.max_tokens"], "rl.max_tokens=200")

    def test_a_place_that_is_no_directory(self):
        self.ponder("run", RECIPE, "--out", self.file("taken", ""), status=2, says=["taken", "not a directory"])
        self.ponder("run", RECIPE, "--out", "", status=2, says=["--out"])

    def test_a_run_is_refused_for_the_same_reason_as_its_plan(self):
        out, much = self.folder / "run", "engine.kv_pages=100000000"
        self.plan(RECIPE, much, status=4, says=["memory"])
        self.ponder("run", RECIPE, much, "--out", out, status=4, says=["memory"])
        self.assertFalse(out.exists())

    def test_a_recipe_that_is_not_there(self):
        none = self.folder / "none.yaml"
        self.plan(none, status=2, says=[str(none)])


def healthy(row):
    """The row as a run that learns would have left it."""
    if row["kind"] == "rl":
        row.update(reward=0.3 + 0.05 * row["step"], reward_std=0.45, groups_kept=0.8, truncated=0.05, ended=0.95,
                   unparsable=0.02, entropy=0.5, grad_norm=0.3)
    if row["kind"] == "train":
        row.update(loss=2.0 / (1 + row["step"]), grad_norm=0.5)
        if row["stage"].startswith("critic"):
            row["label_std"] = 0.3
    return row


class Doctor(CliTest):
    def run_with(self, change=lambda row: row, records=True):
        """A healthy run, apart from what `change` makes of its rows."""
        out = self.folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        shutil.copy(made / "config.yaml", out)
        if records:
            for name in ("rollouts.jsonl.zst", "rollouts.index.jsonl"):
                shutil.copy(made / name, out)
        rows = [json.dumps(change(healthy(row))) + "\n" for row in runs.rows(made)]
        (out / "metrics.jsonl").write_text("".join(rows))
        return out

    def findings(self, out, status=0):
        return self.one("doctor", out, status=status)["findings"]

    def test_a_good_run(self):
        out = self.run_with()
        self.assertEqual(self.findings(out), [])
        self.assertIn("nothing looks wrong", self.ponder("doctor", out).out)

    def test_planted_faults(self):
        planted = [("truncated_completions", {"truncated": 0.6}, 0.6), ("unparsable_answers", {"unparsable": 0.3}, 0.3),
                   ("zero_advantage_groups", {"groups_kept": 0.1}, 0.9), ("logp_gap", {"logp_gap": 0.5}, 0.5)]
        for code, change, value in planted:
            with self.subTest(code):
                found = self.findings(self.run_with(lambda row: {**row, **change} if row["kind"] == "rl" else row))
                self.assertEqual([(finding["code"], finding["value"]) for finding in found], [(code, value)])
                self.assertTrue(found[0]["fix"])

    def test_a_fault_that_makes_going_on_senseless_is_a_failure(self):
        out = self.run_with(lambda row: {**row, "stale": 0.5} if row["kind"] == "rl" else row)
        found = self.findings(out, status=1)
        self.assertEqual([(f["code"], f["severity"]) for f in found], [("stale_weights", "stop")])
        self.assertIn("stop    stale_weights in rl", self.ponder("doctor", out, status=1).out)

    def test_damaged_files(self):
        out = self.run_with()
        damage(out / "rollouts.jsonl.zst")
        self.assertIn("records_unreadable", [finding["code"] for finding in self.findings(out)])
        with open(out / "metrics.jsonl", "a") as rows:
            rows.write("{]\n")
        self.assertIn("rows_unreadable", [finding["code"] for finding in self.findings(out)])

    def test_rows_without_records(self):
        (finding,) = self.findings(self.run_with(records=False))
        self.assertEqual((finding["code"], finding["step"]), ("records_missing", 1))

    def test_a_directory_without_a_configuration(self):
        out = self.run_with()
        (out / "config.yaml").unlink()
        self.ponder("doctor", out, status=3, says=["config.yaml"])
        self.ponder("replay", out, "--step", "1", status=3, says=["config.yaml"])

    def test_no_run(self):
        self.ponder("doctor", self.folder / "none", status=3, says=["none"])


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class Evidence(CliTest):
    """A run goes on only where all that it had saved is still there, and touches nothing otherwise."""
    def copy(self):
        out = self.folder / "run"
        shutil.copytree(made, out)
        return out

    def refuse(self, out, name, *overrides):
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
        self.ponder("run", RECIPE, "--out", out, *overrides, status=3, says=[name])
        after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
        self.assertEqual(before, after)

    def test_cut_and_removed_files(self):
        for name in ("metrics.jsonl", "rollouts.jsonl.zst", "rollouts.index.jsonl"):
            with self.subTest(name):
                out = self.copy()
                os.truncate(out / name, (out / name).stat().st_size - 100)
                self.refuse(out, name)
                (out / name).unlink()
                self.refuse(out, name)
                shutil.rmtree(out)

    def test_a_row_that_cannot_be_read_is_named(self):
        out = self.copy()
        rows = (out / "metrics.jsonl").read_bytes().split(b"\n")
        rows[2] = b"{]" + rows[2]
        (out / "metrics.jsonl").write_bytes(b"\n".join(rows))
        for command in (["run", RECIPE, "--out"], ["report"]):
            self.ponder(*command, out, says=["row left out", "metrics.jsonl:3"])

    def test_a_missing_configuration(self):
        out = self.copy()
        (out / "config.yaml").unlink()
        self.refuse(out, "config.yaml", "seed=5")

    def test_a_state_that_is_lost(self):
        out = self.copy()
        (out / "state.json").unlink()
        self.refuse(out, "state.json")

    def test_older_weights_never_stand_for_the_last_ones(self):
        for gone in ("DONE", "manifest.json"):
            with self.subTest(gone):
                out = self.copy()
                newest = max((out / "checkpoints" / "rl").iterdir())
                (newest / gone).unlink()
                self.ponder("info", out, status=3, says=[newest.name])
                shutil.rmtree(out)

    def test_weights_that_were_changed_are_not_loaded(self):
        out = self.copy()
        newest = max((out / "checkpoints" / "rl").iterdir())
        damage(newest / "model.safetensors")
        for arguments in (["info", out], ["score", "--model", out, "--tokens", "1,2"],
                          ["logits", "--model", newest, "--tokens", "1,2", "--out", self.folder / "l.safetensors"],
                          ["generate", "--model", out, "--prompt", "x"],
                          ["solve", "--model", out, "--problems", "task:countdown3", "--n", "1"]):
            with self.subTest(arguments[0]):
                self.ponder(*arguments, status=3, says=["model.safetensors"])


class Replay(CliTest):
    def copy(self):
        out = self.folder / "run"
        out.mkdir()
        for name in ("config.yaml", "metrics.jsonl", "rollouts.jsonl.zst", "rollouts.index.jsonl"):
            shutil.copy(made / name, out)
        return out

    def test_the_same_numbers_without_a_model(self):
        out = self.copy()
        for row in (row for row in runs.rows(made) if row["kind"] == "rl"):
            replayed = self.one("replay", out, "--step", row["step"])
            self.assertEqual(replayed["mismatches"], [])
            for key in ("reward", "reward_std", "groups_kept", "truncated", "unparsable", "length", "policy_version"):
                self.assertEqual(replayed[key], row[key], key)
            self.assertEqual(sum(replayed["verdicts"].values()), replayed["samples"])

    def test_a_row_that_says_something_else(self):
        out = self.copy()
        rows = runs.rows(out)
        for row in rows:
            if row["kind"] == "rl" and row["step"] == 2:
                row["reward"] += 0.25
        (out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (mismatch,) = self.one("replay", out, "--step", 2, status=1)["mismatches"]
        self.assertEqual(mismatch["field"], "reward")
        self.assertEqual(self.one("replay", out, "--step", 1)["mismatches"], [])
        self.assertIn("mismatch: step, reward", self.ponder("replay", out, "--step", 2, status=1).out)

    def test_a_record_that_was_tampered_with_is_named(self):
        out = self.copy()
        damage(out / "rollouts.jsonl.zst")  # the middle of six steps
        said = [cli.run("replay", out, "--step", step) for step in range(1, 7)]
        bad = [result for result in said if result.status != 0]
        self.assertEqual(len(bad), 1, "one block holds the byte")
        self.assertEqual(bad[0].status, 3, str(bad[0]))
        self.assertIn("rollouts.jsonl.zst", bad[0].err)
        self.assertIn(f"rl step {said.index(bad[0]) + 1}", bad[0].err)

    def test_a_step_that_is_not_there(self):
        self.ponder("replay", self.copy(), "--step", 99, status=3, says=["99", "1 to 6"])


class Interrupted(CliTest):
    """Ctrl-C while more problems are solved than anyone would wait for."""
    SEARCH = ["--problems", "task:countdown4", "--n", "3000", "--search", "majority", "n=64"]

    def start(self, command, *arguments, **streams):
        process = subprocess.Popen([cli.PONDER, command, "--model", made, *self.SEARCH, *arguments], cwd=cli.REPOSITORY,
                                   stdin=subprocess.DEVNULL, text=True, encoding="utf-8",
                                   **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams})
        self.addCleanup(process.__exit__, None, None, None)  # closes its pipes and waits
        self.addCleanup(process.kill)
        return process

    def stop(self, process, number):
        process.send_signal(number)
        out, err = process.stdout.read(), process.stderr.read()  # communicate would miss what readline has buffered
        process.wait(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        said = re.search(r"stopped by the user; (?:the answers of )?(\d+) of 3000 problems", err)
        self.assertIsNotNone(said, err)
        return out, int(said[1])

    def test_solve_keeps_the_answers_that_it_found(self):
        process = self.start("solve", "--json")
        first = process.stdout.readline()  # answers come while others are still searched
        out, count = self.stop(process, signal.SIGINT)
        rows = [json.loads(line) for line in [first, *out.splitlines()]]
        self.assertEqual(len(rows), count)
        self.assertTrue(all("answer" in row for row in rows))
        self.assertEqual(len({row["id"] for row in rows}), count)

    def test_solve_for_people(self):
        process = self.start("solve")
        first = process.stdout.readline()
        out, count = self.stop(process, signal.SIGTERM)
        answers = [line for line in [first, *out.splitlines()] if line.startswith("  answer: ")]
        self.assertEqual(len(answers), count)

    def test_eval_says_how_many_it_graded(self):
        read, write = pty.openpty()  # on a terminal the progress line says at once that problems are done
        self.addCleanup(os.close, read)
        rows = self.folder / "rows.jsonl"
        process = self.start("eval", "--json", "--rows", rows, stderr=write)
        os.close(write)
        seen = b""
        while not re.search(rb"solve  [1-9]\d*/", seen):
            seen += os.read(read, 4096)
        process.send_signal(signal.SIGINT)
        found = json.loads(process.communicate(timeout=60)[0])
        self.assertEqual(process.returncode, 130)
        self.assertTrue(found["stopped"])
        self.assertGreater(found["n"], 0)
        self.assertEqual((found["problems"], len(rows.read_text().splitlines())), (3000, found["n"]))


if __name__ == "__main__":
    cli.main()
