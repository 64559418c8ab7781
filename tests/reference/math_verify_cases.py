#!/usr/bin/env python3
"""Turns math-verify's published test cases into rows for `ponder verify --task math`, and reports agreement.

    math_verify_cases.py extract TESTS_FOLDER ROWS.jsonl      a checkout of the folder tests/ of huggingface/Math-Verify (Apache-2.0)
    math_verify_cases.py report ROWS.jsonl VERDICTS.jsonl     what `ponder verify --task math --in ROWS.jsonl --json` printed

The cases stay with their project: rows are made on demand and are not kept in this repository. Needs no pytest. With
--math-verify, extract also asks an installed math-verify for its own verdict ("peer"), since some of its published cases
rest on options that a row does not carry.
"""
import argparse
import json
import re
import sys
import types
import unittest.mock
from pathlib import Path


class Anything:
    """Stands in for what the test files import and never use while they are only read."""

    def __getattr__(self, name):
        return Anything()

    def __call__(self, *args, **kwargs):
        return args[0] if len(args) == 1 and callable(args[0]) else Anything()


def recording_pytest(cases, file):
    """A pytest whose parametrize() collects the values that it is given."""

    def parametrize(names, values):
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)

        def record(function):
            for value in values:
                cases.append((file, function.__name__, dict(zip(names, value))))
            return function

        return record

    module = types.ModuleType("pytest")
    module.mark = types.SimpleNamespace(parametrize=parametrize)
    return module


def read_cases(folder):
    """Every case with a gold, a prediction and an expected verdict."""
    rows = []
    imported = ["math_verify", "math_verify.grader", "math_verify.parser", "latex2sympy2_extended", "sympy", "tests",
                "tests.test_all"]
    with unittest.mock.patch.dict(sys.modules, {name: Anything() for name in imported}):
        for path in sorted(Path(folder).glob("test_*.py")):
            cases = []
            sys.modules["pytest"] = recording_pytest(cases, path.stem)
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": path.stem})
            for file, function, case in cases:
                expected = case.get("expected", case.get("result"))
                if "gold" not in case or not isinstance(expected, int):
                    continue
                # Options that a row does not carry: renamed variables, relations read as sets from the gold's side.
                if case.get("strict") is False or case.get("allow_set_relation_comp"):
                    continue
                rows.append({"id": f"{file}.{function}.{len(rows)}", "gold": case["gold"], "answer": case["pred"],
                             "expected": bool(expected)})
    return rows


def ask_math_verify(rows):
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
    for row in rows:
        kinds = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
        row["peer"] = bool(verify(parse(row["gold"], kinds), parse(row["answer"], kinds)))


def report(rows_path, verdicts_path):
    rows = [json.loads(line) for line in open(rows_path)]
    verdicts = [json.loads(line) for line in open(verdicts_path)]
    assert len(rows) == len(verdicts), f"{len(rows)} rows but {len(verdicts)} verdicts"
    counts = {"both_correct": 0, "both_not": 0, "only_peer": 0, "only_ponder": 0}
    for row, verdict in zip(rows, verdicts):
        ours, theirs = verdict["verdict"] == "correct", row["expected"]
        counts["both_correct" if ours and theirs else "both_not" if not ours and not theirs
               else "only_peer" if theirs else "only_ponder"] += 1
        if ours != theirs:
            print(f"{row['id']}: published {'correct' if theirs else 'wrong'}, ponder {verdict['verdict']}"
                  f" ({verdict.get('reason', '')})\n    gold    {row['gold'][-200:]!r}\n    answer  {row['answer'][-200:]!r}")
    agreed = counts["both_correct"] + counts["both_not"]
    print(json.dumps({**counts, "n": len(rows), "agreement": round(agreed / len(rows), 4)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["extract", "report"])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--math-verify", action="store_true", help="add math-verify's own verdict to each row")
    args = parser.parse_args()
    if args.command == "report":
        report(args.source, args.target)
        return
    rows = read_cases(args.source)
    if args.math_verify:
        ask_math_verify(rows)
    with open(args.target, "w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
    print(f"{len(rows)} cases")


if __name__ == "__main__":
    main()
