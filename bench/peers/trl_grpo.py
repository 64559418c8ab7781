"""Peer: a GRPO step with TRL's GRPOTrainer. trl_grpo.py MODEL f32|bf16 THREADS PROMPTS SAMPLES PROMPT_TOKENS NEW_TOKENS BATCH

The gradients of batches of BATCH rows are accumulated. Random rewards, random prompts, no KL term and no gradient checkpointing (TRL's default, slower)."""
import random
import sys
import tempfile
import time

from protocol import asked, say

import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

directory, dtype, threads, prompts, samples, prompt_tokens, new_tokens, batch = *sys.argv[1:3], *map(int, sys.argv[3:])
torch.set_num_threads(threads)
random.seed(1)
# TRL wants both; a special token must not be the beginning of another word, or it would be cut out of that.
tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left", pad_token="w126", eos_token="w127")
words = lambda: " ".join(f"w{random.randrange(126)}" for _ in range(prompt_tokens))
dataset = Dataset.from_list([{"prompt": words()} for _ in range(64 * prompts)])
assert all(len(tokenizer(row["prompt"])["input_ids"]) == prompt_tokens for row in dataset)


def reward(completions, completion_ids, **kwargs):
    assert all(len(ids) == new_tokens for ids in completion_ids)
    return [random.random() for _ in completions]


class Timer(TrainerCallback):
    """The first step warms up; each one behind it waits to be asked for and reports its time."""
    steps = 0

    def on_step_begin(self, args, state, control, **kwargs):
        if self.steps > 0 and not asked():
            raise KeyboardInterrupt
        self.begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        seconds = time.perf_counter() - self.begin
        self.steps += 1
        say({"ready": True} if self.steps == 1 else {"tokens": prompts * samples * new_tokens, "seconds": seconds})


with tempfile.TemporaryDirectory() as out:
    config = GRPOConfig(output_dir=out, use_cpu=True, bf16=dtype == "bf16", gradient_checkpointing=False, max_steps=100000,
                        per_device_train_batch_size=batch, gradient_accumulation_steps=prompts * samples // batch,
                        num_generations=samples,
                        max_completion_length=new_tokens, temperature=1.0, top_k=0, beta=0.0, learning_rate=1e-5,
                        max_grad_norm=1.0, logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True,
                        model_init_kwargs={"dtype": "float32"}, generation_kwargs={"suppress_tokens": [tokenizer.eos_token_id]})
    trainer = GRPOTrainer(model=directory, reward_funcs=reward, args=config, train_dataset=dataset,
                          processing_class=tokenizer, callbacks=[Timer()])
    try:
        trainer.train()
    except KeyboardInterrupt:
        pass
