#!/usr/bin/env python3
"""Compares ponder with its peers: same work, same threads, same weights, in one run, taking turns.

Run by `make bench`; peers come from `make bench-peers`, and what is missing is said and left out. Prints a JSON line a side
and a ratio a comparison, then a table. Needs nothing but Python's standard library.

    make bench ARGS="--cases sample-64,train-step --threads 1 --out bench.jsonl"
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import startup
from comparison import BEST, Comparison, figure_of
from model_cases import MODEL_CASES, load_case
from sides import QUIET, LlamaCpp, Place, Ponder, PythonPeer, Unavailable, has_bf16_instructions

ROOT = Path(__file__).resolve().parent.parent
DTYPES = ("f32", "bf16")


def sampling(case, rows, prompt, shared, comparisons):
    sides = [Ponder(case, dtype) for dtype in DTYPES]
    sides += [PythonPeer("HF generate", dtype, "hf_generate.py", "MODEL", dtype, "THREADS", rows, prompt, 128, int(shared))
              for dtype in DTYPES]
    sides += [LlamaCpp(dtype, rows, prompt, 128, shared, *more) for dtype in ("f32", "f16", "bf16")
              for more in ([[], ["-kvu"]] if shared else [[]])]  # one cache for all streams can pay where they share
    return sides, comparisons


def sample_case(case, rows):
    return sampling(case, rows, 64, False, [
        Comparison(BEST, "HF generate", BEST, 4),
        Comparison(BEST, "llama.cpp", BEST, 6, "decode_tokens_per_s"),
        Comparison(BEST, "llama.cpp", BEST),
        Comparison("f32", "HF generate", "f32"),
    ])


def shared_case():
    return sampling("shared-prompt-64", 64, 256, True, [
        Comparison(BEST, "llama.cpp", BEST, 4),
        Comparison(BEST, "llama.cpp", BEST, None, "decode_tokens_per_s"),
        Comparison(BEST, "HF generate", BEST),
    ])


def train_case():
    def peers(name, how, dtype):  # all rows at once, or accumulated over smaller batches
        return [PythonPeer(name, dtype, "train_step.py", "MODEL", how, dtype, "THREADS", 64, 256, batch) for batch in (64, 16)]

    sides = [Ponder("train-step", dtype) for dtype in DTYPES]
    sides += [*peers("PyTorch eager", "eager", "f32"), *peers("torch.compile", "compile", "bf16"),
              *peers("transformers", "transformers", "f32")]
    return sides, [
        Comparison("f32", "PyTorch eager", "f32", 1.25),
        Comparison("bf16", "PyTorch eager", "f32", 2),
        Comparison("bf16", "torch.compile", "bf16", 1.2),
        Comparison("f32", "transformers", "f32"),
    ]


def grpo_case():
    sides = [Ponder("grpo-step", dtype) for dtype in DTYPES]
    sides += [PythonPeer("TRL", dtype, "trl_grpo.py", "MODEL", dtype, "THREADS", 8, 8, 64, 128, batch)
              for dtype in DTYPES for batch in (64, 16)]
    return sides, [Comparison(BEST, "TRL", BEST, 3.5), Comparison("f32", "TRL", "f32", 2)]


def search_case():
    """The same beams, steps and scores; the peer does one problem, ponder 64."""
    sides = [Ponder("search-critic", dtype) for dtype in DTYPES]
    sides += [PythonPeer("HF search loop", dtype, "hf_search.py", "MODEL", dtype, "THREADS", 1, 16, 4, 8, 128, 64)
              for dtype in DTYPES]
    return sides, [Comparison(BEST, "HF search loop", BEST, 5), Comparison("f32", "HF search loop", "f32")]


PEER_CASES = {
    "sample-64": lambda: sample_case("sample-64", 64),
    "sample-256": lambda: sample_case("sample-256", 256),
    "shared-prompt-64": shared_case,
    "train-step": train_case,
    "grpo-step": grpo_case,
    "search-critic": search_case,
}


class Run:
    """One call of bench.py: where things are, what was printed."""

    def __init__(self, place, repeats, out, model=None):
        self.place, self.repeats, self.out, self.model, self.ratios = place, repeats, out, model, []

    def print(self, row):
        line = json.dumps(row)
        print(line, flush=True)
        if self.out:
            print(line, file=self.out, flush=True)

    def ratio(self, **row):
        self.ratios.append(row)
        self.print(row)

    def missing(self, case, side, why):
        self.print({"case": case, "side": side.name, "dtype": side.dtype, "missing": str(why)})

    def compare(self, case, sides, comparisons):
        """A scouting round finds who can run and which dtype is each side's best; those then take turns."""
        try:
            scouted = self.scout(case, sides)
            chosen = {id(side): side for c in comparisons for side in c.pair(scouted) if side}
            for side in sides:
                if id(side) not in chosen:
                    side.stop()
            for _ in range(self.repeats):
                for side in chosen.values():
                    side.results.append(side.observed())
            for side in chosen.values():
                self.print(self.side_row(case, side))
            for comparison in comparisons:
                self.compare_pair(case, comparison, scouted)
        finally:
            for side in sides:
                side.stop()

    def scout(self, case, sides):
        """side -> the better of two measurements, of the sides that can run here."""
        scouted = {}
        for side in sides:
            try:
                side.start(self.place)
                scouted[side] = max(side.measure(), side.measure(), key=lambda r: figure_of(r, "tokens_per_s"))
            except Unavailable as why:
                side.stop()
                self.missing(case, side, why)
        return scouted

    def compare_pair(self, case, c, scouted):
        ours, peer = c.pair(scouted)
        if not ours or not peer:
            return
        mine, theirs = (statistics.median(figure_of(r, c.figure) for r in s.results) for s in (ours, peer))
        ratio = mine / theirs
        quiet = min(statistics.median(r["core_share"] for r in s.results) for s in (ours, peer))
        counts = c.target is not None and quiet >= QUIET
        self.ratio(name=case, value=round(mine, 1), peer=peer.name, peer_value=round(theirs, 1),
                   unit="tokens/s" if c.figure == "tokens_per_s" else "tokens/s, decoding alone", ratio=round(ratio, 2),
                   model=self.place.model_name(), target=c.target, met=ratio >= c.target if counts else None, threads=self.place.threads,
                   dtype_ours=ours.dtype, dtype_peer=peer.dtype, repeats=self.repeats, core_share=round(quiet, 2))

    def side_row(self, case, side):
        row = {"case": case, "side": side.name, "dtype": side.dtype, "threads": self.place.threads,
               "repeats": len(side.results)}
        rates = [figure_of(r, "tokens_per_s") for r in side.results]
        row.update(tokens_per_s=round(statistics.median(rates), 1), min=round(min(rates), 1), max=round(max(rates), 1))
        for key in ("pass_tokens_per_s", "peak_mib", "decode_tokens_per_s", "prefill_seconds", "sample_seconds", "learn_seconds", "gflops", "gemm_gflops",
                    "gemm_share", "core_share"):
            values = [r[key] for r in side.results if key in r]
            if values:
                row[key] = round(statistics.median(values), 3)
        return row

    def limit(self, case, ours, unit, target, threads, dtype="f32"):
        """A figure of ours alone that may not be above a limit."""
        self.ratio(name=case, value=round(ours, 4), peer="limit", peer_value=None, unit=unit, ratio=None,
                   model=self.place.model_name(), target=target, met=ours <= target, threads=threads, dtype_ours=dtype,
                   dtype_peer=None, repeats=self.repeats)


