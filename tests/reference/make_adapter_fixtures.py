#!/usr/bin/env python3
"""Adapters as PEFT writes and computes them: tests/data/adapters/<case>/.

Each directory is what PEFT saved, and figures.json beside it: ids, logits of some positions and log-probs with the adapter,
and of one step of supervised fine-tuning the gradient of each of its tensors, in the form of make_model_fixtures.py, whose
base models and formulas are used here.

Needs torch, transformers and peft:  python tests/reference/make_adapter_fixtures.py
"""

import json
import shutil

import numpy as np
import peft
import torch

import make_model_fixtures as base

OUT = base.OUT.parent / "adapters"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CASES = {
    "gemma3": dict(r=4, lora_alpha=6, target_modules=ALL),
    "llama": dict(r=3, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], use_rslora=True),
    "qwen2": dict(r=2, lora_alpha=2, target_modules=["k_proj", "o_proj", "up_proj"]),
}


def make_case(name, options):
    model = base.make_model(base.CASES[name]())
    ids = torch.tensor([json.loads((base.OUT / f"{name}.json").read_text())["ids"]])
    config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **options)
    adapted = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for tensor, parameter in adapted.named_parameters():
            if "lora_" not in tensor:
                continue
            u = base.uniform(tensor.replace(".default", ""), parameter.numel())
            parameter.copy_(torch.from_numpy((0.3 * u).reshape(parameter.shape)))
        logits = adapted(input_ids=ids).logits
    logp = torch.log_softmax(logits[0].double(), -1)[:-1].gather(1, ids[0, 1:, None])[:, 0]
    labels = ids.clone()
    labels[:, :base.FIRST_TARGET] = -100
    loss = adapted(input_ids=ids, labels=labels).loss
    loss.backward()
    tensors = {}
    for tensor, parameter in adapted.named_parameters():
        if "lora_" not in tensor:
            assert parameter.grad is None
            continue
        tensor = tensor.replace(".default", "")
        g = parameter.grad.double().numpy().ravel()
        tensors[tensor] = {"norm": float(np.linalg.norm(g)),
                           "projections": base.numbers(float(g @ base.signs(tensor, k, g.size)) for k in range(8))}
    directory = OUT / name
    shutil.rmtree(directory, ignore_errors=True)
    adapted.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    figures = {"ids": ids[0].tolist(), "positions": base.POSITIONS, "scale": float(logits.abs().max()),
               "logits": [base.numbers(logits[0, p].detach()) for p in base.POSITIONS], "logp": base.numbers(logp.detach()),
               "first_target": base.FIRST_TARGET, "loss": loss.item(), "gradient": tensors}
    (directory / "figures.json").write_text(json.dumps(figures, separators=(",", ":")) + "\n")


for case, options in CASES.items():
    make_case(case, options)
    print(case)
