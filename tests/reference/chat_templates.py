#!/usr/bin/env python3
"""Renders chat templates with Jinja2 exactly as transformers does, as a reference for text/chat_template_test.cc.

    chat_templates.py expected
        renders tests/data/chat_templates/*.jinja for every conversation of conversations.json and writes
        expected.jsonl beside them; the test compares bytes with it.
    chat_templates.py real OUT.jsonl PATH...
        the same for templates that are not part of the project: every *.jinja, tokenizer_config.json, chat_template.json
        and *.gguf at or below the paths. The test reads OUT.jsonl when PONDER_TEST_CHAT_TEMPLATES names it.

Needs transformers, jinja2 and, for .gguf files, gguf.
"""
import copy
import datetime
import json
import logging
import pathlib
import sys

import transformers.utils.chat_template_utils as chat

logging.disable(logging.WARNING)
DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "chat_templates"
NOW = datetime.datetime(2025, 3, 9, 8, 5, 7)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat.datetime = FixedClock


def render(template, conversation):
    """{"text": …} with the spans of {% generation %} in code points, or {"error": …}."""
    c = copy.deepcopy(conversation)
    try:
        texts, spans = chat.render_jinja_template(
            conversations=[chat._normalize_chat_messages(c["messages"])],
            tools=c.get("tools"),
            documents=c.get("documents"),
            chat_template=template,
            add_generation_prompt=c.get("add_generation_prompt", True),
            continue_final_message=c.get("continue_final_message", False),
            return_assistant_tokens_mask=not c.get("continue_final_message", False),  # they exclude each other
            **{**SPECIAL, **c.get("chat_template_kwargs", {})},
        )
        texts[0].encode()
        out = {"text": texts[0]}
        if spans and spans[0]:
            out["generation"] = [list(s) for s in spans[0]]
        return out
    except RecursionError as e:
        return {"error": f"RecursionError: {e}"}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"[:200]}


def templates_of_config(path, config):
    template = config.get("chat_template")
    if isinstance(template, str):
        yield str(path), template
    elif isinstance(template, list):
        for item in template:
            yield f"{path}#{item['name']}", item["template"]


def real_templates(paths):
    files = []
    for p in map(pathlib.Path, paths):
        files += sorted(f for f in p.rglob("*") if f.is_file()) if p.is_dir() else [p]
    for f in files:
        if f.suffix == ".jinja":
            yield str(f), f.read_text()
        elif f.name in ("tokenizer_config.json", "chat_template.json"):
            yield from templates_of_config(f, json.loads(f.read_text()))
        elif f.suffix == ".gguf":
            import gguf
            for name, field in gguf.GGUFReader(str(f)).fields.items():
                if name.startswith("tokenizer.chat_template"):
                    yield f"{f}#{name}", field.contents()


def write(out, templates, conversations, with_template):
    with open(out, "w") as file:
        seen = set()
        for name, template in templates:
            if template in seen:
                continue
            seen.add(template)
            results = [render(template, c) for c in conversations]
            row = {"name": name, "results": results}
            if with_template:
                row["template"] = template
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(seen)} templates x {len(conversations)} conversations -> {out}")


def main():
    conversations = json.loads((DATA / "conversations.json").read_text())
    if sys.argv[1:2] == ["expected"]:
        templates = [(f.name, f.read_text()) for f in sorted(DATA.glob("*.jinja"))]
        write(DATA / "expected.jsonl", templates, conversations, False)
    elif sys.argv[1:2] == ["real"] and len(sys.argv) > 3:
        write(sys.argv[2], real_templates(sys.argv[3:]), conversations, True)
    else:
        sys.exit(__doc__)


main()
