"""What the command-line tests share: runs the program and holds its output against the contract of every command."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PONDER = None  # the program under test, an absolute path; set by main()


class Result:
    def __init__(self, arguments, done):
        self.arguments, self.status, self.out, self.err = arguments, done.returncode, done.stdout, done.stderr

    def __str__(self):
        words = " ".join(map(str, self.arguments))
        return f"ponder {words}\nexit {self.status}\nstdout:\n{self.out[-3000:]}\nstderr:\n{self.err[-3000:]}"

    def rows(self):
        """Standard output as JSON lines; anything else on it is an error."""
        return [json.loads(line) for line in self.out.splitlines()]


class CliTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def ponder(self, *arguments, status=0, says=()):
        """Runs `ponder ARGUMENTS`; holds the exit status and what the messages must name."""
        result = run(*arguments)
        self.assertEqual(result.status, status, str(result))
        for text in says:
            self.assertIn(text, result.err, str(result))
        self.assertNotIn("terminate called", result.err, str(result))
        return result

    def rows(self, *arguments, status=0, says=()):
        return self.ponder(*arguments, "--json", status=status, says=says).rows()

    def one(self, *arguments, status=0):
        rows = self.rows(*arguments, status=status)
        self.assertEqual(len(rows), 1, f"one JSON object was expected: {rows}")
        return rows[0]

    def file(self, name, content):
        """A file in this test's folder: text, one JSON value, or a list of rows (texts as they are) for .jsonl."""
        path = self.folder / name
        if name.endswith(".jsonl"):
            content = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in content)
        elif not isinstance(content, str):
            content = json.dumps(content)
        path.write_text(content, encoding="utf-8")
        return path


def run(*arguments, timeout=300):
    done = subprocess.run([PONDER, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          encoding="utf-8", timeout=timeout, cwd=REPOSITORY)
    return Result(arguments, done)


def main():
    """The first argument is the program; the others are unittest's."""
    global PONDER
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_PONDER [unittest arguments]")
    PONDER = str(Path(sys.argv.pop(1)).resolve())
    unittest.main(module="__main__")
