#!/usr/bin/env python3
"""Writes src/ponder/text/unicode_tables.cc: what the tokenizers' regular expressions and normalizers know of Unicode.

The reference (Hugging Face's tokenizers) uses two versions side by side, and so does ponder: categories are Unicode 16.0
(the regex engine's), normalisation is Unicode 9.0 (the Rust crate's). No library that distributions ship has both.

  scripts/make_unicode_tables.py PYTHON36 > src/ponder/text/unicode_tables.cc

It needs the Python package unicodedata2==16.0.0 for categories, and a Python 3.6 interpreter, whose own unicodedata is
Unicode 9.0.0, for normalisation. tests/reference/check_unicode.py holds the result against the reference.
"""
import json
import subprocess
import sys

import unicodedata2

CATEGORIES = ["Cn", "Cc", "Cf", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No",
              "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"]

# Runs under Python 3.6. Hangul syllables are left out: they follow from arithmetic.
NORMALIZATION = r"""
import json, sys
import unicodedata as u
assert u.unidata_version == "9.0.0", u.unidata_version
classes, canonical, compatible, pairs = [], [], [], []
for code in range(0x110000):
    if 0xD800 <= code < 0xE000 or 0xAC00 <= code < 0xD7A4:
        continue
    c = chr(code)
    if u.combining(c):
        classes.append((code, u.combining(c)))
    nfd, nfkd = u.normalize("NFD", c), u.normalize("NFKD", c)
    if nfd != c:
        canonical.append((code, [ord(x) for x in nfd]))
    if nfkd != nfd:
        compatible.append((code, [ord(x) for x in nfkd]))
    parts = u.decomposition(c).split()
    if len(parts) == 2 and not parts[0].startswith("<") and u.normalize("NFC", c) == c:
        pairs.append((int(parts[0], 16), int(parts[1], 16), code))
json.dump({"classes": classes, "canonical": canonical, "compatible": compatible, "pairs": pairs}, sys.stdout)
"""


def runs(values):
    """(first, value) of each run of equal values."""
    out = []
    for at, value in enumerate(values):
        if not out or out[-1][1] != value:
            out.append((at, value))
    return out


def table(kind, name, items):
    lines, line = [], " "
    for item in items:
        if len(line) + len(item) + 2 > 119:
            lines.append(line)
            line = " "
        line += f" {item},"
    lines.append(line)
    return f"const {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};\n" \
           f"const size_t {name}Size = sizeof {name} / sizeof {name}[0];\n"


def main():
    assert unicodedata2.unidata_version == "16.0.0", unicodedata2.unidata_version
    norm = json.loads(subprocess.run([sys.argv[1], "-c", NORMALIZATION], check=True, stdout=subprocess.PIPE).stdout)
    categories = [CATEGORIES.index(unicodedata2.category(chr(code))) for code in range(0x110000)]
    classes = [0] * 0x110000
    for code, value in norm["classes"]:
        classes[code] = value

    targets, decompositions = [], {}
    for kind in ("canonical", "compatible"):
        decompositions[kind] = []
        for code, to in norm[kind]:
            decompositions[kind].append((code, len(targets), len(to)))
            targets += to
    print("""// Unicode as the reference tokenizers know it. Made by scripts/make_unicode_tables.py; do not edit.
// Categories: Unicode 16.0.0. Combining classes, decompositions and compositions: Unicode 9.0.0.
#include "ponder/text/unicode_tables.h"

// clang-format off
namespace ponder::text {
""")
    print("// first code point of a run << 5 | category")
    print(table("uint32_t", "kCategoryRuns", [f"{first << 5 | value:#x}" for first, value in runs(categories)]))
    print("// first code point of a run << 8 | combining class")
    print(table("uint32_t", "kCombiningRuns", [f"{first << 8 | value:#x}" for first, value in runs(classes)]))
    print("// what code points decompose to, fully; the two tables below point into it")
    print(table("char32_t", "kDecomposed", [f"{c:#x}" for c in targets]))
    for kind, name in (("canonical", "kCanonical"), ("compatible", "kCompatible")):
        print(table("Decomposition", name, ["{%#x,%d,%d}" % item for item in decompositions[kind]]))
    print("// first, second, what they compose to; sorted")
    print(table("Composition", "kCompositions", ["{%#x,%#x,%#x}" % tuple(item) for item in sorted(norm["pairs"])]))
    print("}  // namespace ponder::text")


if __name__ == "__main__":
    main()
