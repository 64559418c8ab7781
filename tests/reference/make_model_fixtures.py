#!/usr/bin/env python3
"""Figures of tiny models of every family, computed by transformers: tests/data/models/<case>.json.

Weights are not stored: both sides make them from the same formula of a tensor's name (see `weight`, and
src/ponder/model/test_families.h). A file holds the configuration in the spelling of transformers 5 and of 4, token ids,
log-probs of all tokens, logits of some positions, how far the same model in bf16 is from them, and the gradient of one
step of supervised fine-tuning: of each tensor its length, eight projections onto vectors of signs, and eight numbers.

Needs torch and transformers:  python tests/reference/make_model_fixtures.py
"""

import json
import pathlib

import numpy as np
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "models"
TOKENS, FIRST_TARGET, POSITIONS = 40, 12, [0, 1, 7, 20, 38, 39]
MASK = (1 << 64) - 1


def name_hash(name: str) -> int:  # FNV-1a
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def bits(name: str, n: int) -> np.ndarray:  # splitmix64 of consecutive states
    with np.errstate(over="ignore"):
        z = np.uint64(name_hash(name)) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, n: int) -> np.ndarray:  # f32 in [-1, 1)
    return ((bits(name, n) >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def weight(name: str, shape, norm_offset: float) -> torch.Tensor:
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("norm.weight"):
        values = np.float32(1 - norm_offset) + np.float32(0.25) * u
    elif name.endswith(".bias"):
        values = np.float32(0.5) * u
    elif name == "model.embed_tokens.weight":
        values = u
    else:
        values = np.float32(1.5 / np.sqrt(shape[-1])) * u
    return torch.from_numpy(values.reshape(shape))


def signs(name: str, k: int, n: int) -> np.ndarray:
    return 1.0 - 2.0 * (bits(f"{name}#{k}", n) >> np.uint64(63)).astype(np.float64)


SIZES = dict(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             head_dim=16, intermediate_size=48, max_position_embeddings=128, bos_token_id=1, eos_token_id=[2, 3],
             pad_token_id=0)
LINEAR = dict(rope_type="linear", factor=4.0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)


def llama(**more):
    return transformers.LlamaConfig(**{**SIZES, **more})


def rope(theta, **scaling):
    return {"rope_theta": theta, **(scaling or {"rope_type": "default"})}


def gemma(full=None, **more):
    ropes = {"full_attention": rope(1e6, **(full or {})), "sliding_attention": rope(1e4)}
    sizes = {**SIZES, "num_hidden_layers": 3, "num_key_value_heads": 1, "query_pre_attn_scalar": 24,
             "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
    return transformers.Gemma3TextConfig(**{**sizes, "rope_parameters": ropes, **more})


def upper_windows(**more):
    return dict(use_sliding_window=True, sliding_window=5, max_window_layers=1, **more)


CASES = {
    "llama": lambda: llama(tie_word_embeddings=False, rms_norm_eps=1e-5, rope_parameters=rope(5e5)),
    "llama-wide-heads": lambda: llama(num_key_value_heads=1, head_dim=32, tie_word_embeddings=True),
    "llama-linear": lambda: llama(rope_parameters=rope(1e4, **LINEAR)),
    "llama-llama3": lambda: llama(rope_parameters=rope(5e5, **LLAMA3)),
    "llama-yarn": lambda: llama(rope_parameters=rope(1e4, **YARN)),
    "mistral": lambda: transformers.MistralConfig(**SIZES, sliding_window=5, rope_parameters=rope(1e4)),
    "mistral-full": lambda: transformers.MistralConfig(**SIZES, sliding_window=None, rope_parameters=rope(1e6)),
    "qwen2": lambda: transformers.Qwen2Config(**{k: v for k, v in SIZES.items() if k != "head_dim"}
                                              | {"hidden_size": 64}, rope_parameters=rope(1e6),
                                              tie_word_embeddings=True),
    "qwen2-windows": lambda: transformers.Qwen2Config(**{k: v for k, v in SIZES.items() if k != "head_dim"}
                                                      | {"hidden_size": 64}, **upper_windows(),
                                                      rope_parameters=rope(1e4, **YARN)),
    "qwen3": lambda: transformers.Qwen3Config(**SIZES, rope_parameters=rope(1e6), tie_word_embeddings=True),
    "qwen3-windows": lambda: transformers.Qwen3Config(**SIZES, **upper_windows(), rope_parameters=rope(1e6)),
    "gemma3": lambda: gemma(),
    "gemma3-linear": lambda: gemma(full=dict(rope_type="linear", factor=8.0), head_dim=32),
}


def old_spelling(config: dict) -> dict:
    """As transformers 4 writes it."""
    old = dict(config)
    ropes = old.pop("rope_parameters")
    if old["model_type"] == "gemma3_text":
        old["rope_local_base_freq"] = ropes["sliding_attention"]["rope_theta"]
        ropes = ropes["full_attention"]
    scaling = {k: v for k, v in ropes.items() if k != "rope_theta"}
    old["rope_theta"] = ropes["rope_theta"]
    old["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
    if "dtype" in old:
        old["torch_dtype"] = old.pop("dtype")
    return old


def make_model(config):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    offset = 1.0 if config.model_type == "gemma3_text" else 0.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape), offset))
    model.tie_weights()
    return model


def check_padding(model, ids, logits):
    pad = 5
    padded = torch.cat([torch.zeros((1, pad), dtype=torch.long), ids], 1)
    mask = torch.cat([torch.zeros((1, pad), dtype=torch.long), torch.ones_like(ids)], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        shifted = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[:, pad:]
    assert (shifted - logits).abs().max() < 1e-4 * logits.abs().max(), "padding changes the reference"


def numbers(values):
    return [float(f"{float(v):.9g}") for v in values]


def gradient(model, ids):
    labels = ids.clone()
    labels[:, :FIRST_TARGET] = -100
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    tensors = {}
    for name, parameter in model.named_parameters():
        g = parameter.grad.double().numpy().ravel()
        samples = [int(b % np.uint64(g.size)) for b in bits(name + "#samples", 8)]
        tensors[name] = {"norm": float(np.linalg.norm(g)),
                         "projections": numbers(float(g @ signs(name, k, g.size)) for k in range(8)),
                         "samples": numbers(g[samples])}
    return loss.item(), tensors


def make_case(name, config):
    model = make_model(config)
    # Without the padding's id 0: transformers keeps its row of the embedding out of gradients.
    ids = 1 + (bits("ids of " + name, TOKENS) % np.uint64(config.vocab_size - 1)).astype(np.int64)
    ids = torch.from_numpy(ids)[None]
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        check_padding(model, ids, logits)
    logp = torch.log_softmax(logits[0].double(), -1)[:-1].gather(1, ids[0, 1:, None])[:, 0]
    loss, tensors = gradient(model, ids)
    half = make_model(config).to(torch.bfloat16)
    with torch.no_grad():
        error = (half(input_ids=ids).logits.float() - logits)[0]
    saved = config.to_dict()
    saved["architectures"] = [type(model).__name__]
    saved = json.loads(json.dumps(saved, default=str))
    return {"config": saved, "old_config": old_spelling(saved), "ids": ids[0].tolist(), "positions": POSITIONS,
            "logits": [numbers(logits[0, p]) for p in POSITIONS], "scale": float(logits.abs().max()),
            "logp": numbers(logp), "bf16_error": {"rms": float(error.square().mean().sqrt()),
                                                  "max": float(error.abs().max())},
            "first_target": FIRST_TARGET, "loss": loss, "gradient": tensors}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, config in CASES.items():
        (OUT / f"{name}.json").write_text(json.dumps(make_case(name, config()), separators=(",", ":")) + "\n")
        print(name)


if __name__ == "__main__":
    main()
