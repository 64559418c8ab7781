#!/usr/bin/env python3
"""The command contract with a model: a whole run in seconds, resume, and every command on what the run left behind."""
import fcntl
import json
import math
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import cli
from cli import CliTest

# Every stage once, as small as it goes: what is tested is the contract, not what the model learns.
TINY = """
name: tiny
seed: 5
workers: 1
model: {width: 32, layers: 1, heads: 2, ffn: 48, context: 96}
pretrain: {train: {steps: 4, batch_tokens: 1024}}
sft: {train: {steps: 4, batch_tokens: 1024, checkpoint_every: 2}, eval_problems: 4}
critic: {problems: 16, completions: 2, prefixes: 1, rollouts: 1, max_tokens: 48, dev_problems: 2, train: {steps: 2, batch_tokens: 512}}
rl: {prompts: 2, group: 2, max_tokens: 24, eval_every: 2, eval_problems: 4, train: {steps: 4, checkpoint_every: 1}}
search: {tasks: [countdown3], problems: [4], harder_tasks: [vm4], harder_problems: 2, budgets: [64], pool: 4, max_tokens: 24}
report: {transcripts: 2}
"""

PROBLEM = {"numbers": [13, 8, 2], "target": 18}

# What depends on the clock is not part of the same-bits promise.
CLOCK_KEYS = {"seconds", "tokens_per_second"}

folder = None  # of all tests here
made = None    # the run directory that the tests read


def setUpModule():
    global folder, made
    folder = tempfile.TemporaryDirectory()
    recipe = Path(folder.name) / "tiny.yaml"
    recipe.write_text(TINY)
    made = Path(folder.name) / "made"
    result = cli.run("run", recipe, "--out", made, "--json")
    if result.status != 0:
        raise RuntimeError(str(result))
    json.loads(result.out)  # one object and nothing else on standard output


def tearDownModule():
    folder.cleanup()


def without_clock(value):
    if isinstance(value, dict):
        return {key: without_clock(v) for key, v in value.items() if key not in CLOCK_KEYS}
    return [without_clock(v) for v in value] if isinstance(value, list) else value


def report_of(run):
    return json.loads((run / "report.json").read_text())


class Run(CliTest):
    def test_leaves_the_promised_files(self):
        for name in ("config.yaml", "metrics.jsonl", "report.html", "report.json", "checkpoints"):
            self.assertTrue((made / name).exists(), name)
        for line in (made / "metrics.jsonl").read_text().splitlines():
            json.loads(line)

    def test_report_has_the_promised_fields(self):
        report = report_of(made)
        wanted = {
            "stages": {"name", "seconds", "tokens", "flops"},
            "train_curve": {"stage", "task", "tokens", "flops", "seconds", "accuracy", "n", "stderr", "thought_tokens"},
            "search_curve": {"task", "strategy", "budget", "tokens_per_problem", "critic_tokens_per_problem", "accuracy", "n",
                             "stderr"},
            "pass_at_k": {"task", "k", "value"},
            "controls": {"name", "accuracy", "n", "stderr"},
        }
        for part, fields in wanted.items():
            self.assertTrue(report[part], f"{part} has no rows")
            for row in report[part]:
                self.assertLessEqual(fields, row.keys(), part)
        self.assertEqual(report["seed"], 5)
        self.assertTrue(report["config_hash"])
        self.assertLessEqual({"train", "test", "overlap"}, report["data"].keys())
        self.assertEqual(report["data"]["overlap"], 0)
        self.assertLessEqual({"pretrain", "sft", "critic", "rl", "search", "report"}, {s["name"] for s in report["stages"]})

    def test_budgets_hold(self):
        for row in report_of(made)["search_curve"]:
            spent = row["tokens_per_problem"] + row["critic_tokens_per_problem"]
            if row["budget"] is not None:
                self.assertLessEqual(spent, row["budget"], row)

    def test_a_finished_run_stays_as_it_is(self):
        before = report_of(made)
        self.ponder("run", made.parent / "tiny.yaml", "--out", made)
        self.assertEqual(without_clock(report_of(made)), without_clock(before))

    def test_another_recipe_does_not_continue_the_run(self):
        self.ponder("run", made.parent / "tiny.yaml", "rl.train.steps=5", "--out", made, status=2, says=["steps"])

    def test_report_is_made_from_rows_alone(self):
        before = report_of(made)
        for name in ("report.json", "report.html"):
            (made / name).unlink()
        self.assertEqual(without_clock(self.one("report", made)), without_clock(before))
        self.assertEqual(without_clock(report_of(made)), without_clock(before))
        self.assertTrue((made / "report.html").exists())

    def test_stopped_and_resumed_is_the_same_as_uninterrupted(self):
        out = self.folder / "stopped"
        metrics = out / "metrics.jsonl"
        process = subprocess.Popen([cli.PONDER, "run", made.parent / "tiny.yaml", "--out", out], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=cli.REPOSITORY)
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=120)
        self.assertIn(process.returncode, (0, 130), messages)  # 0: it was done before the signal came
        self.ponder("run", made.parent / "tiny.yaml", "--out", out)
        self.assertEqual(without_clock(report_of(out)), without_clock(report_of(made)))


