#!/usr/bin/env python3
"""Exports what the gguf package makes of blocks and weights: tests/data/ggml_quants.st, which quant_test.cc compares
with bit for bit. Needs gguf, numpy and safetensors.
    tests/reference/export_quants.py OUT
    tests/reference/export_quants.py --whole MODEL.gguf    prints the checksum of all weights as f32 (PONDER_TEST_GEMMA)
"""
import sys

import numpy as np
from gguf import GGMLQuantizationType as T, GGUFReader, quants
from gguf.constants import GGML_QUANT_SIZES

READ = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
SCALE_BYTES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
               "Q6_K": [208]}
EDGES = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00]  # zeros, subnormal, smallest, largest, one


def blocks_of(name, rng):
    block_weights, block_bytes = GGML_QUANT_SIZES[T[name]]
    count = 48 if block_weights == 32 else 12
    blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for i in range(count):
        for at in SCALE_BYTES[name]:
            bits = EDGES[(i + at) % len(EDGES)] if i < len(EDGES) else int(rng.integers(0, 0x7C00)) | (i % 2) << 15
            blocks[i, at:at + 2] = [bits & 255, bits >> 8]
    return blocks


def q8_0_weights(rng):
    rows = [rng.normal(0, 10.0**e, 32) for e in range(-8, 6)]
    rows += [np.zeros(32), np.full(32, -0.0), np.arange(32) / 2 - 8, np.r_[127, np.arange(31) + 0.5],
             np.r_[-127, np.arange(31) * -1 - 0.5], np.full(32, 1e-30), np.r_[8.3e6, np.ones(31)],
             np.r_[0.49999997 * 2, np.full(31, 0.49999997 / 127)]]
    return np.array(rows, dtype=np.float32)


def halves_weights(rng):
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint64).astype(np.uint32)
    ties = [sign | (exponent << 23) | mantissa for sign in (0, 1 << 31) for exponent in range(100, 144)
            for mantissa in (0, 0x1000, 0x3000, 0x0FFF, 0x1001, 0x7FFFFF, 0x8000, 0x18000, 0x7FFF, 0x8001)]
    edges = [0, 1, 0x7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFFFFFFF, 0x7F7FFFFF, 0x477FE000,
             0x477FEFFF, 0x477FF000, 0x33000000, 0x33000001, 0x7F7F7FFF, 0x7F7F8000]
    return np.r_[bits, np.array(ties + edges, dtype=np.uint32)].view(np.float32)


def export(path):
    from safetensors.numpy import save_file
    rng = np.random.default_rng(7)
    tensors = {}
    for name in READ:
        blocks = blocks_of(name, rng)
        tensors[name + ".blocks"] = blocks
        tensors[name + ".weights"] = quants.dequantize(blocks, T[name])
    weights = q8_0_weights(rng)
    tensors["to_Q8_0.weights"] = weights
    tensors["to_Q8_0.blocks"] = quants.quantize(weights, T.Q8_0)
    weights = halves_weights(rng)
    tensors["to_halves.weights"] = weights
    with np.errstate(over="ignore"):
        tensors["to_F16.blocks"] = weights.astype(np.float16).view(np.uint8)
    tensors["to_BF16.blocks"] = quants.quantize(weights.reshape(1, -1), T.BF16).reshape(-1)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)


def print_whole(path):
    total = 0
    for tensor in GGUFReader(path).tensors:
        weights = quants.dequantize(tensor.data, tensor.tensor_type)
        bits = np.ascontiguousarray(weights, dtype=np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
        checksum = int((bits * (2 * np.arange(bits.size, dtype=np.uint64) + 1)).sum(dtype=np.uint64))
        total = (total * 31 + checksum) % 2**64
    print(total)


if sys.argv[1] == "--whole":
    print_whole(sys.argv[2])
else:
    export(sys.argv[1])
