#!/usr/bin/env python3
"""generate, solve and eval on a model that writes words: a small Hugging Face directory whose every token is known."""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cli
import words_model
from cli import CliTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from browser import Browser, missing  # noqa: E402

CHAT_ML = ("{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}"
           "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}")

folder = None
base_model = None  # says " 7\nQuestion: 7\nQuestion: …" behind a prompt
chat_model = None  # says "#### 7" and ends


def ids_of(model, text, *more):
    result = cli.run("tokenize", "--model", model, "--text", text, "--no-special", "--json", *more)
    return json.loads(result.out)["ids"]


def make(name, said, end="<|im_end|>", loop=False, behind="\nAnswer:", **more):
    """A model that writes `said` behind `behind`, then again with `loop`, else its end token."""
    path = Path(folder.name) / name
    words_model.write(path, cli.REPOSITORY, {}, 0, **more)
    [end_id] = ids_of(path, end)
    chain, token = {}, ids_of(path, behind)[-1]
    start = token
    for letter in said:  # a token each: the vocabulary's longer ones would be others in other places
        [following] = ids_of(path, letter)
        assert token not in chain, f"{name}: {letter!r} has to stand once"
        chain[token] = following
        token = following
    chain[token] = start if loop else end_id
    return words_model.write(path, cli.REPOSITORY, chain, end_id, **more)


def setUpModule():
    global folder, base_model, chat_model
    folder = tempfile.TemporaryDirectory()
    base_model = make("base", " 7\nQuestion", loop=True)
    chat_model = make("chat", "$7", behind="<|im_start|>assistant\n", chat_template=CHAT_ML)


def tearDownModule():
    folder.cleanup()


class Generate(CliTest):
    def generate(self, *more, **kwargs):
        return self.rows("generate", "--model", base_model, "--prompt", "Answer:", "--temperature", 0, *more, **kwargs)

    def test_without_a_stop_text_it_goes_on(self):
        [row] = self.generate("--max-tokens", 13)
        self.assertEqual((row["text"], row["stop_reason"]), (" 7\nQuestion: ", "length"))

    def test_text_ends_before_the_stop_text_and_tokens_hold_what_was_written(self):
        [row] = self.generate("--max-tokens", 40, "--stop", "tion:")
        self.assertEqual((row["text"], row["stop_reason"]), (" 7\nQues", "stop"))
        text = self.one("tokenize", "--model", base_model, "--decode", "--text", ",".join(map(str, row["tokens"])))["text"]
        self.assertEqual(text, " 7\nQuestion:")
        self.assertEqual(len(row["logprobs"]), len(row["tokens"]))

    def test_the_first_of_several_counts_and_samples_agree(self):
        rows = self.generate("--stop", "xyz", "--stop", "\nQ", "--stop", "Question", "--n", 3)
        self.assertEqual([row["text"] for row in rows], [" 7"] * 3)
        plain = self.ponder("generate", "--model", base_model, "--prompt", "Answer:", "--temperature", 0, "--stop", "\nQ")
        self.assertEqual(plain.out, " 7\n")

    def test_an_end_token_may_be_a_stop_text(self):
        [end] = ids_of(chat_model, "<|im_end|>")
        [row] = self.rows("generate", "--model", chat_model, "--tokens", end, "--stop", "<|im", "--temperature", 0)
        self.assertEqual((row["tokens"], row["text"], row["stop_reason"]), ([end], "", "stop"))

    def test_a_stop_text_that_cannot_be_one(self):
        self.ponder("generate", "--model", base_model, "--prompt", "a", "--stop", "", status=2, says=["--stop", "empty"])
        self.ponder("generate", "--model", base_model, "--prompt", "a", "--stop", "x" * 2000, status=2, says=["--stop", "1000"])