def zero_case(run):
    """What a step costs that has nothing to learn: the share of its time that is not sampling."""
    side = Ponder("grpo-zero", "f32")
    side.start(run.place)
    for _ in range(run.repeats):
        side.results.append(side.observed())
    assert all(r["learned_tokens"] == 0 for r in side.results), "rows without an advantage ran through the trainer"
    run.print(run.side_row("grpo-zero", side))
    share = statistics.median(r["learn_seconds"] / r["seconds"] for r in side.results)
    run.limit("grpo-zero", share, "share of the step spent learning", 0.02, run.place.threads)


def train_large_case(run):
    """Training steps of a large model, 4 rows of 192 tokens: forward and backward, the step with its optimizer, and memory.
    Sides take turns and none is up while another one runs: three copies of such a model would not fit."""
    if not run.model:
        raise SystemExit("bench: train-large trains a real model; name it with --model FILE.gguf or a directory")
    ours = [Ponder("train-large", dtype, more=("--model", run.model)) for dtype in DTYPES]
    directory = run.place.directory_of(run.model)
    peers = [PythonPeer("transformers", dtype, "train_large.py", directory, dtype, "THREADS", 4, 192)
             for dtype in ("f32", "bf16", "pure-bf16")]
    sides = [*ours, *peers]
    if not has_bf16_instructions():  # emulated, a step of the peer takes minutes
        for side in peers[1:]:
            run.missing("train-large", side, "this processor has no bf16 instructions; f32 is every side's best type")
        sides = [*ours, peers[0]]
    for _ in range(run.repeats):
        for side in list(sides):
            try:
                side.start(run.place)
                side.results.append(side.observed())
            except Unavailable as why:
                sides.remove(side)
                run.missing("train-large", side, why)
            finally:
                side.stop()
    for side in sides:
        run.print(run.side_row("train-large", side))

    def best(name):
        measured = [s for s in sides if s.name == name and s.results]
        return max(measured, key=lambda s: statistics.median(r["pass_tokens_per_s"] for r in s.results), default=None)

    def pair(mine, theirs, target):
        if not mine or not theirs or not mine.results or not theirs.results:
            return
        for figure, unit in (("pass_tokens_per_s", "tokens/s, forward and backward"), ("tokens_per_s", "tokens/s, whole step")):
            a, b = (statistics.median(figure_of(r, figure) for r in s.results) for s in (mine, theirs))
            quiet = min(statistics.median(r["core_share"] for r in s.results) for s in (mine, theirs))
            run.ratio(name="train-large", value=round(a, 1), peer=theirs.name, peer_value=round(b, 1), unit=unit, model=run.place.model_name(),
                      ratio=round(a / b, 2), target=target, met=a / b >= target if quiet >= QUIET else None,
                      threads=run.place.threads, dtype_ours=mine.dtype, dtype_peer=theirs.dtype, repeats=run.repeats,
                      core_share=round(quiet, 2))
        a, b = (max(r["peak_mib"] for r in s.results) for s in (mine, theirs))
        run.ratio(name="train-large", value=round(a), peer=theirs.name, peer_value=round(b), unit="MiB at most", model=run.place.model_name(),
                  ratio=round(a / b, 2), target=None, met=None, threads=run.place.threads, dtype_ours=mine.dtype,
                  dtype_peer=theirs.dtype, repeats=run.repeats)

    pair(best("ponder"), best("transformers"), 1.5)
    if has_bf16_instructions():
        pair(ours[1], peers[1], 1.5)


