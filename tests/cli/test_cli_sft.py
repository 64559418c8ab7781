#!/usr/bin/env python3
"""Fine-tuning on a user's own files: rows in, a model that says them out."""
import gzip
import json
import tempfile
from pathlib import Path

import cli
import words_model
from cli import CliTest

RECIPE = "recipes/sft-file.yaml"
CHAT_ML = ("{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}"
           "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}")
END = 452  # <|im_end|>
PAIRS = {"The sky is": " blue.", "Grass is": " green.", "A box is": " square.", "Snow is": " cold."}
ASKED = {"Who are you?": "A model.", "And the sky?": "Blue.", "Snow?": "Cold."}

folder = None
model = None  # knows nothing; has a chat template


def setUpModule():
    global folder, model
    folder = tempfile.TemporaryDirectory()
    model = words_model.write(Path(folder.name) / "model", cli.REPOSITORY, {}, END, noise=0.1, chat_template=CHAT_ML)


def tearDownModule():
    folder.cleanup()


def pairs():
    return [{"prompt": prompt, "completion": completion} for prompt, completion in PAIRS.items()]


def chats():
    return [{"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
            for question, answer in ASKED.items()]


class SftOnFiles(CliTest):
    def train(self, data, *more, **wanted):
        self.out = self.folder / "run"
        return self.ponder("run", RECIPE, f"init.from={model}", f"sft.data={data}", "sft.train.steps=80",
                           "sft.train.batch_tokens=256", "sft.train.lr=0.01", "sft.train.learner.optimizer.kind=muon",
                           "workers=2", *more, "--out", self.out, **wanted)

    def said(self, prompt):
        [row] = self.rows("generate", "--model", self.out, "--prompt", prompt, "--temperature", 0, "--max-tokens", 20)
        self.assertEqual(row["stop_reason"], "stop", row)
        return row["text"].removesuffix("<|im_end|>")

    def gz(self, name, rows):
        path = self.folder / name
        with gzip.open(path, "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        return path

    def test_prompts_and_completions(self):
        rows = self.file("rows.jsonl", pairs())
        done = self.train(rows)
        for text in (done.err, done.out):
            self.assertIn(f"4 of 4 rows of {rows}", text)
        for prompt, completion in PAIRS.items():
            self.assertEqual(self.said(prompt), completion)
        notes = [note["text"] for note in json.loads((self.out / "report.json").read_text())["notes"]]
        self.assertTrue(any("4 of 4 rows" in note for note in notes), notes)

    def test_a_compressed_file_and_another_beside_it(self):
        first, second = pairs()[:2], pairs()[2:]
        self.train(f"{self.gz('a.jsonl.gz', first)},{self.file('b.jsonl', second)}")
        for prompt, completion in PAIRS.items():
            self.assertEqual(self.said(prompt), completion)

    def test_conversations(self):
        self.train(self.file("chats.jsonl", chats()))
        for question, answer in ASKED.items():
            row = self.one("solve", "--model", self.out, "--prompt", question, "max_tokens=20")
            self.assertEqual(row["text"], answer)

    def test_an_adapter(self):
        self.train(self.file("rows.jsonl", pairs()), "init.lora.r=16", "sft.train.learner.optimizer.kind=adamw")
        for prompt, completion in PAIRS.items():
            self.assertEqual(self.said(prompt), completion)

    def test_the_plan_and_json(self):
        rows = self.file("rows.jsonl", [*pairs(), {"text": "a word " * 400}])
        plan = json.loads(self.train(rows, "sft.train.learner.pack_tokens=64", "--dry-run", "--json").out)["sft_data"]
        self.assertEqual((plan["read"], plan["rows"], plan["too_long"], plan["longest_tokens"]), (5, 4, 1, 64))
        self.assertFalse(self.out.exists())
        done = self.train(rows, "sft.train.learner.pack_tokens=64", "--json")
        self.assertEqual(len(done.rows()), 1)
        self.assertIn(f"left out: 1 of more than 64 tokens (sft.train.learner.pack_tokens) (first {rows}:5)", done.err)

    def test_bad_rows(self):
        rows = self.file("rows.jsonl", [*pairs(), "{", {"prompt": "x", "completion": 1}])
        self.train(rows, status=3, says=[f"{rows}:5", f"{rows}:6", '"completion"', "sft.bad_rows"])
        self.train(rows, "--dry-run", status=3, says=[f"{rows}:5"])
        self.assertFalse(self.out.exists())
        self.train(rows, "sft.bad_rows=2", "sft.train.steps=1", says=["left out", f"{rows}:6", "4 of 6 rows"])

    def test_what_is_no_training_data(self):
        verl = {"data_source": "d", "prompt": "2 + 2?", "reward_model": {"style": "rule", "ground_truth": "4"}}
        rows = self.file("verl.jsonl", [verl])
        self.train(rows, status=3, says=[f"{rows}:1", "verl", "prompt-completion"])
        self.train(self.folder / "none.jsonl", status=3, says=["none.jsonl"])
        self.ponder("run", RECIPE, f"init.from={model}", "--out", self.out, status=2, says=["sft.data"])
        self.ponder("run", RECIPE, f"sft.data={rows}", "--out", self.out, status=2, says=["init.from"])

    def test_parquet(self):
        done = cli.run("run", RECIPE, f"init.from={model}", "sft.data=tests/data/parquet/prompt-completion.parquet",
                       "sft.train.steps=1", "--out", self.folder / "run")
        if done.status != 0:  # a build without the module
            self.assertEqual(done.status, 2, str(done))
            self.assertIn("PONDER_PARQUET=ON", done.err)
        else:
            self.assertIn("2 of 2 rows", done.err)


if __name__ == "__main__":
    cli.main()
