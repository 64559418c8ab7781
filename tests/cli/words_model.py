"""A model of words that says what a test wants: one layer that adds nothing, so that each token is followed by the one
that the head's row for it points at. Its tokenizer is a byte-level one of tests/data."""
import json
import math
import random
import struct
from pathlib import Path

WIDTH = 64


def write(folder, repository, chain, end, tokenizer="qwen2", chat_template=None, context=2048, noise=0):
    """chain: {token id: the id behind it, or several, each as likely}; what follows on other tokens is left to chance. noise: standard deviation of
    the layer's and the head's weights, without which nothing can learn."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = json.loads((Path(repository) / f"tests/data/tokenizers/{tokenizer}.json").read_text(encoding="utf-8"))
    vocabulary = data["tokenizer"]["model"]["vocab"]
    size = max([*vocabulary.values(), *(t["id"] for t in data["tokenizer"]["added_tokens"])]) + 1
    (folder / "tokenizer.json").write_text(json.dumps(data["tokenizer"]), encoding="utf-8")
    config = {} if chat_template is None else {"chat_template": chat_template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 16, "vocab_size": size,
        "max_position_embeddings": context, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "hidden_act": "silu", "eos_token_id": end, "bos_token_id": None, "torch_dtype": "float32"}))
    generator = random.Random(1)
    rows = []
    for _ in range(size):
        row = [generator.gauss(0, 1) for _ in range(WIDTH)]
        norm = math.sqrt(sum(x * x for x in row) / WIDTH)
        rows.append([x / norm for x in row])
    head = [[noise and generator.gauss(0, noise) for _ in range(WIDTH)] for _ in range(size)]
    for token, following in {end: end, **chain}.items():
        for behind in following if isinstance(following, list) else [following]:
            head[behind] = [x + y / 2 for x, y in zip(head[behind], rows[token])]
    tensors = {"model.embed_tokens.weight": rows, "lm_head.weight": head, "model.norm.weight": [1.0] * WIDTH}
    layer = "model.layers.0."
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[layer + name + ".weight"] = [1.0] * WIDTH
    for name, (out, inner) in {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH, WIDTH),
                               "self_attn.v_proj": (WIDTH, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
                               "mlp.gate_proj": (16, WIDTH), "mlp.up_proj": (16, WIDTH),
                               "mlp.down_proj": (WIDTH, 16)}.items():
        tensors[layer + name + ".weight"] = [[noise and generator.gauss(0, noise) for _ in range(inner)] for _ in range(out)]
    header, body = {}, b""
    for name, value in tensors.items():
        flat = [x for row in value for x in row] if isinstance(value[0], list) else value
        shape = [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]
        packed = struct.pack(f"<{len(flat)}f", *flat)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(packed)]}
        body += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    return folder
