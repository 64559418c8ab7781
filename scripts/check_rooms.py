#!/usr/bin/env python3
"""Holds the includes in src/ponder against the table of rooms in CMakeLists.txt, and the files that docs name against src.

Prints one line a finding, "file:line: what is wrong; what would be right", and exits 1 when there is any.
Long files are only warned of. Usage: scripts/check_rooms.py [REPOSITORY]
"""
import re
import sys
from pathlib import Path

# The program on top has no ponder_room line: it links what it starts.
APP = {"name": "app", "may": {"base", "recipes"}, "torch": False}

# The tensor wing's upper rooms touch LibTorch in .cc files only, so that their headers stay quick to include;
# recipes hands tensors on without looking into them.
TORCH_IN_CC_ONLY = {"engine", "learn"}
NO_TORCH_DESPITE_LINK = {"recipes"}

TORCH_HEADER = re.compile(r"(torch|ATen|c10|caffe2)/")
# Seconds a translation unit each, for what the narrow headers and functional layers give as well.
HEAVY_TORCH_HEADER = re.compile(r"(torch/(torch|all|extension|types)\.h|torch/(nn|optim)\b|torch/csrc/api/|ATen/ATen\.h)")

# Third-party libraries stay behind the .cc files of one room.
LIBRARY_HOME = {"nlohmann/": "base", "yaml-cpp/": "base", "simdjson": "base", "CLI/": "app", "zstd.h": "store", "arrow/": "store", "parquet/": "store", "gmp": "tasks", "mpfr.h": "tasks"}

LONG_FILE = 600  # lines

# `search/tree.h` in a document; names with <…> or * stand for many.
NAMED_FILE = re.compile(r"`(?:src/ponder/)?([a-z]+/\w+\.(?:h|cc|cu))`")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_table(cmake_lists):
    """The rooms in the order of the table: name -> {name, may, torch}."""
    text = re.sub(r"#.*", "", cmake_lists.read_text(encoding="utf-8"))
    rooms, problems = {}, []
    for match in re.finditer(r"\bponder_room\(\s*(\w+)([^)]*)\)", text):
        name, words = match.group(1), match.group(2).split()
        may = [w for w in words if w != "TORCH"]
        for other in may:
            if other not in rooms:
                problems.append(f"{cmake_lists.name}: room {name} may include {other}, which does not stand above it in "
                                "the table; rooms include strictly down, list the lower room first")
        rooms[name] = {"name": name, "may": set(may), "torch": "TORCH" in words}
    for room in rooms.values():
        for other in sorted(room["may"]):
            if not room["torch"] and other in rooms and rooms[other]["torch"]:
                problems.append(f"{cmake_lists.name}: plain room {room['name']} may include {other}, which needs LibTorch; "
                                "mark the room TORCH or go through a port in core")
    return rooms, problems


def is_test(path):
    return re.search(r"_(test|bench|fuzz)\.cc$", path.name) is not None


def is_test_only_header(name):
    """Fakes and contract suites: headers that only tests may include."""
    return re.search(r"(^|/)(fake|test)_\w+\.h$|_contract\.h$", name) is not None


class Checker:
    def __init__(self, root, rooms):
        self.root, self.rooms = root, rooms
        self.findings, self.warnings = [], []

    def check_tree(self):
        source = self.root / "src" / "ponder"
        for path in sorted(source.rglob("*")):
            if path.suffix not in {".h", ".cc", ".cu", ".cuh"}:
                continue
            parts = path.relative_to(source).parts
            room = APP if parts[0] == "app" else self.rooms.get(parts[0])
            if room is None:
                self.find(path, 1, f"src/ponder/{parts[0]} is no room; add a ponder_room line to CMakeLists.txt or move the file")
                continue
            self.check_file(path, room)

    def check_documents(self):
        for path in sorted([*self.root.glob("*.md"), *self.root.glob("docs/*.md")]):
            for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for name in NAMED_FILE.findall(text):
                    if name.split("/")[0] in {*self.rooms, "app"} and not (self.root / "src/ponder" / name).exists():
                        self.find(path, number, f"there is no src/ponder/{name}")

    def find(self, path, line, message):
        self.findings.append(f"{path.relative_to(self.root)}:{line}: {message}")

    def check_file(self, path, room):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LONG_FILE:
            self.warnings.append(f"{path.relative_to(self.root)}: {len(lines)} lines; is it one idea? (warned above {LONG_FILE})")
        if path.suffix == ".h":
            if not lines or not lines[0].startswith("//"):
                self.find(path, 1, "a header starts with a comment: what it is for and who calls it")
            if "#pragma once" not in lines:
                self.find(path, 1, "a header holds #pragma once")
        for number, text in enumerate(lines, 1):
            match = INCLUDE.match(text)
            if match:
                message = self.judge(path, room, quoted=match.group(1) == '"', name=match.group(2))
                if message:
                    self.find(path, number, message)

    def judge(self, path, room, quoted, name):
        """What is wrong with this include, or None."""
        for_tests = is_test(path) or is_test_only_header(path.name)
        if name.startswith("ponder/"):
            return self.judge_room(room, name, for_tests)
        if quoted:
            return f'"{name}" is not written from the root; write "ponder/{room["name"]}/{name}" (or <…> for a library)'
        if name.startswith(("gtest/", "gmock/")) and not for_tests:
            return f"<{name}> belongs in *_test.cc files and test-only headers (fake_*.h, test_*.h, *_contract.h)"
        for library, home in LIBRARY_HOME.items():
            if name.startswith(library) and (room["name"] != home or path.suffix == ".h"):
                return f"<{name}> stays in the .cc files of room {home}; use what {home} offers"
        return self.judge_torch(path, room, name)

    def judge_room(self, room, name, for_tests):
        parts = name.split("/")
        if len(parts) != 3:
            return f'"{name}" is no header of a room; write "ponder/<room>/<file>.h"'
        target = parts[1]
        if target != room["name"] and target not in room["may"]:
            allowed = ", ".join(sorted(room["may"])) or "no other room"
            return f"room {room['name']} may not include {target}; it may include {allowed} (table in CMakeLists.txt)"
        if not (self.root / "src" / name).exists():
            return f"there is no src/{name}"
        if is_test_only_header(name) and not for_tests:
            return f"{name} is for tests only; product code includes what it stands in for"
        return None

    def judge_torch(self, path, room, name):
        if HEAVY_TORCH_HEADER.match(name):
            return f"<{name}> costs seconds a file; include <ATen/ops/….h>, <ATen/core/Tensor.h> or ponder/tensor/fwd.h"
        if not TORCH_HEADER.match(name):
            return None
        if not room["torch"]:
            return f"<{name}> in plain room {room['name']}; LibTorch belongs to the rooms marked TORCH in CMakeLists.txt"
        if room["name"] in NO_TORCH_DESPITE_LINK:
            return f"<{name}> in room {room['name']}; let model, engine or learn do the tensor work"
        if room["name"] in TORCH_IN_CC_ONLY and path.suffix == ".h":
            return f"<{name}> in a header of room {room['name']}; include ponder/tensor/fwd.h here and this one in the .cc"
        return None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    rooms, problems = read_table(root / "CMakeLists.txt")
    if not rooms:
        problems.append("CMakeLists.txt: no ponder_room lines found; the table of rooms is what this check reads")
    checker = Checker(root, rooms)
    checker.check_tree()
    checker.check_documents()
    for warning in checker.warnings:
        print(f"warning: {warning}")
    findings = problems + checker.findings
    for finding in findings:
        print(finding)
    print(f"{len(rooms)} rooms, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
