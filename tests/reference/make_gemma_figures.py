#!/usr/bin/env python3
"""What transformers computes with Gemma 3 270M, for the opt-in tests of engine/gemma_test.cc: greedy continuations of 64
tokens and perplexities, in f32.

  python tests/reference/make_gemma_figures.py MODEL GSM8K.jsonl OUT.json

MODEL is a Hugging Face directory in f32 whose weights are those of the GGUF file, dequantized (from_pretrained with
gguf_file). The tests then run with PONDER_TEST_GEMMA naming the GGUF file or a directory, and PONDER_TEST_GEMMA_FIGURES
naming OUT.json.
"""

import json
import sys

import torch
import transformers

PROMPTS = [
    "The capital of France is", "Once upon a time, in a small village by the sea,", "def fibonacci(n):\n",
    "Water boils at", "The three primary colours are", "Question: What is 17 + 25?\nAnswer:",
    "In 1969, the first humans", "A recipe for pancakes:\n1.", "The opposite of hot is", "Dear Sir or Madam,\n\n",
    "#include <stdio.h>\n\nint main() {", "Photosynthesis is the process by which", "Der Hund läuft",
    "Shakespeare wrote", "The quick brown fox", "1, 1, 2, 3, 5, 8,", "To be, or not to be,",
    "The mitochondria is", "My favourite book is", "SELECT name FROM users WHERE",
]
NEW, TEXTS, MOST_TOKENS = 64, 40, 256


def main(model_dir, gsm8k, out):
    torch.set_num_threads(2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    bos = model.config.bos_token_id

    def encode(text):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return [bos, *ids]

    prompts = [encode(p) for p in PROMPTS]
    longest = max(map(len, prompts))
    padded = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    result = model.generate(input_ids=padded, attention_mask=mask, max_new_tokens=NEW, min_new_tokens=NEW,
                            do_sample=False, output_logits=True, return_dict_in_generate=True)
    # min_new_tokens forbids the end token; without that the logits say what would have come.
    logits = torch.stack(result.logits, 1)
    best = logits.argmax(-1)
    top = logits.topk(2, -1).values
    greedy = []
    for row, prompt in enumerate(prompts):
        taken = result.sequences[row, longest:].tolist()
        ends = [t for t in range(NEW) if best[row, t].item() != taken[t]]
        n = ends[0] if ends else NEW
        greedy.append({"prompt": prompt, "tokens": taken[:n] + ([best[row, n].item()] if ends else []),
                       "margins": [round(float(m), 6) for m in (top[row, :, 0] - top[row, :, 1])]})
        print(repr(PROMPTS[row]), "->", repr(tokenizer.decode(taken[:n])[:70]), flush=True)
    texts = []
    with open(gsm8k) as file:
        for line in list(file)[:TEXTS]:
            row = json.loads(line)
            ids = encode(row["question"] + "\n" + row["answer"])[:MOST_TOKENS]
            with torch.no_grad():
                logp = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
            texts.append({"tokens": ids, "logp": float(logp[:-1].gather(1, torch.tensor(ids[1:])[:, None]).sum())})
    n = sum(len(t["tokens"]) - 1 for t in texts)
    total = sum(t["logp"] for t in texts)
    print(n, "tokens, perplexity", float(torch.tensor(-total / n).exp()))
    with open(out, "w") as file:
        json.dump({"greedy": greedy, "texts": texts, "tokens": n, "logp": total}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
