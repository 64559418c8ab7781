#!/usr/bin/env python3
"""Reads a GGUF file that ponder wrote with the gguf package, and says in what it differs from another of the same model:
keys, and tensors after the package's own quantization to the type that they have here. Needs gguf and numpy.
    tests/reference/check_gguf.py MADE.gguf SOURCE.gguf
"""
import sys

import numpy as np
from gguf import GGUFReader, quants

made, source = GGUFReader(sys.argv[1]), GGUFReader(sys.argv[2])


def value(reader, key):
    field = reader.fields[key]
    return [field.parts[i].tobytes() for i in field.data]


for key in sorted(set(made.fields) | set(source.fields)):
    if key not in made.fields or key not in source.fields:
        print(f"{key}: only in {sys.argv[1] if key in made.fields else sys.argv[2]}")
    elif value(made, key) != value(source, key):
        print(f"{key}: differs")
sources = {tensor.name: tensor for tensor in source.tensors}
different = 0
for tensor in made.tensors:
    wanted = sources.pop(tensor.name)
    weights = quants.dequantize(wanted.data, wanted.tensor_type).astype(np.float32)
    expected = np.ascontiguousarray(quants.quantize(weights, tensor.tensor_type))
    if expected.tobytes() != tensor.data.tobytes():
        different += 1
        print(f"tensor {tensor.name}: differs")
print(f"{len(made.tensors)} tensors, {different} differ, {len(sources)} missing")
