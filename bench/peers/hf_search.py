"""Peer: step-level beam search as search-and-learn's loop does it, over Hugging Face `generate`. hf_search.py MODEL DTYPE
THREADS PROBLEMS BEAMS WIDTH STEP_TOKENS MAX_TOKENS PROMPT_TOKENS

At each level every kept beam is drawn WIDTH times, one step further, behind its whole text, which is read anew; then a reward
model of the same size (here the same model, whose last hidden state is projected) reads each of these texts from its
beginning, and the best BEAMS / WIDTH are kept. One problem after the other, all beams of a problem in one batch."""
import sys
import time

from protocol import serve

import torch
from transformers import AutoModelForCausalLM

directory, dtype = sys.argv[1], sys.argv[2]
threads, problems, beams, width, step, most, prompt_tokens = map(int, sys.argv[3:10])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(directory, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype]).eval()
model.generation_config.eos_token_id = None
value = torch.randn(model.config.hidden_size, dtype=model.dtype)
options = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, pad_token_id=0, min_new_tokens=step, max_new_tokens=step)


def score(texts):
    hidden = model.model(texts, use_cache=False).last_hidden_state[:, -1]
    return torch.sigmoid((hidden @ value).float())


def solve(prompt):
    kept = prompt.repeat(beams // width, 1)
    for _ in range(most // step):
        drawn = kept.repeat_interleave(width, 0)
        texts = model.generate(drawn, attention_mask=torch.ones_like(drawn), **options)
        best = score(texts).topk(beams // width).indices
        kept = texts[best]
    return most // step * beams * step  # tokens written


@torch.inference_mode()
def measure():
    begin = time.perf_counter()
    tokens = sum(solve(torch.randint(0, model.config.vocab_size, (1, prompt_tokens))) for _ in range(problems))
    return {"tokens": tokens, "seconds": time.perf_counter() - begin}


serve(measure)
