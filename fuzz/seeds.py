#!/usr/bin/env python3
"""Writes what each fuzz target starts from: small right inputs, one file each.
    fuzz/seeds.py FOLDER        FOLDER/TARGET/NAME
"""
import json
import pathlib
import struct
import sys

from tokenizer_seeds import tokenizer_seeds


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text


def gguf(version, pairs, tensors, data):
    out = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(pairs))
    for key, kind, value in pairs:
        out += gguf_string(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        out += gguf_string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        out += struct.pack("<IQ", kind, offset)
    return out + bytes(-len(out) % 32) + data


def gguf_list(item, count, items):
    return struct.pack("<IQ", item, count) + items


def gguf_seeds():
    formats = ["B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d"]
    scalars = [(b"v%d" % kind, kind, struct.pack("<" + f, 1)) for kind, f in enumerate(formats) if f]
    strings = (b"tokens", 9, gguf_list(8, 2, gguf_string(b"<s>") + gguf_string(b"a")))
    nested = (b"n", 9, gguf_list(9, 1, gguf_list(4, 1, bytes(4))))
    yield "scalars", gguf(3, scalars + [(b"s", 8, gguf_string(b"text"))], [], b"")
    yield "lists", gguf(3, [strings, nested, (b"f", 9, gguf_list(6, 2, bytes(8)))], [], b"")
    yield "split", gguf(3, [(b"split.count", 2, b"\2\0"), (b"general.alignment", 4, b"\x40\0\0\0")], [], b"")
    sizes = {0: (1, 4), 1: (1, 2), 30: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
             12: (256, 144), 13: (256, 176), 14: (256, 210)}
    for kind, (weights, size) in sizes.items():
        yield f"type{kind}", gguf(2, [], [(b"w", [weights, 2], kind, 0)], bytes(range(size % 256)) * 2 + bytes(size))
    yield "two", gguf(3, [strings], [(b"a", [2], 0, 0), (b"b", [1, 1, 1, 1], 0, 32)], bytes(36))


def gguf_text(key, text):
    return (key, 8, gguf_string(text))


def gguf_count(key, number):
    return (key, 4, struct.pack("<I", number))


def gguf_real(key, number):
    return (key, 6, struct.pack("<f", number))


def gguf_strings(key, texts):
    return (key, 9, gguf_list(8, len(texts), b"".join(map(gguf_string, texts))))


def gguf_model_seeds():
    """Configurations of all architectures, and vocabularies of both kinds; nothing of weights but what is looked at."""
    specials = [b"<unk>", b"<s>", b"</s>", b"<|im_end|>"]
    ids = [gguf_count(b"tokenizer.ggml.%s_token_id" % name, i)
           for i, name in enumerate((b"unknown", b"bos", b"eos", b"padding"))]
    flags = [(b"tokenizer.ggml.add_%s" % name, 7, b"\1") for name in (b"bos_token", b"eos_token", b"space_prefix")]

    def vocabulary(model, tokens, types, *more):
        kinds = gguf_list(5, len(types), struct.pack(f"<{len(types)}i", *types))
        return [gguf_text(b"tokenizer.ggml.model", model), gguf_strings(b"tokenizer.ggml.tokens", tokens),
                (b"tokenizer.ggml.token_type", 9, kinds), *more, *ids, *flags]

    pieces = specials + ["\u2581".encode(), b"a", b"b", b"ab", "\u2581ab".encode(), b"<0x0A>", b"  "]
    scores = struct.pack(f"<{len(pieces)}f", *(-i for i in range(len(pieces))))
    llama = vocabulary(b"llama", pieces, [2, 3, 3, 3, 1, 1, 1, 1, 1, 6, 4],
                       (b"tokenizer.ggml.scores", 9, gguf_list(6, len(pieces), scores)))
    letters = specials + ["\u0120".encode(), b"a", b"b", b"ab", "\u0120a".encode(), b"1", "\u010a".encode()]
    gpt2 = {pre: vocabulary(b"gpt2", letters, [3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1], gguf_text(b"tokenizer.ggml.pre", pre),
                            gguf_strings(b"tokenizer.ggml.merges", [b"a b", "\u0120 a".encode()]))
            for pre in (b"llama-bpe", b"qwen2", b"default", b"tekken")}

    def decoder(name, *more):
        counts = [(b"context_length", 128), (b"embedding_length", 64), (b"block_count", 2), (b"feed_forward_length", 96),
                  (b"attention.head_count", 4), (b"attention.head_count_kv", 2), (b"attention.key_length", 16)]
        return [gguf_text(b"general.architecture", name), *(gguf_count(name + b"." + key, n) for key, n in counts),
                gguf_real(name + b".attention.layer_norm_rms_epsilon", 1e-5),
                gguf_real(name + b".rope.freq_base", 5e5), *more]

    def scaled(name, kind):
        prefix = name + b".rope.scaling."
        return decoder(name, gguf_text(prefix + b"type", kind), gguf_real(prefix + b"factor", 4),
                       gguf_real(prefix + b"attn_factor", 1), gguf_count(prefix + b"original_context_length", 32))

    window = b"attention.sliding_window"
    yield "llama", gguf(3, decoder(b"llama") + llama, [], b"")
    yield "mistral", gguf(3, decoder(b"llama", gguf_count(b"llama." + window, 8)) + gpt2[b"tekken"], [], b"")
    yield "qwen2", gguf(3, scaled(b"qwen2", b"yarn") + gpt2[b"qwen2"], [], b"")
    yield "qwen3", gguf(3, scaled(b"qwen3", b"linear") + gpt2[b"default"], [], b"")
    gemma = decoder(b"gemma3", gguf_count(b"gemma3." + window, 8), gguf_count(b"gemma3." + window + b"_pattern", 2),
                    gguf_real(b"gemma3.rope.freq_base_swa", 1e4))
    yield "gemma3", gguf(3, gemma + llama, [], b"")
    for name, divisors in (("llama3", (1, 1, 2, 8, 8, 8, 8, 8)), ("divisors", (1, 3, 2, 5, 1, 1, 7, 4))):
        yield name, gguf(3, decoder(b"llama") + gpt2[b"llama-bpe"], [(b"rope_freqs.weight", [8], 0, 0)],
                         struct.pack("<8f", *divisors))


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors_seeds():
    f32 = {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}
    u8 = {"dtype": "U8", "shape": [], "data_offsets": [8, 9]}
    yield "empty", safetensors({}, b"")
    yield "one", safetensors({"a": f32}, bytes(8))
    yield "two", safetensors({"__metadata__": {"format": "pt"}, "a": f32, "b": u8}, bytes(9))
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    yield "index", json.dumps({"metadata": {"total_size": 9}, "weight_map": weight_map}).encode()


def chat_template_seeds():
    data = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "chat_templates"
    for path in sorted(data.glob("*.jinja")):
        yield path.stem, path.read_bytes()
    for number, chat in enumerate(json.loads((data / "conversations.json").read_text())):
        yield f"chat{number}", b"{{ messages }}{{ tools }}\0" + json.dumps(chat).encode()


def config_seeds():
    data = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "models"
    generation = b'\0{"eos_token_id": [1, 2], "bos_token_id": 0, "pad_token_id": 3}'
    for path in sorted(data.glob("*.json")):
        fixture = json.loads(path.read_text())
        yield path.stem, json.dumps(fixture["config"]).encode() + generation
        yield path.stem + "-old", json.dumps(fixture["old_config"]).encode()


SEEDS = {
    "chat_template": chat_template_seeds,
    "config": config_seeds,
    "gguf": gguf_seeds,
    "gguf_model": gguf_model_seeds,
    "safetensors": safetensors_seeds,
    "tokenizer": tokenizer_seeds,
}

for target, seeds in SEEDS.items():
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds():
        (folder / name).write_bytes(content)
