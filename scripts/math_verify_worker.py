#!/usr/bin/env python3
"""A second opinion on math answers from math-verify, for `ponder verify --math-verify N`; ponder starts and kills it.

One JSON line in, one out: {"gold": "…", "answer": "…"} gives {"same": true | false | null}, null when math-verify cannot read
the gold or the answer. The first line out is {"ready": true}. Its own timeouts are off: they rest on signals of the main
thread; whoever asked kills this process when it takes too long.
"""
import json
import os
import sys

# math-verify and SymPy print; what they print must not end up between the answers.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify  # noqa: E402

KINDS = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]


def same(gold, answer):
    try:
        wanted, given = parse(gold, KINDS, parsing_timeout=None), parse(answer, KINDS, parsing_timeout=None)
        if not wanted or not given:
            return None
        return bool(verify(wanted, given, timeout_seconds=None))
    except Exception:
        return None


def main():
    verify(parse("$\\frac{1}{2}$", KINDS, parsing_timeout=None), parse("0.5", KINDS, parsing_timeout=None), timeout_seconds=None)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps({"same": same(row["gold"], row["answer"])}), file=answers, flush=True)


if __name__ == "__main__":
    main()
