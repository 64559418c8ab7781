"""Peer: sampling with Hugging Face `generate`. hf_generate.py MODEL DTYPE THREADS ROWS PROMPT_TOKENS NEW_TOKENS SHARED
[all|prefill|decode]

decode: the time of all new tokens but the first; prefill: one forward pass with the logits of the last token."""
import sys
import time

from protocol import serve

import torch
from transformers import AutoModelForCausalLM

directory, dtype, threads, rows, prompt_tokens, new_tokens, shared = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:8])
timed = sys.argv[8] if len(sys.argv) > 8 else "all"
torch.set_num_threads(threads)
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(directory, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype]).eval()
# No end token in the vocabulary: nothing has to be suppressed and every sample runs to its full length.
model.generation_config.eos_token_id = None
prompts = torch.randint(0, model.config.vocab_size, (1 if shared else rows, prompt_tokens))
options = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, pad_token_id=0, num_return_sequences=rows // len(prompts))


def generate(new):
    begin = time.perf_counter()
    out = model.generate(prompts, attention_mask=torch.ones_like(prompts), min_new_tokens=new, max_new_tokens=new, **options)
    assert out.shape == (rows, prompt_tokens + new)
    return time.perf_counter() - begin


def prefill():
    begin = time.perf_counter()
    model(prompts, logits_to_keep=1)
    return {"tokens": prompts.numel(), "seconds": time.perf_counter() - begin}


@torch.inference_mode()
def measure():
    if timed == "prefill":
        return prefill()
    if timed == "decode":
        return {"tokens": rows * (new_tokens - 1), "seconds": generate(new_tokens) - generate(1)}
    return {"tokens": rows * new_tokens, "seconds": generate(new_tokens)}


serve(measure)
