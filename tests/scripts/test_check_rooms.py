#!/usr/bin/env python3
"""scripts/check_rooms.py finds each kind of breach, at its line, and nothing in a clean tree."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_rooms.py"

TABLE = """
# ponder_room(commented out)
ponder_room(base)
ponder_room(core base)
if(PONDER_TORCH)
  ponder_room(tensor TORCH base)
  ponder_room(engine TORCH base core
              tensor)
endif()
"""

HEADER = "// What it is for.\n#pragma once\n"


class CheckRooms(unittest.TestCase):
    def check(self, files, table=TABLE):
        """Runs the script over a made-up repository; gives its exit status and what it printed."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "CMakeLists.txt").write_text(table)
            (root / "src/ponder/base").mkdir(parents=True)
            (root / "src/ponder/base/cat.h").write_text(HEADER)
            (root / "src/ponder/core").mkdir(parents=True)
            (root / "src/ponder/core/fake_policy.h").write_text(HEADER)
            for name, text in files.items():
                path = (root / "src/ponder" / name).resolve()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout

    def assert_finds(self, files, *wanted, table=TABLE):
        status, printed = self.check(files, table)
        self.assertEqual(status, 1, printed)
        for text in wanted:
            self.assertIn(text, printed)
        self.assertIn(" 1 findings", printed)

    def assert_clean(self, files):
        status, printed = self.check(files)
        self.assertEqual(status, 0, printed)

    def test_clean_tree(self):
        self.assert_clean({
            "core/a.cc": '#include <vector>\n\n#include "ponder/base/cat.h"\n',
            "engine/b.cc": '#include <ATen/ops/mm.h>\n#include "ponder/core/a.h"\n',
            "core/a.h": HEADER,
            "core/a_test.cc": '#include <gtest/gtest.h>\n#include "ponder/core/fake_policy.h"\n',
            "app/main.cc": '#include <CLI/CLI.hpp>\n#include "ponder/base/cat.h"\n',
        })

    def test_upward_include(self):
        self.assert_finds({"core/a.h": HEADER, "base/b.cc": '\n#include "ponder/core/a.h"\n'},
                          "src/ponder/base/b.cc:2:", "room base may not include core", "no other room")

    def test_tests_obey_the_table_too(self):
        self.assert_finds({"core/a.h": HEADER, "base/b_test.cc": '#include "ponder/core/a.h"\n'}, "base/b_test.cc:1:")

    def test_torch_in_a_plain_room(self):
        self.assert_finds({"core/a.cc": "#include <ATen/core/Tensor.h>\n"}, "core/a.cc:1:", "plain room core")

    def test_torch_in_a_header_of_an_upper_room(self):
        self.assert_finds({"engine/a.h": HEADER + "#include <ATen/core/Tensor.h>\n"}, "engine/a.h:3:", "tensor/fwd.h")

    def test_heavy_torch_headers(self):
        for name in ("torch/torch.h", "torch/nn/module.h", "torch/optim.h", "ATen/ATen.h"):
            with self.subTest(name):
                self.assert_finds({"engine/a.cc": f"#include <{name}>\n"}, "engine/a.cc:1:", "costs seconds")

    def test_library_outside_of_its_room(self):
        self.assert_finds({"core/a.cc": "#include <nlohmann/json.hpp>\n"}, "core/a.cc:1:", "room base")
        self.assert_finds({"base/a.h": HEADER + "#include <yaml-cpp/yaml.h>\n"}, "base/a.h:3:", "room base")

    def test_test_headers_in_product_code(self):
        self.assert_finds({"core/a.cc": "#include <gtest/gtest.h>\n"}, "core/a.cc:1:")
        self.assert_finds({"engine/a.cc": '#include "ponder/core/fake_policy.h"\n'}, "engine/a.cc:1:", "tests only")

    def test_header_without_comment_or_guard(self):
        self.assert_finds({"core/a.h": "#pragma once\n"}, "core/a.h:1:", "starts with a comment")
        self.assert_finds({"core/a.h": "// What.\n"}, "core/a.h:1:", "#pragma once")

    def test_missing_header_and_relative_name(self):
        self.assert_finds({"core/a.cc": '#include "ponder/base/gone.h"\n'}, "core/a.cc:1:", "no src/ponder/base/gone.h")
        self.assert_finds({"base/a.cc": '#include "cat.h"\n'}, 'write "ponder/base/cat.h"')

    def test_document_that_names_a_missing_file(self):
        self.assert_finds({"../../docs/a.md": "# A\n\n`base/cat.h` and `base/gone.h`, see `search/<name>.cc`\n"}, "docs/a.md:3:",
                          "src/ponder/base/gone.h")

    def test_folder_without_a_room(self):
        self.assert_finds({"misc/a.cc": ""}, "src/ponder/misc is no room")

    def test_table_that_points_up_or_across(self):
        self.assert_finds({}, "does not stand above", table="ponder_room(base core)\nponder_room(core)\n")
        self.assert_finds({}, "needs LibTorch", table="ponder_room(base)\nponder_room(core TORCH base)\nponder_room(eval core)\n")

    def test_long_file_is_only_warned_of(self):
        status, printed = self.check({"core/a.cc": "\n" * 700})
        self.assertEqual(status, 0)
        self.assertIn("warning: src/ponder/core/a.cc: 700 lines", printed)


if __name__ == "__main__":
    unittest.main()
