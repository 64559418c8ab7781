#!/usr/bin/env python3
"""kill -9 at many moments of a run, run it again each time, and the end must be the same bits.

The recipe runs once undisturbed and is watched. Then it runs in fresh directories where it is killed again and again:
at rows of every stage, while checkpoints are written, between the last row of a stage or of a search unit and its entry
in state.json, and while a process starts and picks up what the last one left. Every pass ends by itself and is then compared with the undisturbed run, file by file.
"""
import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import runs

KINDS = {"row": "in a step", "checkpoint": "writing a checkpoint", "closing": "closing a stage or unit",
         "start": "starting up"}
KILLS_A_PASS = 40
KILLS_FOR_ALL_STAGES = 100  # fewer can miss a short stage by chance
CLOSING_SECONDS = 0.004  # about what it takes to sync the rows and to replace state.json


class Undisturbed:
    """What there is to kill: the rows of each stage, the checkpoints, and how long things take."""

    def __init__(self, binary, recipe, out):
        self.out = out
        self.checkpoints = {}  # (stage, name) -> [rows that stood there when it began, first and last time it was seen]
        row_times = []         # when row i + 1 was first seen; then when the process ended
        begin = time.monotonic()
        process = runs.start(binary, recipe, out)
        while process.poll() is None:
            now, row_count = time.monotonic(), runs.row_count(out)
            row_times += [now] * (row_count - len(row_times))
            for aside in out.glob("checkpoints/*/*.tmp-*"):
                key = aside.parent.name, aside.name.split(".tmp-")[0]
                self.checkpoints.setdefault(key, [row_count, now, now])[2] = now
            time.sleep(runs.POLL_SECONDS)
        if process.returncode != 0:
            sys.exit(f"the undisturbed run ended with status {process.returncode}:\n{process.stderr.read()}")
        process.stderr.close()
        rows = runs.rows(out)
        row_times += [time.monotonic()] * (len(rows) + 1 - len(row_times))
        self.start_seconds = row_times[0] - begin
        self.checkpoint_seconds = statistics.median(last - first for _, first, last in self.checkpoints.values())
        self.seconds_after_row = [b - a for a, b in zip(row_times, row_times[1:])]
        self.rows = {}     # stage -> numbers of its rows, from 1, in the order of the run
        self.closing = {}  # stage -> those of them behind which state.json is written
        for number, (row, following) in enumerate(zip(rows, [*rows[1:], {}]), 1):
            stage = row["stage"]
            if stage == "run":
                continue
            self.rows.setdefault(stage, []).append(number)
            if row["step"] == runs.STAGE_END or stage == "search" and row["step"] != following["step"]:
                self.closing.setdefault(stage, []).append(number)
        self.stages = list(self.rows)
        self.steps = {number: row["step"] for number, row in enumerate(rows, 1)}

    def interval(self, stage):
        """Most steps between two checkpoints; a unit of the search, and the whole of the report, are one."""
        steps = sorted(runs.step_of(name) for s, name in self.checkpoints if s == stage)
        return max((b - a for a, b in zip([0, *steps], steps)), default=1)


def idle_stages(out):
    """What a broken resume could not be seen in: RL that learned nothing, weights that are those of another stage."""
    found = []
    for stage, before in (("rl", "sft"), ("critic_rl", "critic")):
        weights = [max((out / "checkpoints" / s).glob("step-*")).joinpath("model.safetensors").read_bytes()
                   for s in (stage, before)]
        if weights[0] == weights[1]:
            found.append(f"the weights after {stage} are those after {before}")
    if not any(row.get("reward_std", 0) > 0 and row.get("grad_norm", 0) > 0 for row in runs.rows(out) if row["stage"] == "rl"):
        found.append("the rewards of rl do not vary")
    return found


class Point:
    """A moment to kill at: `ready` is asked until it holds, then comes a delay. `passed` says that it cannot come any more."""

    def __init__(self, position, delay, ready, passed):
        self.position, self.delay, self.ready, self.passed = position, delay, ready, passed