class SpecialTokens(CliTest):
    TEXT = "<|im_start|>user\nHow many?<|im_end|>\n"

    def test_they_are_text_unless_they_are_asked_for(self):
        plain, special = ids_of(chat_model, self.TEXT, "--plain"), ids_of(chat_model, self.TEXT)
        self.assertLess(len(special), len(plain))
        file = self.file("texts.jsonl", [{"text": self.TEXT}])
        logits, by_ids = self.folder / "logits.safetensors", self.folder / "by_ids.safetensors"
        for ids, more in ((plain, []), (special, ["--special"])):
            for given in (["--text", self.TEXT], ["--file", file]):
                self.assertEqual(self.one("score", "--model", chat_model, *given, *more)["tokens"], ids)
            self.ponder("logits", "--model", chat_model, "--text", self.TEXT, "--out", logits, *more)
            self.ponder("logits", "--model", chat_model, "--tokens", ",".join(map(str, ids)), "--out", by_ids)
            self.assertEqual(logits.read_bytes(), by_ids.read_bytes())
        self.ponder("logits", "--model", chat_model, "--text", "a", "--tokens", "1", "--out", logits, status=2, says=["--text"])

    def test_generate_goes_on_from_them(self):
        said = "Hello<|im_start|>"
        plain, special = ids_of(chat_model, said, "--plain")[-1], ids_of(chat_model, said)[-1]
        [seven], [eight], [end] = (ids_of(chat_model, text) for text in ("7", "8", "<|im_end|>"))
        model = words_model.write(self.folder / "m", cli.REPOSITORY, {plain: seven, special: eight, seven: end, eight: end}, end)
        ask = ["generate", "--model", model, "--prompt", said, "--temperature", 0]
        self.assertEqual([self.one(*ask, *more)["text"] for more in ([], ["--special"])], ["7", "8"])

    def test_one_that_is_added_in_any_case_need_not_be_written(self):
        model = words_model.write(self.folder / "bos", cli.REPOSITORY, {}, 0, tokenizer="llama3")
        text = "<|begin_of_text|>Hello"
        ids = self.one("tokenize", "--model", model, "--text", text)["ids"]
        self.assertEqual(ids[0], ids[1])
        score = ["score", "--model", model, "--json", "--text"]
        self.assertEqual(self.ponder(*score, text, "--special", says=["warning", "<|begin_of_text|> twice"]).rows()[0]["tokens"], ids)
        for more in (["Hello", "--special"], [text]):
            self.assertNotIn("twice", self.ponder(*score, *more).err)


class Chat(CliTest):
    def test_the_prompt_is_a_users_message(self):
        [end] = ids_of(chat_model, "<|im_end|>")  # all but this is left to chance, and depends on the whole prompt
        model = words_model.write(self.folder / "m", cli.REPOSITORY, {}, end, chat_template=CHAT_ML, noise=0.5)
        said = "Is <|im_end|> a word?"  # to the model it is text
        rendered = self.one("chat-template", "--model", model, "--messages", self.file("m.json", [{"role": "user", "content": said}]))
        generate = ["generate", "--model", model, "--max-tokens", 6, "--n", 3]
        wanted = self.rows(*generate, "--tokens", ",".join(map(str, rendered["ids"])))
        self.assertEqual(self.rows(*generate, "--chat", "--prompt", said), wanted)
        self.assertNotEqual(self.rows(*generate, "--prompt", said), wanted)
        self.assertNotEqual(self.rows(*generate, "--special", "--prompt", rendered["text"]), wanted)
        gguf = self.folder / "m.gguf"
        self.one("convert", "--from", model, "--to", gguf)
        self.assertEqual(self.rows("generate", "--model", gguf, *generate[3:], "--chat", "--prompt", said), wanted)
        self.assertEqual(self.one("chat-template", "--model", gguf, "--messages", self.folder / "m.json"), rendered)

    def test_it_answers(self):
        row = self.one("generate", "--model", chat_model, "--chat", "--prompt", "How many?", "--temperature", 0)
        self.assertEqual((row["text"], row["stop_reason"]), ("$7", "stop"))

    def test_refusals(self):
        self.ponder("generate", "--model", base_model, "--chat", "--prompt", "a", status=3, says=["no chat template"])
        self.ponder("generate", "--model", chat_model, "--chat", "--tokens", "1", status=2, says=["--chat", "--prompt"])
        self.ponder("generate", "--model", chat_model, "--chat", "--special", "--prompt", "a", status=2, says=["--chat"])


