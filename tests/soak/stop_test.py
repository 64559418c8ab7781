#!/usr/bin/env python3
"""Ctrl-C and SIGTERM in every stage: the step is finished and committed, the message says how to go on, the exit status
is 130, and in the end there is the same run as one that nobody stopped."""
import re
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

import runs

RECIPE = "recipes/micro.yaml"
BINARY = None


class Stop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def signal_in(self, stage, out, *signals):
        """Runs until `stage` has written a row that was not there before, sends the signals, waits for the end."""
        before = runs.row_count(out)
        process = runs.start(BINARY, RECIPE, out)
        self.addCleanup(process.kill)
        size = runs.size(out / "metrics.jsonl")
        while process.poll() is None:
            if runs.size(out / "metrics.jsonl") != size:
                size = runs.size(out / "metrics.jsonl")
                if any(row["stage"] == stage for row in runs.rows(out)[before:]):
                    break
            time.sleep(runs.POLL_SECONDS)
        for number in signals:
            process.send_signal(number)
        _, messages = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, messages)
        return messages

    def test_in_every_stage(self):
        whole, stopped = self.folder / "whole", self.folder / "stopped"
        runs.run_to_end(BINARY, RECIPE, whole)
        stages = [row["stage"] for row in runs.rows(whole) if row["step"] == runs.STAGE_END and row["stage"] != "report"]
        for i, stage in enumerate(stages):
            with self.subTest(stage):
                messages = self.signal_in(stage, stopped, (signal.SIGINT, signal.SIGTERM)[i % 2])
                said = re.search(r"stopped in stage (\w+) after (?:step|unit) (\d+) of \d+; the same command goes on", messages)
                self.assertIsNotNone(said, messages)
                self.assertIn(said[1], stages[i:i + 2])  # the signal may have come in the stage's last step
                self.assertEqual(runs.committed_step(stopped, said[1]), int(said[2]))
                if said[1] != "search":  # which gives up the unit that it was in
                    self.assertEqual(runs.written_step(stopped, said[1]), int(said[2]))
        runs.run_to_end(BINARY, RECIPE, stopped)
        self.assertEqual(runs.differences(whole, stopped, lambda name: not self.is_extra(name, stopped)), [])

    def test_while_the_program_loads(self):
        """The signal waits for somebody who can handle it, and is then obeyed as any other."""
        process = runs.start(BINARY, RECIPE, self.folder / "loading")
        self.addCleanup(process.kill)
        while "libtorch_cpu" not in Path(f"/proc/{process.pid}/maps").read_text():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        _, messages = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, messages)
        self.assertIn("the same command goes on", messages)

    def test_while_a_critic_s_labels_are_made(self):
        """No step is lost by giving labels up, so it does not wait for their end; a resumed run makes the same ones."""
        overrides = ["critic.problems=300"]
        whole, stopped = self.folder / "labelled", self.folder / "unlabelled"
        runs.run_to_end(BINARY, RECIPE, whole, overrides)
        for stage in ("critic", "critic_rl"):
            process = runs.start(BINARY, RECIPE, stopped, overrides)
            self.addCleanup(process.kill)
            messages = ""
            while f"{stage}: labelling" not in messages:
                line = process.stderr.readline()
                self.assertTrue(line, messages)
                messages += line
            process.send_signal(signal.SIGINT)
            messages += process.stderr.read()
            self.assertEqual(process.wait(timeout=120), 130, messages)
            process.stderr.close()
            self.assertIn(f"stopped in stage {stage} after step 0 of 10; the same command goes on", messages)
            self.assertEqual(runs.written_step(stopped, stage), 0)
        runs.run_to_end(BINARY, RECIPE, stopped, overrides)
        self.assertEqual(runs.differences(whole, stopped), [])

    @staticmethod
    def is_extra(name, stopped):
        """A stop commits at a step that is otherwise passed by, so older checkpoints and the count of commits differ."""
        match = re.fullmatch(r"checkpoints/(\w+)/(step-\d+)/(.*)", name)
        return bool(match) and (match[2] != runs.checkpoint_names(stopped, match[1])[-1] or match[3] == "manifest.json")

    def test_a_second_signal_ends_at_once_and_loses_no_more_than_a_kill(self):
        out = self.folder / "twice"
        self.signal_in("sft", out, signal.SIGTERM, signal.SIGTERM)
        self.assertIn(runs.current_stage(out, ["pretrain", "sft", "critic"]), ("sft", "critic"))
        self.assertIn("sft", runs.run_to_end(BINARY, RECIPE, out))
        self.assertTrue((out / "report.json").exists())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_PONDER [unittest arguments]")
    BINARY = Path(sys.argv.pop(1)).resolve()
    unittest.main()
