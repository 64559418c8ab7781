#!/usr/bin/env python3
"""scripts/test.sh ends with ctest's exit status and says how many tests ran, which were skipped, and why."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

GTEST = """Running main() from gtest_main.cc
[==========] Running 6 tests from 2 test suites.
[ RUN      ] Gemma.Draws
/src/gemma_test.cc:30: Skipped
PONDER_TEST_GEMMA does not name a model

[  SKIPPED ] Gemma.Draws (0 ms)
[ RUN      ] Gemma.Adds
a line without an end[       OK ] Gemma.Adds (1 ms)
[ RUN      ] Level/Gemm.Tiles/0
gemm_test.cc:9: Skipped
no tiles

[  SKIPPED ] Level/Gemm.Tiles/0 (0 ms)
[ RUN      ] Level/Gemm.Tiles/1
gemm_test.cc:9: Skipped
no tiles

[  SKIPPED ] Level/Gemm.Tiles/1 (0 ms)
[ RUN      ] Gemm.Silent
gemm_test.cc:9: Skipped

[  SKIPPED ] Gemm.Silent (0 ms)
[ RUN      ] Gemm.Sums
[       OK ] Gemm.Sums (0 ms)
[==========] 6 tests from 2 test suites ran. (1 ms total)
[  PASSED  ] 2 tests.
[  SKIPPED ] 4 tests, listed below:
[  SKIPPED ] Gemma.Draws
"""

UNITTEST = """test_one (__main__.T.test_one) ... ok
test_two (__main__.T.test_two) ... skipped 'it needs a browser'
Ran 3 tests in 0.001s

FAILED (failures=1, skipped=2)
"""


class TestSummary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_tests(self, *arguments, not_checked="", **programs):
        """Runs scripts/test.sh over programs that print these texts and end so; gives its status and output."""
        lines = []
        for name, (text, status) in programs.items():
            (self.folder / f"{name}.txt").write_text(text)
            lines += [f'add_test({name} sh -c "cat {self.folder}/{name}.txt; exit {status}")',
                      f"set_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77)"]
        (self.folder / "CTestTestfile.cmake").write_text("\n".join(lines))
        done = subprocess.run([REPOSITORY / "scripts/test.sh", *arguments], capture_output=True, text=True,
                              env={**os.environ, "BUILD": str(self.folder), "PONDER_NOT_CHECKED": not_checked})
        return done.returncode, done.stdout

    def test_tests_that_skip_themselves_are_named_with_their_reasons(self):
        status, said = self.run_tests(engine=(GTEST, 0), whole=("fine\n", 0))
        self.assertEqual(status, 0, said)
        self.assertIn("100% tests passed", said)
        self.assertEqual(said.split("\n\n")[-1].splitlines(), [
            "3 tests ran, 4 were skipped:",
            "  1 in engine: PONDER_TEST_GEMMA does not name a model",
            "      Gemma.Draws",
            "  1 in engine: it is not said why",
            "      Gemm.Silent",
            "  2 in engine: no tiles",
            "      Level/Gemm.Tiles (2 of them)"])

    def test_unittest_and_programs_that_are_skipped_as_a_whole(self):
        status, said = self.run_tests(cli=(UNITTEST, 1), browser=("skipped: chromium is not installed\n", 77))
        self.assertNotEqual(status, 0)
        self.assertEqual(said.split("\n\n")[-1].splitlines(), [
            "1 test ran, 3 were skipped:",
            "  1 in browser: chromium is not installed",
            "      all of it",
            "  1 in cli: it is not said why",
            "      tests of unittest",
            "  1 in cli: it needs a browser",
            "      test_two"])

    def test_what_else_could_not_be_checked(self):
        _, said = self.run_tests(whole=("fine\n", 0), not_checked="fuzzing: no clang\n")
        self.assertTrue(said.endswith("\n1 test ran, none was skipped\n  NOT CHECKED: fuzzing: no clang\n"), said)

    def test_the_exit_status_is_that_of_ctest(self):
        programs = {"good": ("fine\n", 0), "bad": (GTEST, 1)}
        self.assertEqual(self.run_tests(**programs)[0], 8)
        self.assertEqual(self.run_tests("-R", "good", **programs)[0], 0)
        self.assertNotEqual(self.run_tests("-R", "nothing", **programs)[0], 0)

    def test_a_call_that_runs_nothing_says_nothing_of_an_earlier_one(self):
        self.assertIn("\n1 test ran,", self.run_tests(whole=("fine\n", 0))[1])
        self.assertNotIn("ran,", self.run_tests("-N", whole=("fine\n", 0))[1])


if __name__ == "__main__":
    unittest.main()