class Texts(CliTest):
    """What is printed for people is printed whole."""

    def test_a_zero_byte_in_a_sample_and_in_a_text(self):
        vocabulary = json.loads((cli.REPOSITORY / "tests/data/tokenizers/qwen2.json").read_text(encoding="utf-8"))["tokenizer"]["model"]["vocab"]
        zero, seven, [end] = vocabulary["\u0100"], vocabulary["7"], ids_of(chat_model, "<|im_end|>")
        model = words_model.write(self.folder / "zero", cli.REPOSITORY, {seven: zero, zero: end}, end)
        self.assertEqual(self.ponder("generate", "--model", model, "--prompt", "7", "--temperature", 0).out, "\0\n")
        ids = f"{seven},{zero},{seven}"
        self.assertEqual(self.ponder("tokenize", "--model", model, "--decode", "--text", ids).out, "7\0" "7\n")

    def test_a_rendered_chat_is_the_templates_bytes(self):
        messages = self.file("m.json", [{"role": "user", "content": "a\0b"}])
        rendered = self.ponder("chat-template", "--model", chat_model, "--messages", messages)
        self.assertEqual(rendered.out, "<|im_start|>user\na\0b<|im_end|>\n<|im_start|>assistant\n")


class Solve(CliTest):
    def test_rows_of_a_base_model(self):
        row = self.one("solve", "--model", base_model, "--prompt", "How many?")
        self.assertLessEqual({"id", "answer", "thought", "text", "tokens_generated", "tokens_processed", "critic_tokens",
                              "seconds", "search"}, row.keys())
        self.assertEqual((row["id"], row["answer"], row["text"]), ("prompt", "7", " 7"))
        self.assertEqual(row["tokens_generated"], len(ids_of(base_model, " ")) + len("7\nQuestion:"))

    def test_plain_style_has_no_stop_text_and_a_cut_completion_no_answer(self):
        row = self.one("solve", "--model", base_model, "--prompt", "How many?", "--style", "plain", "max_tokens=20")
        self.assertEqual((row["answer"], row["tokens_generated"]), (None, 20))
        row = self.one("solve", "--model", base_model, "--prompt", "How many?", "--style", "plain", "--stop", "\nQues",
                       "max_tokens=20")
        self.assertEqual((row["answer"], row["text"]), ("7", " 7"))

    def test_a_completion_has_room_for_a_solution_and_no_more(self):
        row = self.one("solve", "--model", base_model, "--prompt", "How many?", "--style", "plain")
        self.assertEqual(row["tokens_generated"], 512)

    def test_chats(self):
        row = self.one("solve", "--model", chat_model, "--prompt", "How many?", "--system", "Be brief.")
        self.assertEqual((row["answer"], row["text"]), ("7", "$7"))
        self.ponder("solve", "--model", base_model, "--prompt", "a", "--style", "chat", status=2, says=["chat template"])

    def test_examples_of_a_user(self):
        examples = self.file("examples.jsonl", [{"question": "2 + 2?", "solution": "#### 4"}])
        self.one("solve", "--model", base_model, "--prompt", "How many?", "--examples", examples, "--shots", 1)
        bad = self.file("bad.jsonl", [{"question": "2 + 2?"}])
        self.ponder("solve", "--model", base_model, "--prompt", "a", "--examples", bad, status=3, says=["bad.jsonl:1", "solution"])
        self.ponder("solve", "--model", base_model, "--prompt", "a", "--shots", 9, status=2, says=["shots"])

    def test_too_long_a_prompt_is_named(self):
        rows = [{"id": "short", "question": "How many?"}, {"id": "long", "question": "word " * 3000}]
        out = self.rows("solve", "--model", base_model, "--problems", self.file("p.jsonl", rows), status=1, says=["p.jsonl:2", "tokens"])
        self.assertEqual(out[0]["answer"], "7")

    def test_searches_vote_and_walk_lines(self):
        for search in ("majority", "bon", "beam", "best-first", "mcts"):
            row = self.one("solve", "--model", base_model, "--prompt", "How many?", "--search", search, "n=4" if search != "mcts" else "sims=4")
            self.assertEqual(row["answer"], "7", search)
            self.assertTrue(row["text"].startswith(" 7"), search)

    def test_a_discriminator(self):
        asked = ["solve", "--model", base_model, "--prompt", "How many?", "--search", "rstar", "sims=4", "checks=2"]
        alone = self.one(*asked)
        found = self.one(*asked, "--discriminator", base_model)
        self.assertEqual((alone["answer"], alone["text"]), ("7", " 7"))
        for key in ("answer", "text", "tokens_generated"):
            self.assertEqual(found[key], alone[key], key)
        self.assertEqual(found["search"]["score"], alone["search"]["score"])
        # It reads the prompt and what is not covered up, and that is paid for; the model itself has them at hand.
        prompt = len(ids_of(base_model, "How many?"))
        self.assertGreater(found["critic_tokens"], alone["critic_tokens"] + prompt)
        self.assertGreater(found["discriminator_processed"], prompt)
        self.assertNotIn("discriminator_processed", alone)

    def test_what_is_no_discriminator(self):
        asked = ["solve", "--model", base_model, "--prompt", "How many?"]
        self.ponder(*asked, "--discriminator", base_model, status=2, says=["--discriminator", "rstar"])
        self.ponder(*asked, "--discriminator", base_model, "--search", "rstar", "reserve=0", status=2, says=["reserve"])
        other = words_model.write(self.folder / "llama", cli.REPOSITORY, {}, 0, tokenizer="llama3")
        for option, more in (("discriminator", ["--search", "rstar"]), ("draft", [])):
            self.ponder(*asked, f"--{option}", other, *more, status=2, says=[f"--{option}", f"a {option} must have the model's own"])
        short = words_model.write(self.folder / "short", cli.REPOSITORY, {}, 0, context=64)
        self.ponder(*asked, "--discriminator", short, "--search", "rstar", status=2, says=["--discriminator", "reads 64 tokens"])