class Model(CliTest):
    def test_info(self):
        info = self.one("info", made)
        self.assertLessEqual({"family", "parameters", "context"}, info.keys())
        self.assertGreater(info["parameters"], 1000)

    def test_convert(self):
        with tempfile.TemporaryDirectory() as out:
            gguf, again, half = Path(out) / "m.gguf", Path(out) / "again.gguf", Path(out) / "half"
            written = self.one("convert", "--from", made, "--to", gguf)
            self.assertEqual((written["dtype"], written["exact"]), ("F32", True))
            info = self.one("info", gguf)
            self.assertEqual(info["parameters"], self.one("info", made)["parameters"])
            self.assertEqual(info["tokenizer"]["model"], "none")
            for key in ("family", "head_dim", "window"):
                self.assertEqual(info[key], self.one("info", made)[key], key)
            self.assertEqual((info["loads"], info["architecture"]), (True, "llama"))
            other = Path(out) / "other.gguf"  # a decoder that nobody has
            other.write_bytes(gguf.read_bytes().replace(b"llama", b"lxama", 1))
            info = self.one("info", other)
            self.assertEqual((info["loads"], info["family"]), (False, "lxama"))
            self.assertIn("lxama", info["reason"])
            info = self.one("info", gguf)
            self.assertFalse(self.one("convert", "--from", gguf, "--to", again, "--dtype", "q8_0")["exact"])
            self.assertIn("Q8_0", self.one("info", again)["types"])
            self.one("convert", "--from", made, "--to", half, "--dtype", "bf16")
            self.assertEqual(self.one("info", half)["parameters"], info["parameters"])
            self.ponder("convert", "--from", made, "--to", half, status=2, says=["is there already"])
            # What a killed conversion left is removed by the next one to the same place; what lives is not.
            left, lives, foreign = (Path(f"{half}.tmp-{name}") for name in ("1", "2", "20240115"))
            for folder in (left, lives, foreign):
                folder.mkdir()
            (left / ".ponder-convert").touch()
            with open(lives / ".ponder-convert", "w") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX)
                shutil.rmtree(half)
                self.one("convert", "--from", made, "--to", half, "--dtype", "bf16")
            self.assertEqual([f.exists() for f in (left, lives, foreign)], [False, True, True])
            self.assertFalse((half / ".ponder-convert").exists())
            self.ponder("convert", "--from", made, "--to", Path(out) / "q", "--dtype", "q8_0", status=2, says=["--dtype"])
            back = Path(out) / "back"
            self.one("convert", "--from", gguf, "--to", back)
            config, original = (json.loads((folder / "config.json").read_text()) for folder in (back, half))
            for key in ("architectures", "bos_token_id", "eos_token_id", "pad_token_id", "model_type", "head_dim"):
                self.assertEqual(config[key], original[key], key)
            # Blocks, which a directory does not hold, are written as the numbers that they stand for.
            whole = self.one("convert", "--from", again, "--to", Path(out) / "whole")
            self.assertEqual((whole["dtype"], whole["exact"]), ("F32", True))
            rounded = self.ponder("convert", "--from", made, "--to", Path(out) / "r.gguf", "--dtype", "bf16")
            self.assertIn("BF16 (weights of other types are rounded; --dtype f32 keeps them)", rounded.out)
            ids = ("--tokens", "1,2,3,4,5")
            self.assertEqual(self.one("score", "--model", back, *ids), self.one("score", "--model", made, *ids))
            self.ponder("convert", "--from", gguf, "--to", Path(out) / "d", "--dtype", "q8_0", status=2, says=["--dtype"])
            gguf.write_bytes(gguf.read_bytes()[:1000])
            self.ponder("info", gguf, status=3, says=[gguf.name])

    def write_adapter(self, name, b, **more):
        """As PEFT writes them: rank 2, beside the queries of the only layer."""
        width, heads = (self.one("info", made)[key] for key in ("width", "heads"))
        out = heads * self.one("info", made)["head_dim"]
        a_name, b_name = (f"base_model.model.model.layers.0.self_attn.q_proj.lora_{x}.weight" for x in "AB")
        values = {a_name: [math.sin(i) for i in range(2 * width)], b_name: [b * math.cos(i) for i in range(2 * out)]}
        shapes, header, data = {a_name: [2, width], b_name: [out, 2]}, {}, b""
        for tensor, numbers in values.items():
            packed = struct.pack(f"<{len(numbers)}f", *numbers)
            header[tensor] = {"dtype": "F32", "shape": shapes[tensor], "data_offsets": [len(data), len(data) + len(packed)]}
            data += packed
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        folder = self.folder / name
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none", **more}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder

    def test_adapters(self):
        ids = ("--tokens", "1,2,3,4,5,6")
        score = lambda *more: self.one("score", *more, *ids)["logprobs"][1:]
        plain = score("--model", made)
        nothing, adapter = self.write_adapter("nothing", 0), self.write_adapter("adapter", 0.5)
        self.assertEqual(score("--model", made, "--adapter", nothing), plain)
        adapted = score("--model", made, "--adapter", adapter)
        self.assertGreater(max(abs(a - b) for a, b in zip(adapted, plain)), 1e-3)
        merged = self.folder / "merged"
        self.assertEqual(self.one("convert", "--from", made, "--adapter", adapter, "--to", merged)["dtype"], "F32")
        for a, b in zip(score("--model", merged), adapted):
            self.assertAlmostEqual(a, b, places=4)
        self.assertFalse((self.folder / "merged.merged").exists())
        out = self.folder / "logits.safetensors"
        self.one("logits", "--model", made, "--adapter", adapter, *ids, "--out", out)
        sample = self.one("generate", "--model", made, "--adapter", adapter, *ids, "--max-tokens", 4, "--temperature", 1)
        again = score("--model", made, "--adapter", adapter)
        self.assertEqual(again, adapted)
        self.assertEqual(len(sample["tokens"]), len(sample["logprobs"]))
        refused = self.write_adapter("dora", 0, use_dora=True)
        self.ponder("score", "--model", made, "--adapter", refused, *ids, status=3, says=["adapter_config.json", "use_dora"])
        self.ponder("convert", "--from", made, "--adapter", refused, "--to", self.folder / "x", status=3, says=["use_dora"])
        self.assertFalse((self.folder / "x.merged").exists())

    def test_an_adapter_merged_into_a_gguf_file_keeps_its_vocabulary(self):
        base, text = self.folder / "base", "Hello 12 worlds"
        shutil.copytree(next(Path(made).glob("checkpoints/sft/*/config.json")).parent, base)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (base / name).unlink(missing_ok=True)
        data = json.loads((cli.REPOSITORY / "tests/data/tokenizers/qwen2.json").read_text(encoding="utf-8"))
        vocab = json.loads((base / "config.json").read_text())["vocab_size"]
        small = {**data["tokenizer"], "added_tokens": []}  # the model has fewer ids than the fixture
        kept = {t: i for t, i in small["model"]["vocab"].items() if i < vocab}
        merges = [m if isinstance(m, list) else m.split(" ") for m in small["model"]["merges"]]
        small["model"] = {**small["model"], "vocab": kept, "merges": [m for m in merges if {*m, "".join(m)} <= {*kept}]}
        (base / "tokenizer.json").write_text(json.dumps(small))
        gguf, merged = self.folder / "base.gguf", self.folder / "merged.gguf"
        self.one("convert", "--from", base, "--to", gguf, "--dtype", "f32")
        self.one("convert", "--from", gguf, "--adapter", self.write_adapter("zero", 0), "--to", merged)
        ids = lambda model: self.one("tokenize", "--model", model, "--text", text)["ids"]
        self.assertEqual(ids(merged), ids(gguf))

    def test_tokenize_and_back(self):
        text = "Q 13 8 2 > 18 :"
        ids = self.one("tokenize", "--model", made, "--text", text)["ids"]
        self.assertEqual(ids[1:4], [13, 8, 2])
        back = self.one("tokenize", "--model", made, "--decode", "--text", ",".join(map(str, ids)))
        self.assertEqual(back["text"], text)

    def test_tokenize_names_bad_rows(self):
        path = self.file("texts.jsonl", [{"text": "Q 1 2"}, {"text": "no such words"}, "{", {"text": "3 4"}])
        rows = self.rows("tokenize", "--model", made, "--file", path, status=1,
                         says=["texts.jsonl:2", "texts.jsonl:3"])
        self.assertEqual([row["ids"][-1] for row in rows if "ids" in row], [2, 4])
        path = self.file("texts.jsonl", [{"text": 3}, {"words": "3"}])
        self.rows("tokenize", "--model", made, "--file", path, status=1,
                  says=['texts.jsonl:1: "text": expected string', 'texts.jsonl:2: the key "text" is missing'])

    def test_tokenize_needs_no_weights(self):
        data = json.loads((cli.REPOSITORY / "tests/data/tokenizers/qwen2.json").read_text(encoding="utf-8"))
        self.file("tokenizer.json", json.dumps(data["tokenizer"]))
        path = self.file("texts.jsonl", [{"text": case["text"]} for case in data["cases"]])
        rows = self.rows("tokenize", "--model", self.folder, "--file", path)
        self.assertEqual([row["ids"] for row in rows], [case["ids"] for case in data["cases"]])
        rows = self.rows("tokenize", "--model", self.folder, "--file", path, "--no-special", "--plain")
        self.assertEqual([row["ids"] for row in rows], [case["plain"] for case in data["cases"]])
        one_line = [case for case in data["cases"] if not set(case["decoded"]) & set("\x85\u2028\u2029")]
        path = self.file("ids.jsonl", [{"ids": case["ids"]} for case in one_line])
        rows = self.rows("tokenize", "--model", self.folder, "--file", path, "--decode")
        self.assertEqual([row["text"] for row in rows], [case["decoded"] for case in one_line])

    def test_decoding_without_special_tokens(self):
        (ids,) = [row["ids"] for row in self.rows("tokenize", "--model", made, "--text", "ans 3 end", "--no-special")]
        decode = ["tokenize", "--model", made, "--decode", "--text", ",".join(map(str, ids))]
        self.assertEqual(self.one(*decode)["text"], "ans 3 end")
        self.assertEqual(self.one(*decode, "--no-special")["text"], "ans 3")

    def test_an_unknown_word_on_the_command_line_is_bad_input_and_is_named(self):
        for command, option in (("generate", "--prompt"), ("solve", "--prompt"), ("score", "--text"), ("tokenize", "--text")):
            with self.subTest(command):
                self.ponder(command, "--model", made, option, "Q 13 nonsense", status=3, says=[option, '"nonsense"', "word 3"])

    def test_generate_is_seeded_and_score_agrees_with_it(self):
        arguments = ["generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 12, "--seed", 3]
        first = self.one(*arguments)
        self.assertEqual(first, self.one(*arguments))
        self.assertLessEqual(len(first["tokens"]), 12)
        self.assertIn(first["stop_reason"], ("stop", "length"))
        prompt = self.one("tokenize", "--model", made, "--text", "Q 13 8 2 > 18 :")["ids"]
        ids = ",".join(map(str, prompt + first["tokens"]))
        scored = self.one("score", "--model", made, "--tokens", ids)
        self.assertIsNone(scored["logprobs"][0])
        for sampled, read in zip(first["logprobs"], scored["logprobs"][len(prompt):], strict=True):
            self.assertAlmostEqual(sampled, read, delta=1e-4)

    def test_a_limit_for_keys_and_values(self):
        arguments = ["generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 12, "--n", 40]
        self.assertEqual(self.rows(*arguments, "--kv-memory", 1), self.rows(*arguments))
        self.ponder("eval", "--model", made, "--problems", "task:countdown3", "--n", 2, "--workers", 100, "--kv-memory", 1,
                    status=2, says=["--kv-memory", "MiB would do", "fewer --workers"])

    def test_weights_in_blocks(self):
        arguments = ["generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 12]
        for weights in ("q8_0", "q4_0"):
            with self.subTest(weights):
                first = self.one(*arguments, "--weights", weights)
                self.assertEqual(first, self.one(*arguments, "--weights", weights))
                self.assertTrue(first["tokens"])
        self.ponder(*arguments, "--weights", "q4_1", status=2, says=["--weights", "q4_0"])

    def test_keys_and_values_of_eight_bits(self):
        arguments = ["generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 12, "--n", 10]
        rounded = self.rows(*arguments, "--kv-dtype", "int8")
        self.assertEqual(rounded, self.rows(*arguments, "--kv-dtype", "int8", "--kv-memory", 1))
        plain = self.rows(*arguments)
        self.assertEqual(plain, self.rows(*arguments, "--kv-dtype", "auto"))
        self.assertNotEqual([row["logprobs"] for row in rounded], [row["logprobs"] for row in plain])
        self.ponder(*arguments, "--kv-dtype", "int4", status=2, says=["--kv-dtype", "int8"])

    def test_guessing_ahead(self):
        arguments = ["generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 24, "--n", 6]
        greedy = [*arguments, "--temperature", 0]

        def without_counts(rows):
            for row in rows:
                self.assertLessEqual(row.pop("accepted"), row.pop("drafted"))
            return rows

        plain, plain_greedy = self.rows(*arguments), self.rows(*greedy)
        guessed = self.rows(*arguments, "--speculate", "lookup", "--draft-tokens", 6)
        self.assertGreater(sum(row["drafted"] for row in guessed), 0)
        self.assertEqual(without_counts(guessed), plain)
        self.assertGreater(sum(row["drafted"] for row in self.rows(*arguments, "--draft", made)), 0)
        self.assertEqual(without_counts(self.rows(*greedy, "--draft", made)), plain_greedy)
        problems = ["solve", "--model", made, "--problems", "task:countdown3", "--n", 3]
        answers = [[row["text"] for row in self.rows(*problems, *more)]
                   for more in ([], ["--speculate", "lookup"], ["--speculate", "draft", "--draft", made])]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])
        counts = {"tokens_drafted", "tokens_accepted"}
        for row in self.rows(*problems):
            self.assertFalse(counts & row.keys())
        rows = self.folder / "guessed.jsonl"
        evaluated = ["eval", *problems[1:], "--speculate", "lookup"]
        total = self.one(*evaluated, "--rows", rows)
        found = [json.loads(line) for line in rows.read_text().splitlines()]
        for key in counts:
            self.assertEqual(total[key], sum(row.get(key, 0) for row in found))
        self.assertGreater(total["tokens_drafted"], 0)
        self.assertLessEqual(total["tokens_accepted"], total["tokens_drafted"])
        table = self.ponder(*evaluated).out
        self.assertIn("guesses right", table)
        self.assertIn(f"  {total['tokens_accepted']} of {total['tokens_drafted']}  ", table)
        self.ponder(*arguments, "--speculate", "draft", status=2, says=["--draft"])
        self.ponder(*arguments, "--speculate", "lookup", "--draft", made, status=2, says=["--draft"])

    def test_several_samples(self):
        rows = self.rows("generate", "--model", made, "--prompt", "Q 13 8 2 > 18 :", "--max-tokens", 8, "--n", 3)
        self.assertEqual(len(rows), 3)

    def test_logits_agree_with_score(self):
        tokens = [1, 2, 3, 4]
        path = self.folder / "logits.safetensors"
        listed = ",".join(map(str, tokens))
        self.ponder("logits", "--model", made, "--tokens", listed, "--out", path)
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        entry = json.loads(data[8:8 + size])["logits"]
        self.assertEqual((entry["dtype"], entry["shape"][0]), ("F32", len(tokens)))
        width = entry["shape"][1]
        values = struct.unpack(f"<{len(tokens) * width}f", data[8 + size:])
        scored = self.one("score", "--model", made, "--tokens", listed)["logprobs"]
        for t in range(1, len(tokens)):
            row = values[(t - 1) * width:t * width]
            total = math.log(math.fsum(math.exp(v) for v in row))
            self.assertAlmostEqual(row[tokens[t]] - total, scored[t], delta=1e-4)

    def test_score_names_bad_rows(self):
        path = self.file("texts.jsonl", [{"tokens": [1, "2"]}, {"text": "Q 1"}, {"tokens": [1, 100000]}])
        rows = self.rows("score", "--model", made, "--file", path, status=1,
                         says=['texts.jsonl:1: "tokens"[1]: expected integer', "texts.jsonl:3: token id 100000"])
        self.assertEqual(len(rows), 1)

    def test_score_wants_one_input(self):
        self.ponder("score", "--model", made, status=2)


class WithoutTokenizer(CliTest):
    def test_token_ids_do(self):
        bare = self.folder / "bare"
        bare.mkdir()
        for name in ("config.json", "generation_config.json", "model.safetensors"):
            shutil.copy(Path(self.one("info", made)["path"]) / name, bare)
        self.assertEqual(self.one("info", bare)["family"], "llama")
        prompt = "Q 13 8 2 > 18 :"
        ids = ",".join(map(str, self.one("tokenize", "--model", made, "--text", prompt)["ids"]))
        more = ["--max-tokens", 12, "--seed", 3]
        written = self.one("generate", "--model", made, "--prompt", prompt, *more)
        found = self.one("generate", "--model", bare, "--tokens", ids, *more)
        self.assertEqual(found, {**written, "text": None})
        self.assertEqual(self.one("score", "--model", bare, "--tokens", ids), self.one("score", "--model", made, "--tokens", ids))
        self.ponder("generate", "--model", bare, "--prompt", prompt, status=3, says=["tokenizer", "--tokens"])
        self.ponder("generate", "--model", bare, status=2, says=["--prompt", "--tokens"])

    def test_what_a_config_may_not_say_is_named(self):
        bare = self.folder / "odd"
        bare.mkdir()
        source = Path(self.one("info", made)["path"])
        config = json.loads((source / "config.json").read_text())
        (bare / "config.json").write_text(json.dumps(dict(config, model_type="mamba")))
        self.ponder("info", bare, status=3, says=["config.json", "mamba", "llama, mistral, qwen2, qwen3, gemma3_text"])


class Directory(CliTest):
    """A Hugging Face directory whose weights are changed."""

    def setUp(self):
        super().setUp()
        self.bare = self.folder / "bare"
        self.bare.mkdir()
        source = Path(self.one("info", made)["path"])
        for name in ("config.json", "generation_config.json", "tokenizer.json", "model.safetensors"):
            shutil.copy(source / name, self.bare)
        self.weights = self.bare / "model.safetensors"

    def poison(self, tensor, number):
        data = bytearray(self.weights.read_bytes())
        length = struct.unpack("<Q", data[:8])[0]
        begin = 8 + length + json.loads(data[8:8 + length])[tensor]["data_offsets"][0]
        data[begin + 4:begin + 8] = struct.pack("<f", number)
        self.weights.write_bytes(data)

    def test_a_weight_that_is_no_number_is_named(self):
        says = [str(self.weights), "model.layers.0.mlp.up_proj.weight", "NaN or infinite at [0,1]"]
        for number in (math.nan, -math.inf):
            self.poison("model.layers.0.mlp.up_proj.weight", number)
            for arguments in (["score", "--model", self.bare, "--tokens", "1,2"],
                              ["generate", "--model", self.bare, "--tokens", "1,2", "--max-tokens", 2],
                              ["generate", "--model", self.bare, "--tokens", "1,2", "--weights", "q8_0"],
                              ["convert", "--from", self.bare, "--to", self.folder / "m.gguf"]):
                with self.subTest(arguments[0], number=number):
                    self.ponder(*arguments, status=3, says=says)
            self.assertEqual(self.one("info", self.bare)["family"], "llama")  # it reads no weight

    def test_info_holds_the_tables_of_files_against_the_config(self):
        config = self.bare / "config.json"
        right = json.loads(config.read_text())
        self.assertEqual(self.one("info", self.bare)["layers"], 1)
        config.write_text(json.dumps(dict(right, num_hidden_layers=2)))
        self.ponder("info", self.bare, status=3, says=["lack model.layers.1."])
        config.write_text(json.dumps(dict(right, intermediate_size=64)))
        self.ponder("info", self.bare, status=3, says=["model.safetensors", "[48,32]", "[64,32]"])
        config.write_text(json.dumps(right))
        self.weights.write_bytes(self.weights.read_bytes()[:-1])
        self.ponder("info", self.bare, status=3, says=["model.safetensors", "cut off"])
        self.weights.unlink()
        self.ponder("info", self.bare, status=3, says=["neither model.safetensors nor"])
        (self.bare / "pytorch_model.bin").write_bytes(b"PK")
        for command in (["info", self.bare], ["score", "--model", self.bare, "--tokens", "1,2"]):
            self.ponder(*command, status=3, says=["pickles (pytorch_model.bin)", "save_pretrained"])


class Solve(CliTest):
    FIELDS = {"id", "answer", "thought", "text", "tokens_generated", "tokens_processed", "tokens_unique", "tokens_discarded",
              "tokens_recomputed", "critic_tokens", "flops", "seconds", "batch", "search"}

    def solve(self, problems, *more, status=0, says=()):
        return self.rows("solve", "--model", made, "--problems", problems, "--task", "countdown3", *more, status=status,
                         says=says)

    def some_problems(self):
        return self.rows("problems", "--task", "countdown3", "--n", 5)

    def test_rows(self):
        given = self.some_problems()
        rows = self.solve(self.file("problems.jsonl", given))
        self.assertEqual([row["id"] for row in rows], [row["id"] for row in given])
        for row in rows:
            self.assertLessEqual(self.FIELDS, row.keys())
            self.assertEqual(row["batch"], 5)

    def test_what_it_cost(self):
        path = self.file("problems.jsonl", self.some_problems())
        search = ["--search", "bon", "n=8", "max_tokens=24", "--speculate", "lookup"]
        *rows, last = self.solve(path, *search, "--stats")
        self.assertEqual(len(rows), 5)
        stats = last["stats"]
        for key in ("tokens_generated", "tokens_processed", "tokens_unique", "tokens_discarded", "tokens_recomputed", "critic_tokens", "flops"):
            self.assertAlmostEqual(stats[key], sum(row[key] for row in rows), msg=key)
        for key in ("tokens_drafted", "tokens_accepted"):  # of rows that guessed
            self.assertEqual(stats.get(key, 0), sum(row.get(key, 0) for row in rows), key)
        self.assertEqual(stats["problems"], 5)
        self.assertGreater(stats["critic_tokens"], 0)
        self.assertAlmostEqual(stats["tokens_per_second"], stats["tokens_generated"] / stats["seconds"])
        self.assertLessEqual(max(row["seconds"] for row in rows), stats["seconds"])
        self.assertGreater(stats["kv_peak_bytes"], 0)
        short = self.solve(path, *search, "--stats", "--kv-memory", 1)[-1]["stats"]
        self.assertLessEqual(short["kv_peak_bytes"], min(2**20, stats["kv_peak_bytes"]))

        # For people the same figures.
        text = self.ponder("solve", "--model", made, "--problems", path, "--task", "countdown3", *search, "--stats").out
        costs = [line for line in text.splitlines() if line.startswith("  cost: ")]
        self.assertEqual(len(costs), 5)
        for line, row in zip(costs, rows):
            self.assertIn(f"{row['tokens_generated']} tokens written, {row['tokens_processed']} processed", line)
            for said in (f"{row['tokens_unique']} unique", f"{row['critic_tokens']} read to judge", "FLOPs, ", "s beside the others"):
                self.assertIn(said, line)
        self.assertIn("MiB of keys and values at most", text)
        self.assertRegex(text, rf"all 5 +{stats['tokens_generated']} +{stats['tokens_processed']} +{stats['tokens_unique']} ")
        alone = self.ponder("solve", "--model", made, "--prompt", "Q 13 8 2 > 18 :").out
        self.assertIn("  cost: ", alone)
        self.assertNotIn("beside the others", alone)
        self.assertNotIn("MiB", alone)

    def test_a_prompt(self):
        row = self.one("solve", "--model", made, "--prompt", "Q 13 8 2 > 18 :")
        self.assertLessEqual(self.FIELDS, row.keys())

    def test_bad_rows_are_named_and_the_rest_is_solved(self):
        path = self.file("problems.jsonl", [dict(PROBLEM, id="a"), "{", {"id": "c", "numbers": "none"}, dict(PROBLEM, id="d")])
        rows = self.solve(path, status=1, says=["problems.jsonl:2", "problems.jsonl:3"])
        self.assertEqual([row.get("id", row.get("line")) for row in rows], ["a", 2, 3, "d"], "in the order of the file")

    def test_an_answer_depends_on_its_problem_and_the_seed_alone(self):
        given = self.some_problems()
        search = ["--search", "majority", "n=4", "max_tokens=24", "--seed", 7]
        together = self.solve(self.file("all.jsonl", given), *search)
        for row, found in zip(given, together, strict=True):
            (alone,) = self.solve(self.file("one.jsonl", [row]), *search)
            # How much of a prefix the cache held depends on the neighbours; the text does not.
            for key in ("text", "answer", "tokens_generated"):
                self.assertEqual(alone[key], found[key], key)

    def test_budget_is_never_exceeded(self):
        path = self.file("problems.jsonl", self.some_problems())
        for strategy in ("sample", "majority", "bon", "beam", "dvts", "mcts"):
            with self.subTest(strategy):
                for row in self.solve(path, "--search", strategy, "--budget-tokens", 100):
                    self.assertLessEqual(row["tokens_generated"] + row["critic_tokens"], 100)

    def test_a_budget_of_flops_is_of_all_models(self):
        path = self.file("problems.jsonl", self.some_problems())
        for strategy in ("majority", "mcts"):
            with self.subTest(strategy):
                little, much = (self.solve(path, "--search", strategy, "max_tokens=24", "--budget-flops", budget) for budget in (3e6, 3e7))
                self.assertTrue(all(row["flops"] <= 3e6 for row in little), little)
                self.assertTrue(all(row["flops"] <= 3e7 for row in much), much)
                self.assertGreater(sum(row["flops"] for row in much), 2 * sum(row["flops"] for row in little))

    def test_a_budget_of_seconds_says_that_it_is_not_reproducible(self):
        path = self.file("problems.jsonl", self.some_problems())
        rows = self.solve(path, "--search", "majority", "--budget-seconds", "0.3", says=["not reproducible"])
        self.assertEqual([row["reproducible"] for row in rows], [False] * 5)
        self.assertNotIn("reproducible", self.solve(path)[0])
        total = self.one("eval", "--model", made, "--problems", "task:countdown3", "--n", 3, "--search", "majority", "--budget-seconds", "0.3")
        self.assertFalse(total["reproducible"])

    def test_the_tree_of_a_problem(self):
        path = self.file("problems.jsonl", self.some_problems()[:2])
        search = ["--search", "mcts", "sims=12", "max_tokens=24"]
        one, all_of_them = self.folder / "one.json", self.folder / "trees"
        rows = self.solve(path, *search, "--dump", one)
        self.assertEqual(len(self.solve(path, *search, "--dump", f"{all_of_them}/")), 2)
        self.assertEqual(sorted(p.name for p in all_of_them.iterdir()), ["0001.json", "0002.json"])
        dump, again = json.loads(one.read_text()), json.loads((all_of_them / "0001.json").read_text())
        for tree in (dump, again):
            del tree["seconds"], tree["tokens_processed"], tree["tokens_recomputed"], tree["flops"]
        self.assertEqual(dump, again)
        self.assertEqual(dump["search"]["given"], search[2:])
        self.assertEqual(dump["search"]["options"]["sims"], 12)
        self.assertTrue(dump["question"])
        for file, row in zip((one, all_of_them / "0002.json"), rows, strict=True):
            figures = self.one("tree", file, "--out", self.folder / "tree.html")
            self.assertEqual((figures["id"], figures["answer"]), (row["id"], row["answer"]))
            self.assertEqual(figures["answers"], len([c for c in row["search"]["candidates"] if c["answer"] is not None]))
            self.assertIn("mcts sims=12", self.ponder("tree", file).out)

    def test_unknown_strategy_and_option_name_the_nearest(self):
        path = self.file("problems.jsonl", [PROBLEM])
        common = ["solve", "--model", made, "--problems", path, "--task", "countdown3"]
        self.ponder(*common, "--search", "maority", status=2, says=["maority", "majority"])
        self.ponder(*common, "--search", "beam", "beam_widht=2", status=2, says=["beam_widht", "beam_width"])


class Eval(CliTest):
    def test_accuracy_is_that_of_its_rows(self):
        rows_file = self.folder / "rows.jsonl"
        found = self.one("eval", "--model", made, "--problems", "task:countdown3", "--n", 6, "--rows", rows_file)
        self.assertLessEqual({"n", "accuracy", "stderr", "tokens_per_problem"}, found.keys())
        rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
        self.assertEqual((len(rows), found["n"]), (6, 6))
        right = sum(row["verdict"] == "correct" for row in rows)
        self.assertAlmostEqual(found["accuracy"], right / 6)
        for total, key in (("tokens", "tokens_generated"), ("tokens_processed", "tokens_processed"), ("tokens_unique", "tokens_unique"),
                           ("tokens_discarded", "tokens_discarded"), ("tokens_recomputed", "tokens_recomputed"), ("critic_tokens", "critic_tokens"), ("flops", "flops")):
            self.assertAlmostEqual(found[f"{total}_per_problem"], sum(row[key] for row in rows) / 6, msg=key)
        self.assertAlmostEqual(found["seconds_per_problem"], found["seconds"] / 6)
        self.assertAlmostEqual(found["tokens_per_second"], found["tokens_per_problem"] / found["seconds_per_problem"])
        self.assertGreater(found["kv_peak_bytes"], 0)
        self.assertNotIn("flips", found)  # nothing was revised

    def test_for_people_it_says_what_it_cost(self):
        text = self.ponder("eval", "--model", made, "--problems", "task:countdown3", "--n", 6).out
        self.assertRegex(text, r"^accuracy [01]\.\d{3}  95% interval \[.*\]  n 6  \d+ tokens a problem  \(greedy, seed 1\)\n")
        self.assertRegex(text, r"written +processed +unique +discarded +again +read to judge +FLOPs +time\n  tokens a problem ")
        self.assertRegex(text, r"tokens/s written, [0-9.]+ MiB of keys and values at most\n")

    def test_bad_rows_are_named_and_counted_out(self):
        path = self.file("problems.jsonl", [PROBLEM, "nonsense", PROBLEM])
        result = self.ponder("eval", "--model", made, "--problems", path, "--task", "countdown3", "--json", status=1,
                             says=["problems.jsonl:2"])
        self.assertEqual(result.rows()[0]["n"], 2)

    def test_unknown_split(self):
        self.ponder("eval", "--model", made, "--problems", "task:countdown3:tets", status=2, says=["tets", "test"])


if __name__ == "__main__":
    cli.main()
