#!/usr/bin/env python3
"""The command contract as far as it needs no model: help, bad usage, bad files, problems, verify, loss."""
import json
import math
import os
import re
import subprocess
import time
from pathlib import Path

import cli
from cli import CliTest

COMMANDS = ["run", "report", "doctor", "replay", "solve", "eval", "scaling", "tree", "generate", "score", "logits", "tokenize",
            "chat-template", "info", "convert", "verify", "problems", "loss", "bench"]


class Help(CliTest):
    def test_top_help_lists_every_command(self):
        result = self.ponder("--help")
        for command in COMMANDS:
            self.assertRegex(result.out, rf"(?m)^\s+{command}\s")
        self.assertIn("130", result.out, "the exit statuses belong to the help")

    def test_every_command_has_help(self):
        for command in COMMANDS:
            with self.subTest(command):
                result = self.ponder(command, "--help")
                self.assertIn("--json", result.out)
                self.assertEqual(result.err, "")

    def test_examples_in_the_documents_name_options_that_exist(self):
        examples = {command: [] for command in COMMANDS}
        for page in [*cli.REPOSITORY.glob("*.md"), *cli.REPOSITORY.glob("docs/**/*.md")]:
            text = page.read_text(encoding="utf-8")
            for command, rest in re.findall(rf"(?m)(?:\bponder +|^\| `)({'|'.join(COMMANDS)})\b([^`#|\n]*)", text):
                examples[command] += [(page.name, option) for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)]
        for command, options in examples.items():
            help_text = self.ponder(command, "--help").out
            for page, option in options:
                self.assertRegex(help_text, rf"(?m){option}(?![a-z-])", f"{page}: ponder {command}")
            self.assertTrue(options or command in ("report", "doctor", "info"), f"no document shows how {command} is called")

    def test_version(self):
        self.assertRegex(self.ponder("--version").out, r"^ponder \d+\.\d+\.\d+\n$")
        self.assertRegex(json.loads(self.ponder("--version", "--json").out)["version"], r"^\d+\.\d+\.\d+$")

    def test_every_knob_of_a_recipe(self):
        knobs = json.loads(self.ponder("run", "recipes/micro.yaml", "--options", "--json").out)
        (steps,) = [knob for knob in knobs if knob["name"] == "rl.train.steps"]
        self.assertEqual((steps["default"], steps["type"]), ("6", "whole number"))
        plain = self.ponder("run", "recipes/micro.yaml", "--options").out
        self.assertEqual(plain.count("\n"), len(knobs))


class HugePages(CliTest):
    """The launcher begins once more with a tunable of glibc's, unless the user has set the variable, if only to nothing."""

    def tunables(self, **env):
        command = [cli.PONDER, "run", "recipes/micro.yaml", "--out", str(self.folder / "run")]
        others = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
        with subprocess.Popen(command, env={**others, **env}, cwd=cli.REPOSITORY, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            try:
                while "libponder_commands" not in Path(f"/proc/{process.pid}/maps").read_text():
                    self.assertIsNone(process.poll(), "the run ended before it began")
                    time.sleep(0.01)
                began_with = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            finally:
                process.kill()
        return [word.partition(b"=")[2].decode() for word in began_with if word.startswith(b"GLIBC_TUNABLES=")]

    def test_they_are_asked_for(self):
        self.assertEqual(self.tunables(), ["glibc.malloc.hugetlb=1"])

    def test_the_users_word_stands(self):
        self.assertEqual(self.tunables(GLIBC_TUNABLES=""), [""])
        self.assertEqual(self.tunables(GLIBC_TUNABLES="glibc.malloc.perturb=0"), ["glibc.malloc.perturb=0"])


class LostOutput(CliTest):
    def test_results_that_cannot_be_written_are_a_failure(self):
        for arguments in (["--version"], ["--help"], ["problems", "--task", "countdown3", "--n", "3"]):
            with self.subTest(arguments):
                done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', cli.PONDER, *arguments], capture_output=True,
                                      text=True, cwd=cli.REPOSITORY, timeout=60)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn("standard output", done.stderr)


