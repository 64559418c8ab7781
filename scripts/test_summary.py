#!/usr/bin/env python3
"""What a run of ctest left out, and why. ctest counts programs; a test that skips itself inside one that passes does not
stand in its summary.

  scripts/test_summary.py LOG     LOG: Testing/Temporary/LastTest.log of a build folder

Read are what GoogleTest and unittest print, and lines `skipped: WHY` of programs that end with 77. PONDER_NOT_CHECKED: what
else could not be checked on this machine, a line each.
"""
import os
import re
import sys
import textwrap
from pathlib import Path

PROGRAM = re.compile(r"^\d+/\d+ Testing: ([^\n]*)\n(.*?)^Output:\n-+\n(.*?)^<end of output>", re.M | re.S)
# GoogleTest's lines; what a test prints without an end of line may stand before them.
BEGIN = re.compile(r"\[ RUN      \] (\S+)")
SKIPPED = re.compile(r"\[  SKIPPED \] (\S+) \(\d+ ms\)$")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.M)
UNITTEST_SKIPS = re.compile(r"^(?:OK|FAILED) \(.*skipped=(\d+)", re.M)
UNITTEST_SKIPPED = re.compile(r"^(\w+) \(.*?\)(?:\n.*)? \.\.\. skipped (['\"])(.*)\2$", re.M)  # with -v
WHOLE_SKIPPED = re.compile(r"^skipped: (.*)$", re.M)


def gtest_results(output):
    """How many tests began, and [(name, why)] of those that were skipped."""
    begun, skipped, said = 0, [], []
    for line in output.splitlines():
        if BEGIN.search(line):
            begun, said = begun + 1, []
        elif found := SKIPPED.search(line):
            place = max((i for i, text in enumerate(said) if text.endswith(": Skipped")), default=len(said))
            skipped.append((found[1], " ".join(filter(None, said[place + 1:]))))
        else:
            said.append(line)
    return begun, skipped


def results(output):
    """(tests that ran or were skipped, [(name, why)]) of one program."""
    if BEGIN.search(output):
        return gtest_results(output)
    if found := UNITTEST.search(output):
        skipped = [(name, why) for name, _, why in UNITTEST_SKIPPED.findall(output)]
        counted = UNITTEST_SKIPS.search(output)
        unnamed = int(counted[1]) - len(skipped) if counted else 0
        return int(found[1]), skipped + [("tests of unittest", "")] * unnamed
    if found := WHOLE_SKIPPED.search(output):
        return 1, [("all of it", found[1])]
    return 1, []  # a program that is one test


def named(names):
    """Cases of one parametrized test together: "Gemm.Tiles (4 of them), Gemm.Sums"."""
    counts = {}
    for name in names:
        whole = re.sub(r"/\d+$", "", name)
        counts[whole] = counts.get(whole, 0) + 1
    return ", ".join(name if n == 1 else f"{name} ({n} of them)" for name, n in counts.items())


def summary(log, not_checked):
    """The lines to print; none where no program was asked to run."""
    ran, reasons, programs = 0, {}, PROGRAM.findall(log)
    if not programs:
        return []
    for program, head, output in programs:
        if 'Command: ""' in head:
            continue  # it could not be started, as ctest has said
        count, skipped = results(output)
        ran += count - len(skipped)
        for name, why in skipped:
            reasons.setdefault((program, why or "it is not said why"), []).append(name)
    total = sum(map(len, reasons.values()))
    lines = [f"{ran:,} test{'s' * (ran != 1)} ran, {total or 'none'} {'was' if total < 2 else 'were'} skipped{':' * bool(total)}"]
    for (program, why), names in sorted(reasons.items(), key=lambda item: (item[0][1], item[0][0])):
        lines.append(f"  {len(names)} in {program}: {why}")
        lines += textwrap.wrap(named(names), 110, initial_indent=" " * 6, subsequent_indent=" " * 6, break_long_words=False)
    return lines + [f"  NOT CHECKED: {what}" for what in not_checked if what]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")
    if lines := summary(text, os.environ.get("PONDER_NOT_CHECKED", "").splitlines()):
        print("", *lines, sep="\n")
