#!/usr/bin/env python3
"""Holds ponder's tokenizers against the reference: the Python package `tokenizers`, over real tokenizer.json files.

  tests/reference/check_tokenizers.py [--driver build/tests/tokenizer_driver] [--strings N] DIR... [--gguf FILE.gguf]

Each DIR holds a tokenizer.json; with --gguf it is the vocabulary inside that file that must agree with the DIR's
tokenizer.json (it needs the Python package gguf). Compared are the ids of every code point (by itself and as "a" + c + "b"), of a corpus of
nasty texts, and of N random strings a directory, with special tokens parsed; of the same strings with special tokens taken
for text; the text that the ids decode to, and the text of random ids. Then both are timed, one thread each. Exits 1 when
anything differs.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402

SCRIPTS = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF),
           (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x13FF),
           (0x1400, 0x18AF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x27BF), (0x2C00, 0x2DFF),
           (0x3000, 0x30FF), (0x3130, 0x318F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3),
           (0xE000, 0xE0FF), (0xF900, 0xFFFD), (0x10000, 0x11FFF), (0x16800, 0x16FFF), (0x1B000, 0x1BCFF),
           (0x1D100, 0x1D7FF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF)]
MARKS = [c for lo, hi in [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x93C, 0x94D),
                          (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0x3099, 0x309A), (0xFE20, 0xFE2F),
                          (0x1D165, 0x1D172), (0x0E38, 0x0E4B), (0x0F71, 0x0F84), (0x0898, 0x089F)]
         for c in range(lo, hi + 1)]
SPACES = " \t\n\r\f\v\x85\u00a0\u1680\u2002\u2009\u2028\u2029\u202f\u205f\u3000\u200b\u200d\ufeff"
WORDS = ["the", " the", "hello", " world", "don't", "I'LL", "we'Ve", "'s", "'\u017f", "'S", "  ", "\n\n", "\t", "    ",
         "def f(x):\n    return x", "for (int i = 0; i < n; ++i) {", "//", "/*", "*/", "=>", "!=", "...", "—", "½", "²",
         "123456789", "3.14159", "1,000,000", "0x1F", "١٢٣", "१२३", "五", "日本語", "中文字符", "한국어", "ภาษาไทย",
         "русский", "עברית", "العربية", "हिन्दी", "ქართული", "Ⅷ", "ﬁ", "Å", "é", "e\u0301", "ǆ", "ǅ", "Ǆ", "ß", "ẞ", "İ",
         "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "👍🏽", "\u0000", "\u0001", "\x7f", "\ufffd", "\uffff", "\U0010ffff", "▁", "▁▁", "Ġ", "<0x0A>",
         "<unk>", "<s>", "</s>", "<bos>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "[INST]",
         "<start_of_turn>", "<tool_call>", "<think>", "<unused1>", "<table>", "\r\n", "\r", " \n", "\n ", "a" * 40, "=" * 30,
         "aaaa bbbb", "CamelCaseWord", "snake_case", "UPPER", "e.g.", "http://x.org/?q=1&b=2", "\\frac{1}{2}", "$x^2$"]


def random_string(rng):
    """A mix of scripts, digits, white space runs, emoji, code, marks and controls."""
    out = []
    for _ in range(rng.randint(1, 8)):
        kind = rng.random()
        if kind < 0.35:
            out.append(rng.choice(WORDS))
        elif kind < 0.6:
            lo, hi = rng.choice(SCRIPTS)
            out.append("".join(chr(rng.randint(lo, hi)) for _ in range(rng.randint(1, 6))))
        elif kind < 0.7:
            out.append("".join(rng.choice(SPACES) for _ in range(rng.randint(1, 5))))
        elif kind < 0.78:
            out.append("".join(rng.choice("0123456789") for _ in range(rng.randint(1, 9))))
        elif kind < 0.88:
            out.append(rng.choice("aeoAu\u0391\u0915\u3046\u1100") + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randint(1, 5))))
        elif kind < 0.97:
            out.append("".join(chr(rng.randint(0x20, 0x7E)) for _ in range(rng.randint(1, 12))))
        else:
            c = rng.randint(0, 0x10FFFF)
            out.append(chr(c if not 0xD800 <= c < 0xE000 else 0xFFFD))
    return "".join(out)


def nasty_texts():
    texts = ["", " ", "\n", "  " * 500, "\n" * 333, "\t\t\t  x", "a" * 10000, "ab" * 5000, "=" * 4097, "0" * 1000,
             "あ" * 3000, "😀" * 500, "e" + "\u0301" * 400, "▁" * 100, " ▁ ▁▁ ", "<" * 100 + "<s>", "'" * 50 + "s",
             Path(__file__).read_text(encoding="utf-8"), "\u0000" * 20, "".join(WORDS), " ".join(WORDS), "\n".join(WORDS)]
    for gap in range(1, 40):
        texts += ["a" + " " * gap + "b", "a" + "\n" * gap + "b", " " * gap, "x" + " " * gap + "\n" * gap + " y",
                  "a" + "\t" * gap + "1" * gap, "\u3000" * gap + "z"]
    return texts


def code_points():
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


class Driver:
    def __init__(self, program, model):
        self.program, self.model = program, model

    def run(self, mode, payload):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "in").write_bytes(payload)
            done = subprocess.run([self.program, self.model, mode, f"{folder}/in", f"{folder}/out"], check=True,
                                  stdout=subprocess.PIPE)
            return json.loads(done.stdout), Path(folder, "out").read_bytes()

    def encode(self, mode, texts):
        data = [t.encode() for t in texts]
        times, out = self.run(mode, b"".join(struct.pack("<I", len(d)) + d for d in data))
        ids, at = [], 0
        for _ in texts:
            (n,) = struct.unpack_from("<I", out, at)
            ids.append(list(struct.unpack_from(f"<{n}i", out, at + 4)))
            at += 4 + 4 * n
        return times, ids

    def decode(self, mode, rows):
        times, out = self.run(mode, b"".join(struct.pack(f"<I{len(r)}i", len(r), *r) for r in rows))
        texts, at = [], 0
        for _ in rows:
            (n,) = struct.unpack_from("<I", out, at)
            texts.append(out[at + 4:at + 4 + n].decode())
            at += 4 + n
        return times, texts


class Check:
    def __init__(self, name):
        self.name, self.differences, self.compared = name, 0, 0

    def compare(self, what, inputs, wanted, got):
        assert len(wanted) == len(got)
        bad = [i for i in range(len(wanted)) if wanted[i] != got[i]]
        self.compared += len(wanted)
        self.differences += len(bad)
        for i in bad[:3]:
            print(f"{self.name}: {what}: {inputs[i]!r:.200}\n  reference {wanted[i]!r:.300}\n  ponder    {got[i]!r:.300}")


def reference_encode(tok, texts, plain):
    tok.encode_special_tokens = plain
    return [e.ids for e in tok.encode_batch_fast(texts, add_special_tokens=not plain)]


def write_gguf_json(path, out):
    """The keys of a GGUF file that make a tokenizer, as the driver reads them."""
    from gguf import GGUFReader
    fields = {k.removeprefix("tokenizer.ggml."): f.contents() for k, f in GGUFReader(path).fields.items()
              if k.startswith("tokenizer.ggml.")}
    Path(out).write_text(json.dumps({
        "model": fields["model"], "pre": fields.get("pre", ""), "tokens": fields["tokens"],
        "scores": fields.get("scores", []), "types": fields.get("token_type", []), "merges": fields.get("merges", []),
        "bos": fields.get("bos_token_id", -1), "eos": fields.get("eos_token_id", -1),
        "unk": fields.get("unknown_token_id", -1), "pad": fields.get("padding_token_id", -1),
        "add_bos": fields.get("add_bos_token", fields["model"] == "llama"),
        "add_space_prefix": fields.get("add_space_prefix", True)}))
    return out


def differing_ids(tok, gguf_json):
    """Ids that the GGUF file lacks, and those that only one of the files calls special (Gemma's <unusedN>): there
    both files cannot say the same."""
    vocabulary = json.loads(Path(gguf_json).read_text())
    lacking = set(range(len(vocabulary["tokens"]), tok.get_vocab_size()))
    control = {i for i, kind in enumerate(vocabulary["types"]) if kind == 3}
    return lacking, control ^ {i for i, token in tok.get_added_tokens_decoder().items() if token.special}


def compare_random_ids(tok, driver, result, rng, strings, gguf_json):
    size = tok.get_vocab_size()
    lacking, unlike = differing_ids(tok, gguf_json) if gguf_json else (set(), set())
    rows = [[rng.randrange(size + 50) for _ in range(rng.randint(1, 12))] for _ in range(strings // 4)]
    rows += [[i] for i in range(size + 100)]
    for mode, skip, left_out in (("decode", False, lacking), ("decode-skip", True, lacking | unlike)):
        fair = [row for row in rows if left_out.isdisjoint(row)]
        result.compare(f"random ids, {mode}", fair, tok.decode_batch(fair, skip_special_tokens=skip), driver.decode(mode, fair)[1])


def check(directory, driver_path, strings, seed, gguf_json=None):
    path = str(Path(directory, "tokenizer.json"))
    started = time.perf_counter()
    tok = tokenizers.Tokenizer.from_file(path)
    reference_load_s = time.perf_counter() - started
    tok.no_truncation(), tok.no_padding()
    driver, result = Driver(driver_path, gguf_json or path), Check(Path(directory).name + (" in GGUF" if gguf_json else ""))
    rng = random.Random(seed)
    points = code_points()
    sets = {"code points": points, "code points in context": ["a" + c + "b" for c in points], "nasty": nasty_texts(),
            "random": [random_string(rng) for _ in range(strings)]}
    for what, texts in sets.items():
        wanted = reference_encode(tok, texts, False)
        _, got = driver.encode("encode", texts)
        result.compare(what, texts, wanted, got)
        if what != "code points in context":
            result.compare(f"{what}, decoded", wanted, tok.decode_batch(wanted, skip_special_tokens=False),
                           driver.decode("decode", wanted)[1])
        if "code points" not in what:
            # GGUF calls Gemma's <unusedN> control tokens, so they are text there; tokenizer.json does not call them special.
            plain = [t for t in texts if not (gguf_json and "<unused" in t)]
            result.compare(f"{what}, special as text", plain, reference_encode(tok, plain, True),
                           driver.encode("encode-plain", plain)[1])
    compare_random_ids(tok, driver, result, rng, strings, gguf_json)
    figures = speed(tok, driver)
    figures.update(name=result.name, compared=result.compared, differences=result.differences,
                   reference_load_s=round(reference_load_s, 3), version=tokenizers.__version__)
    print(json.dumps(figures), flush=True)
    return result.differences


def speed(tok, driver):
    """MB/s of both over one corpus of prose and code, in texts of a few kB, best of three."""
    root = Path(__file__).resolve().parents[2]
    files = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("src/**/*.cc"), *root.glob("src/**/*.h")])
    text = "".join(f.read_text(encoding="utf-8") for f in files if f.name != "unicode_tables.cc")
    texts = [text[i:i + 4000] for i in range(0, len(text), 4000)]
    megabytes = sum(len(t.encode()) for t in texts) / 1e6
    tok.encode_special_tokens = False
    best = {"reference": 1e9, "ponder": 1e9, "load": 1e9}
    for _ in range(3):
        started = time.perf_counter()
        for t in texts:
            tok.encode_batch_fast([t])
        best["reference"] = min(best["reference"], time.perf_counter() - started)
        times, _ = driver.encode("encode", texts)
        best["ponder"] = min(best["ponder"], times["run_s"])
        best["load"] = min(best["load"], times["load_s"])
    return {"corpus_mb": round(megabytes, 2), "reference_mb_s": round(megabytes / best["reference"], 2),
            "ponder_mb_s": round(megabytes / best["ponder"], 2), "ratio": round(best["reference"] / best["ponder"], 1),
            "ponder_load_s": best["load"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+")
    parser.add_argument("--driver", default=str(Path(__file__).resolve().parents[2] / "build/tests/tokenizer_driver"))
    parser.add_argument("--gguf")
    parser.add_argument("--strings", type=int, default=120_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gguf_json = write_gguf_json(args.gguf, f"{folder}/vocabulary.gguf.json") if args.gguf else None
        differences = sum(check(d, args.driver, args.strings, args.seed, gguf_json) for d in args.directories)
    print(f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
