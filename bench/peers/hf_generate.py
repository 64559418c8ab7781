"""Peer: sampling with Hugging Face `generate`. hf_generate.py MODEL DTYPE THREADS ROWS PROMPT_TOKENS NEW_TOKENS SHARED"""
import sys
import time

from protocol import serve

import torch
from transformers import AutoModelForCausalLM

directory, dtype, threads, rows, prompt_tokens, new_tokens, shared = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(directory, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype]).eval()
# No end token in the vocabulary: nothing has to be suppressed and every sample runs to its full length.
model.generation_config.eos_token_id = None
prompts = torch.randint(0, model.config.vocab_size, (1 if shared else rows, prompt_tokens))
options = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, min_new_tokens=new_tokens, max_new_tokens=new_tokens,
               pad_token_id=0, num_return_sequences=rows // len(prompts))


def measure():
    begin = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(prompts, attention_mask=torch.ones_like(prompts), **options)
    seconds = time.perf_counter() - begin
    assert out.shape == (rows, prompt_tokens + new_tokens)
    return {"tokens": rows * new_tokens, "seconds": seconds}


serve(measure)
