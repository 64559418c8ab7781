#!/usr/bin/env python3
"""Writes tests/data/tokenizers/*.json: a small tokenizer of every family's structure, with what the reference makes of texts.

  tests/reference/make_tokenizer_fixtures.py       (needs the Python package tokenizers)

Each file holds {"tokenizer": the tokenizer.json, "cases": [{"text", "ids", "plain", "decoded"}], "decodes": [{"ids", "text",
"skipped"}]}: ids with special tokens added and parsed, ids with neither, the text that the ids decode to; the text of
arbitrary ids, with and without special tokens. Vocabularies are trained on this project's own documents.
"""
import json
import random
import sys
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, str(Path(__file__).parent))
from check_tokenizers import WORDS, random_string  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/data/tokenizers"
TEXTS = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md")]
TEXTS += [" ".join(WORDS)] * 3 + ["e\u0301 \u00e9 naïve Åland 日本語 中文 русский 12 345 6789 don't I'LL   \n\n\t x = [1, 2];"] * 5
MARK = "\u2581"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CASED = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
CASED2 = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{CASED}|[^\r\n\p{{L}}\p{{N}}]?{CASED2}|\p{{N}}" + TAIL
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{CASED}(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         rf"[^\r\n\p{{L}}\p{{N}}]?{CASED2}(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{{N}}{{1,3}}") + TAIL
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+")


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def train(tok, size=420, alphabet=()):
    tok.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), show_progress=False,
                                                       limit_alphabet=300))
    return tok


def byte_level(cuts, normalizer=None, **options):
    tok = Tokenizer(models.BPE())
    if normalizer:
        tok.normalizer = normalizer
    tok.pre_tokenizer = cuts
    tok.decoder = decoders.ByteLevel()
    train(tok, 450, pre_tokenizers.ByteLevel.alphabet())
    return change(tok, **options)


def change(tok, legacy_merges=False, **options):
    data = json.loads(tok.to_str())
    data["model"].update(options)
    if legacy_merges:
        data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    return Tokenizer.from_str(json.dumps(data))


def sentencepiece(normalizer, decoder, cuts=None, fallback=True, fuse_unk=True):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizer
    if cuts:
        tok.pre_tokenizer = cuts
    train(tok, 500)
    data = json.loads(tok.to_str())
    first = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if fallback else [])
    old = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    # A quarter of the single characters is left out, so that some need bytes or are unknown.
    used = {part for merge in data["model"]["merges"] for part in merge}
    kept = [t for i, t in enumerate(old) if len(t) > 1 or t in used or i % 4]
    data["model"].update(vocab={t: i for i, t in enumerate(first + kept)}, unk_token="<unk>", byte_fallback=fallback,
                         fuse_unk=fuse_unk)
    tok = Tokenizer.from_str(json.dumps(data))
    tok.decoder = decoder
    tok.add_special_tokens(["<unk>", "<s>", "</s>"])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tok


def with_chat_tokens(tok, bos=None):
    tok.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tok.add_tokens([AddedToken("<think>", normalized=False, special=False)])
    if bos:
        tok.add_special_tokens([bos])
        tok.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B:1",
                                          special_tokens=[(bos, tok.token_to_id(bos))])])
    return tok


def families():
    plain_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    cut = lambda *steps: pre_tokenizers.Sequence([*steps, plain_bytes])  # noqa: E731
    yield "gpt2", with_chat_tokens(byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), legacy_merges=True))
    yield "gpt2_prefix", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    yield "llama3", with_chat_tokens(byte_level(cut(split(LLAMA3)), ignore_merges=True), "<|begin_of_text|>")
    yield "qwen2", with_chat_tokens(byte_level(cut(split(QWEN2)), normalizers.NFC()))
    yield "gpt4o", with_chat_tokens(byte_level(cut(split(GPT4O, "removed", True))))
    yield "tekken", byte_level(cut(split(TEKKEN)), ignore_merges=True)
    yield "deepseek", byte_level(cut(split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK)),
                                 normalizers.Sequence([]))
    replace = normalizers.Replace(" ", MARK)
    chain = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    yield "llama2", sentencepiece(normalizers.Sequence([normalizers.Prepend(MARK), replace]),
                                  decoders.Sequence([*chain, decoders.Strip(" ", 1, 0)]))
    gemma = sentencepiece(replace, decoders.Sequence(chain), pre_tokenizers.Split(" ", "merged_with_previous"))
    gemma.add_tokens([AddedToken(t, normalized=False) for t in ("\n", "\n\n", MARK * 2, MARK * 3, "<table>")])
    yield "gemma", gemma
    yield "metaspace", sentencepiece(normalizers.NFKC(), decoders.Metaspace(), pre_tokenizers.Metaspace())
    yield "metaspace_first", sentencepiece(normalizers.NFKD(), decoders.Metaspace(prepend_scheme="first"),
                                           pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    odd = sentencepiece(normalizers.Sequence([normalizers.NFD(), normalizers.Strip(True, False),
                                              normalizers.Replace(Regex(r"\s+"), " ")]), decoders.Fuse(),
                        pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True),
                                                 pre_tokenizers.Punctuation()]), fallback=False, fuse_unk=False)
    odd.add_tokens([AddedToken("hello", single_word=True), AddedToken("WORLD", lstrip=True, rstrip=True),
                    AddedToken("\u00e9t", normalized=True), AddedToken("[X]", rstrip=True, normalized=False)])
    yield "odd", odd


def cases(tok, rng):
    texts = ["", " ", "  ", "a", " a b  c\n", "hello world, hellow hello WORLD  WORLD.", "e\u0301t étét [X] [X]x",
             "<|im_start|>user\nhi <think><|im_end|>", "<s>a</s> <unk>", "a\n\n\nb▁▁▁▁c  d   e <table>", "x" * 70, "1234567",
             "don't WE'LL 'ſ it's", "\u0000\u0001", "👩‍👩‍👧‍👦 🏳️‍🌈", "\uac00\u11a8\u1112\u1161\u11ab", "ﬁ Å Å ㋿ ½"]
    texts += [random_string(rng)[:60] for _ in range(90)]
    out = []
    for text in texts:
        tok.encode_special_tokens = False
        ids = tok.encode(text).ids
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        out.append({"text": text, "ids": ids, "plain": plain, "decoded": tok.decode(ids, skip_special_tokens=False)})
    return out


def decodes(tok, rng):
    size = tok.get_vocab_size()
    rows = [[rng.randrange(size + 5) for _ in range(rng.randint(1, 6))] for _ in range(50)]
    return [{"ids": r, "text": tok.decode(r, skip_special_tokens=False), "skipped": tok.decode(r)} for r in rows]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, tok in families():
        rng = random.Random(7)
        data = {"made_with": f"tokenizers {tokenizers.__version__}", "cases": cases(tok, rng), "decodes": decodes(tok, rng)}
        tok.encode_special_tokens = False
        data["tokenizer"] = json.loads(tok.to_str())
        text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(name, len(text), tok.get_vocab_size())


if __name__ == "__main__":
    main()