class Eval(CliTest):
    def test_accuracy_is_that_of_the_answers(self):
        rows = [{"id": str(i), "question": f"How many, number {i}?", "gold": gold} for i, gold in enumerate(["7", "7.0", "$7", "8"])]
        problems = self.file("p.jsonl", rows)
        for search in (["--search", "greedy"], ["--search", "majority", "n=4"]):
            out = self.folder / "rows.jsonl"
            result = self.one("eval", "--model", base_model, "--problems", problems, "--task", "svamp", "--rows", out, *search)
            self.assertEqual((result["n"], result["accuracy"]), (4, 0.75))
            rows = [json.loads(line) for line in out.read_text().splitlines()]
            self.assertEqual([row["verdict"] for row in rows], ["correct"] * 3 + ["wrong"])
        self.assertEqual(self.one("eval", "--model", chat_model, "--problems", problems)["accuracy"], 0.75)

    def test_what_revising_flips(self):
        # " 7" or " 8" at each turn, by a coin: feedback is no help, and there is none.
        [colon, space, seven, eight, end] = [ids_of(base_model, text)[-1] for text in (":", " ", "7", "8", "<|im_end|>")]
        coin = words_model.write(self.folder / "coin", cli.REPOSITORY, {colon: space, space: [seven, eight], seven: end, eight: end}, end)
        revise = ["--search", "revise", "n=2", "rounds=3", "feedback=none", "temperature=1", "max_tokens=8"]

        def graded(gold, *search):
            rows = [{"id": str(i), "question": f"How many, number {i}?", "gold": gold} for i in range(20)]
            out = self.folder / "rows.jsonl"
            total = self.one("eval", "--model", coin, "--problems", self.file("p.jsonl", rows), "--task", "svamp", "--rows", out, *search)
            return total, [json.loads(line) for line in out.read_text().splitlines()]

        (sevens, rows), (eights, others) = graded("7", *revise), graded("8", *revise)
        self.assertEqual([f["round"] for f in sevens["flips"]], [1, 2, 3])
        expected = [dict.fromkeys(("n", "incorrect_to_correct", "correct_to_incorrect", "correct_before", "correct_after", "cut"), 0) for _ in range(3)]
        for row in rows:
            answers, rounds = row["search"]["candidates"], {}
            for i, answer in enumerate(answers):
                rounds[i] = rounds[answer["revises"]] + 1 if "revises" in answer else 0
                if rounds[i] == 0:
                    continue
                flips, before, now = expected[rounds[i] - 1], answers[answer["revises"]]["answer"] == "7", answer["answer"] == "7"
                flips["n"] += 1
                flips["incorrect_to_correct"] += now and not before
                flips["correct_to_incorrect"] += before and not now
                flips["correct_before"] += before
                flips["correct_after"] += now
        self.assertEqual(sevens["flips"], [{"round": r + 1, **flips} for r, flips in enumerate(expected)])
        self.assertEqual([f["n"] for f in expected], [40] * 3)
        self.assertGreater(min(f["incorrect_to_correct"] for f in expected), 0)
        # Another gold, and nothing but the grades is another: what is a flip to right for the one is one to wrong for the other.
        for seven, eight in zip(sevens["flips"], eights["flips"], strict=True):
            self.assertEqual((seven["incorrect_to_correct"], seven["correct_to_incorrect"]),
                             (eight["correct_to_incorrect"], eight["incorrect_to_correct"]))
        for row in rows + others:
            for key in ("verdict", "reason", "seconds"):
                row.pop(key, None)
        self.assertEqual(rows, others)

        text = self.ponder("eval", "--model", coin, "--problems", self.folder / "p.jsonl", "--task", "svamp", *revise).out
        self.assertRegex(text, r"revision +answers +wrong to right +right to wrong +right before +right after +cut\n  round 1 +40 ")
        self.assertNotIn("flips", graded("7", "--search", "majority", "n=4", "max_tokens=8")[0])

        out = self.folder / "study"
        study = self.one("scaling", "search", "--model", coin, "--problems", self.folder / "p.jsonl", "--task", "svamp", "--n", 20,
                         "--budgets", "2000", "--pool", 4, "--out", out, "majority", " ".join(revise[1:]))
        [point] = [p for p in study["curves"] if p["strategy"] == " ".join(revise[1:])]
        self.assertEqual([(f["round"], f["n"]) for f in point["flips"]], [(1, 40), (2, 40), (3, 40)])
        found = [json.loads(line)["found"] for line in next(out.glob("revise*.jsonl")).read_text().splitlines()]
        changed = sum("revises" in f and f["correct"] and not found_of[f["revises"]]["correct"] for found_of in found for f in found_of)
        self.assertEqual(changed, sum(f["incorrect_to_correct"] for f in point["flips"]))
        if missing():
            return
        browser = Browser()
        try:
            browser.open(out / "scaling.html")
            self.assertEqual(browser.messages(), [])
            cells = browser.run("return [...document.querySelectorAll('#flips tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
            self.assertEqual([row[2:6] for row in cells],
                             [[str(f[key]) for key in ("round", "n", "incorrect_to_correct", "correct_to_incorrect")] for f in point["flips"]])
        finally:
            browser.close()

    def test_a_task_of_files(self):
        data = self.folder / "data" / "svamp"
        data.mkdir(parents=True)
        (data / "SVAMP.json").write_text(json.dumps(
            [{"ID": f"chal-{i}", "Body": f"There are {i} books", "Question": "How many?", "Equation": f"( {i}.0 + 0.0 )",
              "Answer": float(i), "Type": "Addition"} for i in range(1, 1001)]))
        result = self.one("eval", "--model", base_model, "--problems", "task:svamp:train", "--n", 5, "--data", data.parent)
        self.assertEqual(result["n"], 5)
        self.ponder("eval", "--model", base_model, "--problems", "task:svamp:dev", "--n", 5, "--data", data.parent, status=2,
                    says=["train (700)", "test (300)"])
        rows = self.rows("problems", "--task", "svamp", "--split", "test", "--n", 3, "--data", data.parent)
        self.assertEqual(len(rows), 3)


class Adapter(CliTest):
    """A run that trains an adapter: killed and resumed, and its directory as a model."""

    def setUp(self):
        super().setUp()
        self.base = words_model.write(self.folder / "base", cli.REPOSITORY, {}, 0, noise=0.1)
        data = self.folder / "data" / "svamp"
        data.mkdir(parents=True)
        (data / "SVAMP.json").write_text(json.dumps(
            [{"ID": f"chal-{i}", "Body": f"There are {i} books", "Question": "How many?", "Equation": f"( {i}.0 + 0.0 )",
              "Answer": float(i), "Type": "Addition"} for i in range(1, 401)]))
        self.overrides = [f"init.from={self.base}", f"data={data.parent}", "init.lora.r=4", "stages=[sft,rl,report]",
                          "sft.train.steps=12", "sft.train.checkpoint_every=3", "rl.train.checkpoint_every=1"]

    def run_words(self, out):
        self.ponder("run", "recipes/micro-words.yaml", *self.overrides, "--out", out)

    def kill_behind(self, out, rows):
        """Starts or resumes the run and kills it when so many rows are there."""
        metrics = out / "metrics.jsonl"
        process = subprocess.Popen([cli.PONDER, "run", "recipes/micro-words.yaml", *self.overrides, "--out", out],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cli.REPOSITORY)
        while process.poll() is None and not (metrics.exists() and metrics.read_bytes().count(b"\n") >= rows):
            time.sleep(0.002)
        process.kill()
        process.wait()

    def test_killed_and_resumed_ends_in_the_same_bits(self):
        whole, killed = self.folder / "whole", self.folder / "killed"
        self.run_words(whole)
        last = (whole / "metrics.jsonl").read_bytes().count(b"\n")
        for rows in (4, 8, last - 6, last - 3):
            self.kill_behind(killed, rows)
        self.run_words(killed)
        for stage in ("sft", "rl"):
            ends = [max((out / "checkpoints" / stage).glob("step-*")) for out in (whole, killed)]
            self.assertEqual(ends[0].name, ends[1].name)
            for name in ("adapter_model.safetensors", "adapter_config.json", "optimizer.safetensors"):
                self.assertEqual(*[(end / name).read_bytes() for end in ends], f"{stage} {name}")
            self.assertFalse((ends[0] / "model.safetensors").exists())

        info = self.one("info", killed)
        self.assertEqual((info["adapter"]["r"], info["adapter"]["base"]), (4, str(self.base)))
        self.assertEqual(self.one("doctor", killed)["findings"], self.one("doctor", whole)["findings"])
        self.assertEqual(self.one("replay", killed, "--step", 2)["mismatches"], [])
        self.one("report", killed)
        score = lambda *more: self.one("score", *more, "--text", "Question: How many?")["logprobs"][1:]
        adapted, merged = score("--model", killed), self.folder / "merged.gguf"
        self.assertNotEqual(adapted, score("--model", self.base))
        self.assertEqual(adapted, score("--model", self.base, "--adapter", killed))
        self.one("convert", "--from", killed, "--to", merged)
        for a, b in zip(score("--model", merged), adapted):
            self.assertAlmostEqual(a, b, places=4)
        prompt = ("--prompt", "How many?", "--style", "plain", "max_tokens=8")
        answers = [self.one("solve", *model, *prompt)["text"]
                   for model in (["--model", killed], ["--model", self.base, "--adapter", killed])]
        self.assertEqual(*answers)


if __name__ == "__main__":
    cli.main()