def row_point(plan, rng, stage, number, seconds):
    step = plan.steps[number]

    def ready(out, size_at_start):
        # Rows of the killed process still lie there when the next one starts; they count once it has touched the file.
        return runs.size(out / "metrics.jsonl") != size_at_start and runs.row_count(out) >= number

    def passed(out):
        return stage in runs.finished(out) or runs.committed_step(out, stage) > step

    return Point(number, rng.uniform(0, seconds), ready, passed)


def checkpoint_point(plan, rng, stage):
    (stage, name), (number, *_) = rng.choice([c for c in plan.checkpoints.items() if c[0][0] == stage])

    def ready(out, _):
        return any((out / "checkpoints" / stage).glob(name + ".tmp-*"))

    def passed(out):
        return runs.committed_step(out, stage) >= runs.step_of(name)

    return Point(number, rng.uniform(0, plan.checkpoint_seconds), ready, passed)


def start_point(plan, rng, stage):
    position = rng.choice(plan.rows[stage]) + 0.5
    return Point(position, rng.uniform(0, plan.start_seconds), lambda out, size: True, lambda out: False)


def plan_points(plan, rng, count):
    """In turn a row, a checkpoint, the end of a stage or search unit, and a start-up; each kind goes through all stages."""
    learning = [stage for stage in plan.stages if any(s == stage for s, _ in plan.checkpoints)]
    first = rng.randrange(len(plan.stages))
    points = []
    for i in range(count):
        stage = plan.stages[(first + i // 4) % len(plan.stages)]
        kind = list(KINDS)[i % 4]
        if kind == "row":
            number = rng.choice(plan.rows[stage])
            points.append(row_point(plan, rng, stage, number, plan.seconds_after_row[number - 1]))
        elif kind == "checkpoint":
            points.append(checkpoint_point(plan, rng, learning[(first + i // 4) % len(learning)]))
        elif kind == "closing":
            points.append(row_point(plan, rng, stage, rng.choice(plan.closing[stage]), CLOSING_SECONDS))
        else:
            points.append(start_point(plan, rng, stage))
    return sorted(points, key=lambda p: p.position)


class Pass:
    """One directory, killed at every point of a list that is reached."""

    def __init__(self, binary, recipe, out, plan):
        self.binary, self.recipe, self.out, self.plan = binary, recipe, out, plan
        self.kills = Counter()  # (stage, kind)
        self.lost = Counter()   # stage -> most steps that one kill took back
        self.problems = []
        self.resumes_at = None  # (stage, step): where the next process has to go on

    def what_was_killed(self, size_at_start):
        """One of KINDS, from what lies there and not from what was planned: a delay can end behind its target."""
        if runs.size(self.out / "metrics.jsonl") == size_at_start:
            return "start"
        if any(self.out.glob("checkpoints/*/*.tmp-*")):
            return "checkpoint"
        number = runs.row_count(self.out)
        stage = next((stage for stage, numbers in self.plan.closing.items() if number in numbers), None)
        closes_unit = stage == "search" and runs.committed_step(self.out, stage) <= self.plan.steps[number]
        if stage and stage not in runs.finished(self.out) and (stage != "search" or closes_unit):
            return "closing"
        return "row"

    def note_kill(self, size_at_start):
        stage = runs.current_stage(self.out, self.plan.stages)
        written, committed = runs.written_step(self.out, stage), runs.committed_step(self.out, stage)
        self.kills[stage, self.what_was_killed(size_at_start)] += 1
        self.lost[stage] = max(self.lost[stage], written - committed)
        if stage != "report" and written - committed > self.plan.interval(stage):
            self.problems.append(f"stage {stage}: {written - committed} steps lost, the interval is {self.plan.interval(stage)}")
        self.resumes_at = (stage, committed)

    def note_messages(self, messages):
        """A process that went on must have gone on from the newest whole checkpoint."""
        stage, step = self.resumes_at or ("", 0)
        said = [line for line in messages.splitlines() if line.startswith(f"{stage}: going on from step")]
        if said and f"from step {step} of" not in said[0]:
            self.problems.append(f"step {step} was committed, but: {said[0]}")

    def run(self, points):
        while True:
            points = [point for point in points if not point.passed(self.out)]
            size_at_start = runs.size(self.out / "metrics.jsonl")
            process = runs.start(self.binary, self.recipe, self.out)
            ready_since = None
            while process.poll() is None:
                now = time.monotonic()
                if points and ready_since is None and points[0].ready(self.out, size_at_start):
                    ready_since = now
                if ready_since is not None and now - ready_since >= points[0].delay:
                    process.kill()
                    break
                time.sleep(runs.POLL_SECONDS)
            _, messages = process.communicate(timeout=60)
            self.note_messages(messages)
            if process.returncode == 0:
                return
            if process.returncode != -9:
                self.problems.append(f"a resumed run ended with status {process.returncode}: {messages.strip()}")
                return
            points.pop(0)
            self.note_kill(size_at_start)


def result_page(options, passes, plan, kills, lost, seconds):
    lines = ["# Killed again and again, the same bits", "",
             f"`tests/soak/kill_test.py build/ponder --kills {options.kills} --seed {options.seed}"
             f" --recipe {options.recipe}`", "",
             f"{sum(kills.values())} times `kill -9` in {passes} runs of the recipe, each started again until it ended: every"
             " checkpoint file, every row of `metrics.jsonl`, every rollout, every TensorBoard event, `report.json` and `report.html`"
             " (what a clock wrote apart) equals that of a run that"
             f" nobody disturbed. {seconds:.0f} seconds in all.", "",
             "| stage | " + " | ".join(KINDS.values()) + " | most steps lost | checkpoint interval |",
             "|---" * (len(KINDS) + 3) + "|"]
    for stage in [*plan.stages, "end"]:
        if any(kills[stage, kind] for kind in KINDS):
            interval = {"search": "1 unit", "report": "the stage", "end": "–"}.get(stage, f"{plan.interval(stage)} steps")
            counts = " | ".join(str(kills[stage, kind]) for kind in KINDS)
            lines.append(f"| {stage} | {counts} | {lost[stage]} | {interval} |")
    lines += ["", "A kill counts in the stage that was unfinished when it came; \"end\" is behind the last stage, while the report"
              " is written from the rows."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("--kills", type=int, default=20, help="at least so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", default="recipes/micro.yaml")
    parser.add_argument("--result", type=Path, help="write a page about it to this file")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="ponder-kill-"))
    binary, begin = options.binary.resolve(), time.monotonic()
    plan = Undisturbed(binary, options.recipe, folder / "undisturbed")
    if idle := idle_stages(plan.out):
        print("this recipe cannot show a broken resume:", *idle, sep="\n  ")
        return 1
    kills, lost, passes = Counter(), Counter(), 0
    while sum(kills.values()) < options.kills:
        missing = options.kills - sum(kills.values())
        out = folder / f"killed-{passes}"
        one = Pass(binary, options.recipe, out, plan)
        one.run(plan_points(plan, random.Random(f"{options.seed} {passes}"), min(missing + 4, KILLS_A_PASS)))
        passes += 1
        kills += one.kills
        lost |= one.lost
        problems = one.problems or runs.differences(plan.out, out)
        if problems or not one.kills:
            print(f"{sum(kills.values())} kills, then in {out}:", *(problems or ["no kill came in time"]), sep="\n  ")
            return 1
        shutil.rmtree(out)
    seconds = time.monotonic() - begin
    page = result_page(options, passes, plan, kills, lost, seconds)
    print(page, end="")
    untouched = [stage for stage in plan.stages if not any(s == stage for s, _ in kills)]
    if untouched:
        print("no kill came in stage", ", ".join(untouched))
        if options.kills >= KILLS_FOR_ALL_STAGES:
            return 1
    if options.result:
        options.result.write_text(page)
    if not options.keep:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