class BadUsage(CliTest):
    def test_no_command(self):
        self.ponder(status=2)

    def test_unknown_command_names_the_nearest(self):
        self.ponder("evla", status=2, says=['"evla"', '"eval"'])

    def test_unknown_option_and_missing_argument(self):
        self.ponder("verify", "--in", "x.jsonl", "--nonsense", status=2, says=["--nonsense", "ponder verify --help"])
        self.ponder("verify", status=2, says=["--in"])
        self.ponder("run", status=2, says=["recipe"])

    def test_number_out_of_range(self):
        self.ponder("generate", "--model", "nowhere", "--prompt", "x", "--top-p", "2", status=2, says=["--top-p"])

    def test_unknown_task_names_the_nearest(self):
        self.ponder("problems", "--task", "countdwn3", status=2, says=["countdwn3", "countdown3"])

    def test_errors_leave_standard_output_empty(self):
        result = self.ponder("verify", "--task", "countdown3", "--in", self.folder / "none.jsonl", "--json", status=3)
        self.assertEqual(result.out, "")


class BadRecipes(CliTest):
    """A recipe that is not right ends with status 2 before anything is made, and says where and what would be right."""

    def refuse(self, text, says, overrides=()):
        recipe = self.file("recipe.yaml", text)
        out = self.folder / "run"
        self.ponder("run", recipe, *overrides, "--out", out, status=2, says=says)
        self.assertFalse((out / "metrics.jsonl").exists(), "a refused recipe leaves no rows")

    def test_unknown_key(self):
        self.refuse("name: test\nrl:\n  promts: 3\n", ["recipe.yaml:3", '"promts"', '"prompts"'])
        self.refuse("rl:\n  train:\n    stepz: 3\n", ["recipe.yaml:3", '"stepz"', '"steps"'])

    def test_unknown_section(self):
        self.refuse("name: test\nsearhc:\n  pool: 3\n", ["recipe.yaml:2", '"searhc"', '"search"'])

    def test_wrong_type(self):
        self.refuse("rl:\n  prompts: many\n", ["recipe.yaml:2", "rl.prompts", "many"])

    def test_out_of_range(self):
        self.refuse("seed: 1\nrl:\n  prompts: -4\n", ["recipe.yaml:3", "rl.prompts", "-4"])

    def test_unknown_choice(self):
        self.refuse("rl:\n  algo: grop\n", ["recipe.yaml:2", "grop", "grpo"])

    def test_duplicate_key(self):
        self.refuse("seed: 1\nname: test\nseed: 2\n", ["recipe.yaml:3", "seed"])

    def test_broken_yaml(self):
        self.refuse("rl: [1, 2\n", ["recipe.yaml:"])

    def test_override(self):
        self.refuse("name: test\n", ["command line", '"rl.train.stepz"', '"rl.train.steps"'],
                    overrides=["rl.train.stepz=3"])
        self.refuse("name: test\n", ["command line", "rl.train.steps"], overrides=["rl.train.steps=x"])

    def test_missing_recipe(self):
        result = cli.run("run", self.folder / "none.yaml")
        self.assertIn(result.status, (2, 3), str(result))
        self.assertIn("none.yaml", result.err)

    def test_options_lists_every_knob(self):
        out = self.ponder("run", "recipes/laptop.yaml", "--options").out
        for knob in ("seed", "rl.train.steps", "sft.train.steps", "model.width"):
            self.assertRegex(out, rf"(?m)^\s*{re.escape(knob)}\b")


class MissingInput(CliTest):
    def test_exit_status_3_names_the_file(self):
        none = self.folder / "none"
        for arguments in (["info", none], ["report", none], ["generate", "--model", none, "--prompt", "x"],
                          ["score", "--model", none, "--tokens", "1,2"], ["tokenize", "--model", none, "--text", "1"],
                          ["eval", "--model", none, "--problems", "task:countdown3", "--n", "1"],
                          ["verify", "--task", "countdown3", "--in", none], ["loss", "--algo", "grpo", "--in", none]):
            with self.subTest(arguments[0]):
                self.ponder(*arguments, status=3, says=[str(none)])


