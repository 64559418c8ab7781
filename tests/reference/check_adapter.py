#!/usr/bin/env python3
"""Logits of a base with an adapter: ponder's beside PEFT's, and beside ponder's own of the merged weights.

Needs torch, transformers and peft:  python tests/reference/check_adapter.py build/ponder BASE_DIR ADAPTER_DIR [IDS]
"""

import pathlib
import subprocess
import sys
import tempfile

import peft
import torch
import transformers
from safetensors.torch import load_file

ponder, base, adapter = sys.argv[1:4]
ids = [int(i) for i in (sys.argv[4] if len(sys.argv) > 4 else "5,9,11,30,2,17,40,8").split(",")]
model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
adapted = peft.PeftModel.from_pretrained(model, adapter).eval()
with torch.no_grad():
    expected = adapted(input_ids=torch.tensor([ids])).logits[0]
with tempfile.TemporaryDirectory() as folder:
    def logits(*more):
        out = pathlib.Path(folder) / "logits.safetensors"
        subprocess.run([ponder, "logits", *more, "--tokens", ",".join(map(str, ids)), "--out", out], check=True)
        return load_file(out)["logits"]

    beside = logits("--model", base, "--adapter", adapter)
    merged = pathlib.Path(folder) / "merged"
    subprocess.run([ponder, "convert", "--from", base, "--adapter", adapter, "--to", merged], check=True)
    scale = expected.abs().max()
    for name, found in (("adapter", beside), ("merged", logits("--model", merged)), ("base alone", logits("--model", base))):
        print(f"{name}: largest difference {(found - expected).abs().max() / scale:.2e} of the largest logit")
    assert (beside - expected).abs().max() < 1e-4 * scale, "the adapter's logits are not PEFT's"
