#!/usr/bin/env python3
"""Random pairs of mathematical answers with known verdicts, as rows for `ponder verify --task math`; SymPy (BSD-3) is the oracle.

    math_sympy_pairs.py make N SEED ROWS.jsonl          equal pairs by construction, unequal ones by a numeric gap
    math_sympy_pairs.py report ROWS.jsonl VERDICTS.jsonl

Equal pairs are one expression in two forms (expanded, factored, rationalised, together, apart, another notation); unequal pairs
differ by more than 1e-9 of their size at a random point, in 40 digits. Nothing of it is kept in the repository.
"""
import json
import random
import signal
import sys

import sympy as sp

X, Y = sp.symbols("x y")


def number(rng):
    kind = rng.randrange(8)
    a, b = rng.randint(1, 60), rng.randint(2, 30)
    if kind == 0:
        return sp.Integer(rng.choice([-1, 1]) * a)
    if kind == 1:
        return sp.Rational(rng.choice([-1, 1]) * a, b)
    if kind == 2:
        return sp.sqrt(a)
    if kind == 3:
        return sp.Rational(a, b) * sp.sqrt(rng.randint(2, 99))
    if kind == 4:
        return sp.pi * sp.Rational(a, b)
    if kind == 5:
        return sp.Integer(a) ** sp.Rational(1, rng.choice([3, 4, 5]))
    if kind == 6:
        return sp.E ** rng.randint(-2, 3)
    return sp.log(rng.randint(2, 20))


def expression(rng, depth, variables):
    if depth == 0:
        if variables and rng.random() < 0.5:
            return rng.choice([X, Y])
        return number(rng)
    a, b = expression(rng, depth - 1, variables), expression(rng, depth - 1, variables)
    op = rng.randrange(6)
    if op == 0:
        return a + b
    if op == 1:
        return a - b
    if op == 2:
        return a * b
    if op == 3 and b != 0:
        return a / b
    if op == 4:
        return a ** rng.randint(2, 3)
    return a + rng.randint(-9, 9)


def other_form(rng, e):
    forms = [sp.expand, sp.together, sp.factor, sp.radsimp, sp.nsimplify, lambda v: sp.expand(sp.together(v)), lambda v: v]
    try:
        return rng.choice(forms)(e)
    except Exception:
        return e


def notation(rng, e):
    """The expression as LaTeX or as plain text."""
    if rng.random() < 0.7:
        text = sp.latex(e)
        if rng.random() < 0.3:
            text = text.replace(r"\frac", r"\dfrac")
        if rng.random() < 0.3:
            text = text.replace(r"\left", "").replace(r"\right", "")
        return text
    return sp.sstr(e).replace("exp(1)", "e").replace("E", "e").replace("**", rng.choice(["**", "^"]))


def value(e, rng):
    point = {X: sp.Rational(rng.randint(2, 97), rng.randint(2, 19)), Y: sp.Rational(rng.randint(2, 97), rng.randint(2, 19))}
    return sp.N(e.subs(point), 40)


class TooLong(Exception):
    pass


def give_up(signum, frame):
    raise TooLong


def draw(rng):
    """One row, or None when the draw is undefined, too long or not clear enough."""
    variables = rng.random() < 0.5
    e = expression(rng, rng.randint(1, 3), variables)
    equal = rng.random() < 0.5
    if equal:
        other = other_form(rng, e)
    elif rng.random() < 0.6:  # a near miss
        other = rng.choice([e + 1, -e, e * 2, e + sp.Rational(1, 1000), e * sp.sqrt(2), e + X, e ** 2])
        other = other_form(rng, other)
    else:
        other = expression(rng, rng.randint(1, 3), variables)
    if any(v.has(sp.zoo, sp.nan, sp.oo) or len(sp.sstr(v)) > 300 for v in (e, other)):
        return None
    point = rng.randint(0, 10**9)
    a, b = value(e, random.Random(point)), value(other, random.Random(point))
    if not a.is_number or not b.is_number or a.has(sp.nan, sp.zoo) or b.has(sp.nan, sp.zoo):
        return None
    gap = abs(a - b) / max(1, abs(a))
    if equal and gap > sp.Float("1e-25") or not equal and gap < sp.Float("1e-9"):
        return None
    return {"gold": notation(rng, e), "answer": notation(rng, other), "expected": equal}


def make(n, seed, path):
    rng = random.Random(seed)
    signal.signal(signal.SIGALRM, give_up)  # SymPy's simplifiers take minutes on some draws
    with open(path, "w") as out:
        made = 0
        while made < n:
            signal.setitimer(signal.ITIMER_REAL, 1)
            try:
                row = draw(rng)
            except (TooLong, RecursionError, ZeroDivisionError):
                row = None
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if row:
                out.write(json.dumps({"id": f"{seed}-{made}", **row}) + "\n")
                made += 1


def report(rows_path, verdicts_path):
    rows = [json.loads(line) for line in open(rows_path)]
    verdicts = [json.loads(line) for line in open(verdicts_path)]
    counts, shown = {}, 0
    for row, verdict in zip(rows, verdicts):
        key = ("equal" if row["expected"] else "unequal") + "_" + verdict["verdict"]
        counts[key] = counts.get(key, 0) + 1
        right = verdict["verdict"] == ("correct" if row["expected"] else "wrong")
        if not right and shown < 25:
            shown += 1
            print(key, json.dumps(row), verdict.get("reason", ""))
    print(json.dumps(counts, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        report(sys.argv[2], sys.argv[3])
