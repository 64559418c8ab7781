"""A Llama in plain PyTorch, written the way one writes it for speed: fused qkv and gate/up products, PyTorch's own fused
attention and RMSNorm. The eager and torch.compile peers of `make bench` train it; it reads the weights that ponder wrote."""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Layer(nn.Module):
    def __init__(self, width, heads, ffn, eps):
        super().__init__()
        self.heads, self.eps = heads, eps
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)

    def forward(self, x, cos, sin):
        rows, length, width = x.shape
        q, k, v = self.qkv(F.rms_norm(x, (width,), self.attn_norm, self.eps)).view(
            rows, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(rows, length, width))
        gate, up = self.gate_up(F.rms_norm(x, (width,), self.ffn_norm, self.eps)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, heads = config["hidden_size"], config["num_attention_heads"]
        self.eps = config["rms_norm_eps"]
        self.embedding = nn.Embedding(config["vocab_size"], width)
        self.layers = nn.ModuleList(
            Layer(width, heads, config["intermediate_size"], self.eps) for _ in range(config["num_hidden_layers"]))
        self.norm = nn.Parameter(torch.ones(width))
        half = width // heads // 2
        angles = torch.outer(torch.arange(config["max_position_embeddings"]),
                             config["rope_theta"]**(-torch.arange(half) / half))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids):
        x = self.embedding(ids)
        cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(F.rms_norm(x, (x.shape[-1],), self.norm, self.eps), self.embedding.weight)

    def loss(self, ids, targets):
        return F.cross_entropy(self(ids).flatten(0, 1).float(), targets.flatten())


def load(directory):
    """The model in a Hugging Face directory; heads and key/value heads must be as many."""
    config = json.loads((Path(directory) / "config.json").read_text())
    assert config["num_key_value_heads"] == config["num_attention_heads"] and config["tie_word_embeddings"]
    model, tensors = Llama(config), load_file(Path(directory) / "model.safetensors")
    state = {"embedding.weight": tensors["model.embed_tokens.weight"], "norm": tensors["model.norm.weight"],
             "cos": model.cos, "sin": model.sin}
    for i in range(config["num_hidden_layers"]):
        theirs, ours = f"model.layers.{i}.", f"layers.{i}."
        joined = lambda *names: torch.cat([tensors[f"{theirs}{name}.weight"] for name in names])
        state[ours + "attn_norm"] = tensors[theirs + "input_layernorm.weight"]
        state[ours + "ffn_norm"] = tensors[theirs + "post_attention_layernorm.weight"]
        state[ours + "qkv.weight"] = joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
        state[ours + "out.weight"] = joined("self_attn.o_proj")
        state[ours + "gate_up.weight"] = joined("mlp.gate_proj", "mlp.up_proj")
        state[ours + "down.weight"] = joined("mlp.down_proj")
    model.load_state_dict(state)
    return model
