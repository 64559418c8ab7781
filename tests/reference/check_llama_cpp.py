#!/usr/bin/env python3
"""Does llama.cpp load what ponder exports, and answer the same?

    check_llama_cpp.py --ponder build/ponder --llama .deps/bench/llama/llama_follow [--model FILE.gguf] [--work DIR]

Exports a model in F32, F16, BF16 and Q8_0, lets ponder continue prompts greedily from each file, and llama.cpp follow the
same tokens (bench/peers/llama_follow.cc, which `make bench-peers` builds). At each place llama.cpp's likeliest token must be
ponder's, or the two must be so close that llama.cpp's own rounding decides: it rounds the inputs of products (to f16, bf16 or
8 bits, as the weights are) and keeps keys and values in f16. Without --model: a small Llama (ponder's own) and, where
transformers is installed, a small Qwen2 and Gemma 3 with random weights. Prints a JSON line a file; exit status 1 when one
does not agree."""
import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

# Highest difference of two logits that counts as a tie, in standard deviations of a place's logits: what rounding the
# inputs of products to this type moves logits by. In the random Qwen2 below, rounding them to bf16 moves a place's logits
# by up to 0.23 in transformers itself (median 0.05).
TIES = {"f32": 0.005, "f16": 0.005, "bf16": 0.23, "q8_0": 0.23}
KEPT = {"q8_0": "q8_0"}  # with which ponder rounds inputs as llama.cpp does
NEW = 32


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def tiny_models(ponder, work):
    llama = work / "llama"
    run(ponder, "bench", "--save-model", llama)
    yield llama
    try:
        import torch
        from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen2Config, Qwen2ForCausalLM
    except ImportError:
        print("transformers is not installed: only the small Llama is checked", file=sys.stderr)
        return
    torch.manual_seed(5)
    shape = dict(vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
                 num_key_value_heads=2, head_dim=16, max_position_embeddings=512, initializer_range=0.3, bos_token_id=1,
                 eos_token_id=2)
    gemma = dict(shape, num_hidden_layers=6, sliding_window=16, query_pre_attn_scalar=16)
    for model in (Qwen2ForCausalLM(Qwen2Config(**shape)), Gemma3ForCausalLM(Gemma3TextConfig(**gemma))):
        directory = work / model.config.model_type
        model.save_pretrained(directory)
        yield directory


def check(ponder, llama, model, dtype, work, prompts):
    file = work / f"{model.stem}-{dtype}.gguf"
    run(ponder, "convert", "--from", model, "--to", file, "--dtype", dtype)
    lines = []
    for prompt in prompts:
        answer = json.loads(run(ponder, "generate", "--json", "--model", file, "--tokens", ",".join(map(str, prompt)),
                                "--temperature", 0, "--max-tokens", NEW, "--weights", KEPT.get(dtype, "auto"),
                                stderr=subprocess.DEVNULL).splitlines()[-1])
        lines.append(" ".join(map(str, prompt)) + " | " + " ".join(map(str, answer["tokens"])))
    head, *followed = map(json.loads, run(llama, file, 2, input="\n".join(lines) + "\n").splitlines())
    gaps = [gap for row in followed for gap in row["gap"]]
    row = {"model": model.name, "dtype": dtype, "prompts": len(prompts), "tokens": len(gaps),
           "whole_answers_equal": sum(not any(row["gap"]) for row in followed), "other_tokens": sum(g > 0 for g in gaps),
           "largest_gap": max(gaps), "llama_load_seconds": head["load_seconds"]}
    row["agrees"] = len(followed) == len(prompts) and len(gaps) > 0 and row["largest_gap"] <= TIES[dtype]
    print(json.dumps(row), flush=True)
    file.unlink()
    return row["agrees"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ponder", type=Path, default="build/ponder")
    parser.add_argument("--llama", type=Path, default=".deps/bench/llama/llama_follow")
    parser.add_argument("--model", type=Path, help="a GGUF file or directory; prompts are English sentences then")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--dtypes", default=",".join(TIES), help="which exports, with commas between them")
    parser.add_argument("--work", type=Path, help="folder for the exports, 2 GB for Gemma 3 270M")
    args = parser.parse_args()
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        work, fine = Path(work), True
        rng = random.Random(3)
        for model in [args.model] if args.model else tiny_models(args.ponder, work):
            if args.model:
                prompts = [json.loads(run(args.ponder, "tokenize", "--json", "--model", model, "--text", text))["ids"]
                           for text in SENTENCES[:args.prompts]]
            else:
                prompts = [[rng.randrange(3, 128) for _ in range(rng.randrange(2, 40))] for _ in range(args.prompts)]
            for dtype in args.dtypes.split(","):
                fine = check(args.ponder, args.llama, model, dtype, work, prompts) and fine
    raise SystemExit(0 if fine else 1)


SENTENCES = [
    "The capital of France is", "Once upon a time, in a small village by the sea,", "def fibonacci(n):\n    ",
    "Water boils at a temperature of", "The three primary colours are", "Die Hauptstadt von Deutschland heißt",
    "Question: Tom has 3 apples and buys 4 more. How many apples does he have?\nAnswer:",
    "In 1969, the first humans landed on the", "1, 2, 4, 8, 16,", "The opposite of hot is",
]

if __name__ == "__main__":
    main()
