"""The cases of bench.py that measure a user's model (--model): reading a prompt, decoding at several numbers of
sequences, samples of one prompt, and opening the file. All sides have the same weights; ponder's bf16 weights are
multiplied in the faster of two ways."""
import json
import statistics

from comparison import Comparison
from sides import LlamaCpp, Ponder, PythonPeer, Unavailable, has_bf16_instructions, run

PROMPT, NEW = 32, 32  # of the decode cases
BF16 = ("bf16", "bf16, f32 sums")
# The memory is what opening the file added to a program that had LibTorch loaded.
LIMITS = {"load": ("s", 2), "rss_ratio": ("times the weights", 1.2)}


def bf16_sides(case):
    return [Ponder(case, "bf16"), Ponder(case, "bf16", "f32")]


def hf(rows, prompt, new, shared, timed):
    """In bf16 only where the processor has instructions for it: emulated, a forward pass takes minutes."""
    return [PythonPeer("HF generate", dtype, "hf_generate.py", "MODEL", dtype, "THREADS", rows, prompt, new, int(shared), timed)
            for dtype in ("bf16", "f32") if dtype == "f32" or has_bf16_instructions()]


def prefill_case():
    return [*bf16_sides("prefill-512"), LlamaCpp("bf16", 1, 512, 1, False, timed="prefill"),
            *hf(1, 512, 1, False, "prefill")], [
        Comparison(BF16, "llama.cpp", "bf16", 1.5),
        Comparison(BF16, "HF generate", ("bf16", "f32")),
    ]


def decode_case(rows):
    """transformers, far behind, is measured once: at 32."""
    case = f"decode-{rows}"
    sides = [*bf16_sides(case), LlamaCpp("bf16", rows, PROMPT, NEW, False, timed="decode")]
    comparisons = [Comparison(BF16, "llama.cpp", "bf16", 1.5)]
    if rows == 32:
        sides += hf(rows, PROMPT, NEW, False, "decode")
        comparisons.append(Comparison(BF16, "HF generate", ("bf16", "f32")))
    return sides, comparisons


def decode_one_case():
    sides = [*bf16_sides("decode-1"), *[Ponder("decode-1", dtype, "f32", keep) for dtype, keep in (("q8_0", "q8_0"), ("q4_k_m", "q8_0"), ("q4_k_m", "q4_0"))],
             LlamaCpp("bf16", 1, PROMPT, 64, False, timed="decode"),
             # Without repacked weights, too: llama.cpp's products in matrix tiles can end in an illegal instruction.
             *[LlamaCpp(dtype, 1, PROMPT, 64, False, *more, timed="decode") for dtype in ("q8_0", "q4_k_m")
               for more in ([], ["--no-repack"])]]
    return sides, [
        Comparison(BF16, "llama.cpp", "bf16"),
        Comparison("q8_0, kept as q8_0", "llama.cpp", "q8_0", 1),
        Comparison("q4_k_m, kept as q4_0", "llama.cpp", "q4_k_m", 1),
        Comparison("q4_k_m, kept as q8_0", "llama.cpp", "q4_k_m"),  # of the same quality, which q4_0 is not
    ]


def shared_case():
    new, prompt = 128, 256
    sides = [*bf16_sides("shared-prompt-64"),
             *[LlamaCpp("bf16", 64, prompt, new, True, *more) for more in ([], ["-kvu"])]]
    return sides, [Comparison(BF16, "llama.cpp", "bf16", 2)]


MODEL_CASES = {
    "prefill-512": prefill_case,
    "decode-1": decode_one_case,
    **{f"decode-{rows}": lambda rows=rows: decode_case(rows) for rows in (8, 16, 32, 64)},
    "shared-prompt-64": shared_case,
}


def load_case(bench):
    """A process opens the file and leaves: the first time reads it from the disk and is left out."""
    place = bench.place
    for dtype, keep in (("bf16", "auto"), ("q8_0", "q8_0"), ("q4_k_m", "auto"), ("q4_k_m", "q8_0"), ("q4_k_m", "q4_0")):
        try:
            file = place.copy(dtype)
        except Unavailable as why:
            bench.print({"name": "load", "dtype": dtype, "missing": str(why)})
            continue
        command = [place.ponder, "bench", "load", "--json", "--model", file, "--weights", keep]
        rows = [json.loads(run(command)) for _ in range(bench.repeats + 1)][1:]
        for figure, key in (("load", "value"), ("rss_ratio", "rss_ratio")):
            unit, limit = LIMITS[figure]
            bench.limit(f"{figure} {dtype} {keep}", statistics.median(row[key] for row in rows), unit, limit, 1, dtype)
