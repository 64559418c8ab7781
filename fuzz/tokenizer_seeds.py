"""What the tokenizer target starts from: small tokenizers of every kind, each with a text behind a zero byte."""
import json

VOCABULARY = {t: i for i, t in enumerate(["<unk>", "a", "b", "ab", "\u2581", "\u2581a", "\u0120", "\u0120a", "<0x41>", "\u00e9"])}
MERGES = ["a b", "\u2581 a", "\u0120 a"]
SPLIT = {"type": "Split", "pattern": {"Regex": r"(?i:'s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"},
         "behavior": "Isolated", "invert": False}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "use_regex": False}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
            "special_tokens": {"<s>": {"ids": [10]}}}


def tokenizer(**parts):
    model = {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True, "vocab": VOCABULARY, "merges": MERGES}
    model.update(parts.pop("model", {}))
    added = [{"id": 10, "content": "<s>", "special": True, "normalized": False},
             {"id": 11, "content": "ba", "lstrip": True, "rstrip": True, "single_word": True, "special": False}]
    return json.dumps({"version": "1.0", "added_tokens": added, "post_processor": TEMPLATE, "model": model, **parts},
                      ensure_ascii=False).encode()


def tokenizer_seeds():
    text = "\0ab a'S <s> ba  e\u0301 \n12 \U0001F600".encode() + b"\xff\xc3"
    yield "bytes", tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [SPLIT, BYTES]}, decoder={"type": "ByteLevel"},
                             normalizer={"type": "NFC"}, model={"ignore_merges": True}) + text
    chain = [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    marks = [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
    yield "marks", tokenizer(normalizer={"type": "Sequence", "normalizers": marks},
                             decoder={"type": "Sequence", "decoders": chain}) + text
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
    yield "metaspace", tokenizer(normalizer={"type": "NFKD"}, pre_tokenizer=metaspace, decoder=metaspace) + text
    words = [{"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}, {"type": "Punctuation"},
             {**SPLIT, "behavior": "MergedWithNext", "invert": True}]
    yield "words", tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": words}, decoder=None,
                             normalizer={"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}) + text
    closed = {"type": "WordLevel", "vocab": {"a": 0, "end": 1}}
    yield "closed", json.dumps({"model": closed, "pre_tokenizer": {"type": "WhitespaceSplit"}}).encode() + b"\0a end"
