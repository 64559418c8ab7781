#!/usr/bin/env python3
"""Writes a search tree of any size as `ponder solve --dump` writes one: make_tree.py NODES [SEED] [--deep] > tree.json.

The tree grows as tree search grows one: from the root along promising branches, a few steps at a time. --deep makes one
line of thought in which every step has one parent and one child."""
import json
import random
import sys

NUMBERS = [12, 7, 5, 30, 4, 9]


def step(draw, depth):
    a, b = draw.choice(NUMBERS), draw.choice(NUMBERS)
    sign, result = draw.choice([("+", a + b), ("*", a * b), ("-", a - b)])
    words = draw.choice(["So far there are", "That makes", "After this he has", "Each of them gets", "In total"])
    return f"{words} {a} {sign} {b} = {result}" + (" apples, which is what the question asks about." if depth % 3 == 2 else ".")


def make_tree(nodes=10_000, seed=1, deep=False):
    draw = random.Random(seed)
    rows = [dict(id=0, parent=-1, text="", value=None, visits=0, logp=0.0, prior=0.0, depth=0, worth=0.5)]
    children = [[]]
    candidates = []
    while len(rows) < nodes:
        at = len(rows) - 1 if deep else 0
        while not deep and children[at] and (len(children[at]) >= 4 or draw.random() < 0.8):
            at = max(children[at], key=lambda c: rows[c]["worth"] + draw.gauss(0, 0.25))
        if rows[at].get("terminal"):
            at = draw.choice([r["id"] for r in rows[-200:] if not r.get("terminal")] or [0])
        for _ in range(1 if deep else draw.choice([1, 2, 3, 4])):
            if len(rows) == nodes:
                break
            depth = rows[at]["depth"] + 1
            worth = min(0.99, max(0.01, rows[at]["worth"] + draw.gauss(0, 0.12)))
            row = dict(id=len(rows), parent=at, text=step(draw, depth) + "\n", value=round(worth, 4), visits=0,
                       logp=-round(draw.expovariate(0.2), 3), prior=round(draw.random(), 3), depth=depth, worth=worth,
                       tokens=draw.randint(6, 30))
            if not deep and depth >= 5 and draw.random() < 0.35:
                answer = str(draw.choice([24, 24, 24, 35, 84, 19]))
                row.update(text=f"#### {answer}", terminal=True, answered=True, candidate=len(candidates))
                candidates.append(dict(answer=answer, score=row["value"], tokens=80, cost=100 * len(candidates)))
            elif not deep and worth < 0.2:
                row["pruned"] = True
            rows.append(row)
            children.append([])
            children[at].append(row["id"])
    for row in reversed(rows):
        row["visits"] += 1
        if row["parent"] >= 0:
            rows[row["parent"]]["visits"] += row["visits"]
    backups = [[row["id"] + 1, row["id"], row["worth"]] for row in rows]
    ends = [r for r in rows if r.get("answered")] or [rows[-1]]
    best = max(ends, key=lambda r: r["worth"])
    answer = candidates[best["candidate"]]["answer"] if candidates else None
    at = best["id"]
    while at >= 0:
        rows[at]["path"] = True
        at = rows[at]["parent"]
    for row in rows:
        row["mean"] = round(row["worth"] * 0.97, 4)
        row["order"] = row["id"]
        del row["depth"], row["worth"]
    return dict(id=f"made-{nodes}", answer=answer, question="A made-up problem: he has 12 boxes of 7 apples and gives 5 "
                "away each day. How many are left?", model="none", seed=seed, tokens_generated=17 * nodes,
                tokens_processed=19 * nodes, critic_tokens=16 * nodes, seconds=12.5,
                search=dict(strategy="mcts", score=best["value"], nodes=nodes, candidates=candidates,
                            given=[f"sims={nodes // 3}"], options=dict(sims=nodes // 3, c_puct=1.25)),
                nodes=rows, backups=backups[:0] if deep else backups)


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:] if not a.startswith("--")]
    json.dump(make_tree(*(numbers or [10_000])[:2], deep="--deep" in sys.argv), sys.stdout)