class Problems(CliTest):
    def test_same_seed_same_problems(self):
        first = self.rows("problems", "--task", "countdown3", "--n", 20)
        self.assertEqual(len(first), 20)
        self.assertEqual(first, self.rows("problems", "--task", "countdown3", "--n", 20))
        self.assertNotEqual(first, self.rows("problems", "--task", "countdown3", "--n", 20, "--seed", 2))
        self.assertEqual(len({row["id"] for row in first}), 20)

    def test_splits_hold_out_whole_multisets(self):
        seen = {}
        for split in ("train", "dev", "test"):
            for row in self.rows("problems", "--task", "countdown3", "--split", split, "--n", 50):
                numbers = tuple(sorted(row["numbers"]))
                self.assertEqual(seen.setdefault(numbers, split), split, f"{numbers} stands in two splits")


class Verify(CliTest):
    ROW = {"numbers": [13, 8, 2], "target": 18}

    def test_verdicts(self):
        rows = [dict(self.ROW, id="right", answer="13 * 2 ; 26 - 8"), dict(self.ROW, id="wrong", answer="13 + 8 ; 21 - 2"),
                dict(self.ROW, id="unread", answer="eighteen")]
        graded = self.rows("verify", "--task", "countdown3", "--in", self.file("rows.jsonl", rows))
        self.assertEqual([row["verdict"] for row in graded], ["correct", "wrong", "unparsable"])
        self.assertIn("extracted", graded[0])

    def test_bad_rows_are_named_and_the_rest_is_graded(self):
        rows = [dict(self.ROW, answer="13 * 2 ; 26 - 8"), '{"numbers": [13, 8', {"numbers": [1, 2, 3], "answer": "1 + 2"},
                dict(self.ROW, answer="13 * 2 ; 26 - 8")]
        path = self.file("rows.jsonl", rows)
        graded = self.rows("verify", "--task", "countdown3", "--in", path, status=1,
                           says=["rows.jsonl:2", "rows.jsonl:3", "target"])
        self.assertEqual([row["verdict"] for row in graded if "error" not in row], ["correct", "correct"])
        unread = [row for row in graded if "error" in row]
        self.assertEqual([(row["line"], row["verdict"]) for row in unread], [(2, "cannot_judge"), (3, "cannot_judge")])
        self.assertEqual([row.get("line") for row in graded], [None, 2, 3, None], "the order is that of the file")
        out = self.ponder("verify", "--task", "countdown3", "--in", path, status=1).out
        self.assertTrue(out.endswith("2 of 2 correct; 2 of 4 rows graded, 2 bad\n"), out)

    def test_a_value_of_the_wrong_type_is_named_by_key_and_line(self):
        rows = [dict(self.ROW, answer=18), dict(self.ROW, task=7, answer="x"), dict(self.ROW, target="18", answer="x")]
        self.ponder("verify", "--task", "countdown3", "--in", self.file("rows.jsonl", rows), status=1,
                    says=['rows.jsonl:1: "answer"', 'rows.jsonl:2: "task"', "rows.jsonl:3: ", "target"])

    def test_an_empty_file_is_no_failure(self):
        self.assertEqual(self.rows("verify", "--task", "countdown3", "--in", self.file("rows.jsonl", [])), [])

    def test_control_characters_and_long_answers_come_back_as_json(self):
        rows = [dict(self.ROW, answer=answer) for answer in ('"\\\n\t\u0001', "é" * 100000, "13 * 2 ; 26 - 8 " * 10000)]
        graded = self.rows("verify", "--task", "countdown3", "--in", self.file("rows.jsonl", rows))
        self.assertNotIn("correct", [row["verdict"] for row in graded])
        self.assertEqual(len(graded), 3)

    def test_math_answers_beside_their_gold(self):
        rows = [{"gold": "\\frac{1}{2}", "answer": "so it is $\\boxed{0.5}$"}, {"gold": "5", "answer": "5, 6"},
                {"gold": "5", "answer": "no idea at all, sorry"}, {"gold": "\\frac{1}", "answer": "5"},
                {"gold": "10^{10^{10}}", "answer": "10^{10^{10}}+1"}]
        graded = self.rows("verify", "--task", "math", "--in", self.file("rows.jsonl", rows))
        self.assertEqual([row["verdict"] for row in graded], ["correct", "wrong", "unparsable", "cannot_judge", "timeout"])
        self.assertEqual(graded[0]["extracted"], "1/2")

    def test_a_math_row_is_not_graded_against_itself(self):
        rows = [{"question": "3 + 4?", "answer": "#### 7"}, {"question": "3 + 4?", "answer": "#### 7", "gold": "#### 7"}]
        graded = self.rows("verify", "--task", "gsm8k", "--in", self.file("rows.jsonl", rows), status=1, says=['"gold"'])
        self.assertEqual([row["verdict"] for row in graded], ["cannot_judge", "correct"])


