"""Peer: training steps of a large model in transformers, AdamW fused, as one trains with it.
train_large.py MODEL f32|bf16|pure-bf16 THREADS ROWS ROW_TOKENS; bf16 = f32 weights under autocast, pure-bf16 = weights and
optimizer state in bf16. Times forward and backward apart from the whole step, and tells the most memory it has held."""
import resource
import sys
import time

from protocol import serve

import torch
from transformers import AutoModelForCausalLM

directory, dtype, threads, rows, row_tokens = *sys.argv[1:3], *map(int, sys.argv[3:])
torch.set_num_threads(threads)
torch.manual_seed(1)
weights = torch.bfloat16 if dtype == "pure-bf16" else torch.float32
model = AutoModelForCausalLM.from_pretrained(directory, dtype=weights).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
ids = torch.randint(0, model.config.vocab_size, (rows, row_tokens + 1))


def measure():
    begin = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        # Predictions of row_tokens tokens a row: the last token is a target alone.
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())
    del logits
    loss.backward()
    passes = time.perf_counter() - begin
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    tokens, seconds = rows * row_tokens, time.perf_counter() - begin
    return {"tokens": tokens, "seconds": seconds, "pass_tokens_per_s": tokens / passes, "loss": loss.item(),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


serve(measure)
