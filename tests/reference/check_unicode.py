#!/usr/bin/env python3
"""Prints the checksums that src/ponder/text/unicode_test.cc holds: what the reference makes of all of Unicode.

  tests/reference/check_unicode.py     (needs the Python packages tokenizers and unicodedata2==16.0.0)

One CRC-32 for the categories of all code points (unicodedata2, and the reference's regular expressions must agree), and for
each normal form one over the forms of every code point and one over 200,000 random sequences of letters and marks.
"""
import zlib

import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

SEQUENCES = 200_000
BASES = [(0x61, 0x7A), (0xC0, 0x24F), (0x390, 0x3CE), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x64A), (0x915, 0x939),
         (0x1100, 0x1112), (0xAC00, 0xAC1C), (0x3046, 0x30FE), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0xF900, 0xFA6D),
         (0x1D15E, 0x1D164), (0x110A5, 0x110AB), (0x2126, 0x212B), (0xFB1D, 0xFB4F), (0x3200, 0x33FF)]
MARKS = [(0x300, 0x34F), (0x483, 0x487), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x898, 0x8FF), (0x93C, 0x94D),
         (0x1161, 0x1175), (0x11A8, 0x11C2), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0x3099, 0x309A),
         (0xFE20, 0xFE2F), (0x1D165, 0x1D172), (0x110B9, 0x110BA), (0x1E8D0, 0x1E8D6), (0x10EFD, 0x10EFF), (0x1E4EC, 0x1E4EF)]


class Random:
    def __init__(self):
        self.state = 1

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def char(self, ranges):
        lo, hi = ranges[self.below(len(ranges))]
        return chr(lo + self.below(hi - lo + 1))


def sequences():
    rng = Random()
    for _ in range(SEQUENCES):
        out = ""
        for _ in range(1 + rng.below(3)):
            out += rng.char(BASES)
            for _ in range(rng.below(5)):
                out += rng.char(MARKS)
        yield out


def scalars():
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def check_regex_agrees():
    text = "".join(scalars())
    for name in ("L", "N", "M", "P", "S", "Z", "C", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No", "Sm", "Zs"):
        cut = pre_tokenizers.Split(Regex(r"\p{%s}" % name), "removed", invert=True)
        found = {part[0] for part, _ in [(p, o) for p, o in cut.pre_tokenize_str(text)]}
        wanted = {c for c in scalars() if unicodedata2.category(c).startswith(name)}
        assert found == wanted, (name, len(found ^ wanted))


def main():
    assert unicodedata2.unidata_version == "16.0.0"
    check_regex_agrees()
    categories = "".join(unicodedata2.category(chr(c)) for c in range(0x110000))
    print(f"categories {zlib.crc32(categories.encode()):#010x}")
    mixed = list(sequences())
    for form in (normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD()):
        def crc(texts):
            return zlib.crc32("\n".join(form.normalize_str(t) for t in texts).encode())
        print(f"{type(form).__name__} {crc(scalars()):#010x} {crc(mixed):#010x}")


if __name__ == "__main__":
    main()