OWN_CASES = {
    "grpo-zero": zero_case,
    "help-time": lambda run: run.limit("help-time", startup.help_time(run.place), "s", 0.1, 1),
    "first-token": lambda run: run.limit("first-token", startup.first_token(run.place), "s", 0.5, run.place.threads),
}
ONLY_WHEN_NAMED = {
    "build-clean": lambda run: run.limit("build-clean", startup.build_clean(run.place), "s", 480, os.cpu_count()),
    "build-one-file": lambda run: run.limit("build-one-file", startup.build_one_file(run.place), "s", 20, os.cpu_count()),
}


class Cases:
    """By name: of a user's model, or of the tiny one."""

    def __init__(self, model):
        self.compared = MODEL_CASES if model else PEER_CASES
        self.own = {"load": load_case} if model else OWN_CASES
        self.only_when_named = {"train-large": train_large_case} if model else ONLY_WHEN_NAMED

    def usual(self):
        return [*self.compared, *self.own]

    def all(self):
        return [*self.usual(), *self.only_when_named]

    def run(self, bench, name):
        if name in self.compared:
            bench.compare(name, *self.compared[name]())
        else:
            (self.own.get(name) or self.only_when_named[name])(bench)


def print_table(ratios):
    print(f"\n{'case':<18}{'ours':>24}{'peer':>32}{'ratio':>8}{'target':>9}")
    for r in ratios:
        ours = f"{r['value']:,} {r['dtype_ours']}"
        has_peer = r["peer_value"] is not None
        peer = f"{r['peer']} {r['peer_value']:,} {r['dtype_peer']}" if has_peer else r["unit"]
        ratio = f"{r['ratio']:.2f}" if r["ratio"] is not None else ""
        sign = "" if r["target"] is None else ("≥" if has_peer else "≤") + f" {r['target']}"
        verdict = {True: "met", False: "NOT met", None: ""}[r["met"]]
        note = f" ({r['unit'].split(', ')[-1]})" if r["unit"] != "tokens/s" and r["peer"] is not None else ""
        if r.get("core_share", 1) < QUIET:
            note += f" (does not count: {1 - r['core_share']:.0%} of the work on the cores was others')"
        print(f"{r['name']:<18}{ours:>24}{peer:>32}{ratio:>8}{sign:>9}  {verdict}{note}")


def pin(threads):
    """All sides on the same cores, as many as they have threads. Builds may still use every core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        raise SystemExit(f"bench: {threads} threads are asked for and this process may use {len(cores)} core(s)")
    os.sched_setaffinity(0, cores[:threads])
    return cores


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="measure this GGUF file; without it a tiny model with random weights")
    parser.add_argument("--models", type=Path, help="folder for the peers' copies of it, gigabytes (default: beside the peers)")
    parser.add_argument("--cases", help=f"of {', '.join(Cases(None).all())}; with --model of {', '.join(Cases(True).all())}")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one run of each side: a look, not a figure")
    parser.add_argument("--out", type=Path, help="also write the JSON lines to this file")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="folder with the ponder program")
    args = parser.parse_args()
    cases = Cases(args.model)
    args.cases = args.cases.split(",") if args.cases else cases.usual()
    for name in args.cases:
        if name not in cases.all():
            parser.error(f"no case {name}; there are {', '.join(cases.all())}")
    return args


def main():
    args = parse()
    peers = Path(os.environ.get("PONDER_BENCH_ENV") or ROOT / ".deps" / "bench")
    place = Place(args.build.resolve(), peers, args.threads, args.model, args.models)
    place.all_cores = pin(args.threads)
    out = args.out.open("w") if args.out else None
    run = Run(place, 1 if args.quick else args.repeats, out, args.model)
    run.print(startup.machine(args.threads))
    for name in args.cases:
        begin = time.monotonic()
        Cases(args.model).run(run, name)
        print(f"bench: {name} took {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print_table(run.ratios)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130)  # the sides have been ended on the way out; what was printed stands