class Loss(CliTest):
    def loss(self, algo, **given):
        return self.one("loss", "--algo", algo, "--in", self.file("loss.json", given))

    def test_grpo_by_hand(self):
        logp = [[-0.5, -1.0], [-0.25, -2.0]]
        found = self.loss("grpo", logp=logp, logp_old=logp, mask=[[1, 1], [1, 1]], rewards=[1, 0], groups=[0, 0])
        advantage = 0.5 / (math.sqrt(0.5) + 1e-4)  # (r − mean)/(std + eps), std with n − 1
        self.assertAlmostEqual(found["advantages"][0], advantage, places=6)
        self.assertAlmostEqual(found["loss"], 0.0, places=6)  # ratios are 1 and the advantages cancel
        for row, sign in zip(found["grad_logp"], (-1, 1)):  # ∂/∂logp of −ρA / (2 tokens · 2 rows)
            for value in row:
                self.assertAlmostEqual(value, sign * advantage / 4, places=6)
        self.assertEqual(found["clip_fraction"], 0)

    def test_dapo_weighs_tokens_and_grpo_rows(self):
        given = dict(logp=[[0, 0, 0], [0, 0, 0]], logp_old=[[0, 0, 0], [0, 0, 0]], mask=[[1, 1, 1], [1, 0, 0]],
                     advantages=[1, 1])
        self.assertAlmostEqual(self.loss("dapo", **given)["grad_logp"][0][0], -1 / 4, places=6)
        self.assertAlmostEqual(self.loss("grpo", **given)["grad_logp"][0][0], -1 / 6, places=6)

    def test_dpo_by_hand(self):
        found = self.loss("dpo", logp=[[-1.0, -1.0], [-2.0, -1.0]], logp_ref=[[-1.5, -1.0], [-1.0, -1.0]],
                          mask=[[1, 1], [1, 1]], chosen=[0], rejected=[1], options={"beta": 0.1})
        margin = 0.1 * ((-2.0 + 2.5) - (-3.0 + 2.0))
        self.assertAlmostEqual(found["loss"], math.log1p(math.exp(-margin)), places=6)
        self.assertAlmostEqual(found["grad_logp"][0][0], -0.1 / (1 + math.exp(margin)), places=6)

    def test_refusals(self):
        given = self.file("loss.json", {"logp": [[0.0]], "advantages": [1]})
        self.ponder("loss", "--algo", "grop", "--in", given, status=2, says=["grop", "grpo"])
        self.ponder("loss", "--algo", "grpo", "--in", self.file("bad.json", "{"), status=3, says=["bad.json"])
        self.ponder("loss", "--algo", "grpo", "--in", self.file("empty.json", "{}"), status=3, says=["logp"])


if __name__ == "__main__":
    cli.main()
