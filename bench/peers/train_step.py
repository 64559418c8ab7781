"""Peer: one training step in PyTorch with fused AdamW and clipping.
train_step.py MODEL eager|compile|transformers f32|bf16 THREADS ROWS ROW_TOKENS BATCH; bf16 = autocast, as one trains with
it; gradients of batches of BATCH rows are accumulated"""
import sys
import time

from protocol import serve

import torch
from transformers import AutoModelForCausalLM

import plain_llama

directory, how, dtype, threads, rows, row_tokens, batch = *sys.argv[1:4], *map(int, sys.argv[4:])
torch.set_num_threads(threads)
torch.manual_seed(1)
if how == "transformers":
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).train()
    loss_of = lambda ids: model(input_ids=ids[:, :-1], labels=ids[:, :-1], use_cache=False).loss
else:
    model = plain_llama.load(directory)
    loss = torch.compile(model.loss) if how == "compile" else model.loss
    loss_of = lambda ids: loss(ids[:, :-1], ids[:, 1:])
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
ids = torch.randint(0, 128, (rows, row_tokens + 1))  # predictions of row_tokens tokens a row


def measure():
    begin = time.perf_counter()
    for first in range(0, rows, batch):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            value = loss_of(ids[first:first + batch]) * (batch / rows)
        value.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value.item()
    return {"tokens": rows * row_tokens, "seconds": time.perf_counter() - begin}


measure()  # serve() warms up once more: torch.compile compiles in the first step and settles in the second
serve(measure)
