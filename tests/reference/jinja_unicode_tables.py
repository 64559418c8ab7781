#!/usr/bin/env python3
"""Writes src/ponder/text/jinja_unicode_tables.inc: what Python's str methods know of Unicode.

Run it with the Python whose tables are to be matched (3.11: Unicode 14.0):
    python3 tests/reference/jinja_unicode_tables.py > src/ponder/text/jinja_unicode_tables.inc
"""
import sys
import unicodedata

ALL = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(test):
    """Code points as runs [first, last, step], step 1 or 2."""
    points = [ord(c) for c in ALL if test(c)]
    runs = []
    i = 0
    while i < len(points):
        best = i
        step = 1
        for s in (1, 2):
            j = i
            while j + 1 < len(points) and points[j + 1] - points[j] == s:
                j += 1
            if j > best:
                best, step = j, s
        runs.append((points[i], points[best], step))
        i = best + 1
    return runs


def print_ranges(name, test):
    print(f"constexpr Run {name}[] = {{")
    cells = ["{0x%X, 0x%X, %d}" % run for run in ranges(test)]
    for i in range(0, len(cells), 6):
        print("    " + ", ".join(cells[i:i + 6]) + ",")
    print("};")


def print_mapping(name, convert):
    """Runs with one difference, and the code points that become several."""
    single, several = [], []
    for c in ALL:
        to = convert(c)
        if to == c:
            continue
        if len(to) == 1:
            single.append((ord(c), ord(to) - ord(c)))
        else:
            several.append((ord(c), [ord(x) for x in to]))
    runs = []
    i = 0
    while i < len(single):
        best, step = i, 1
        for s in (1, 2):
            j = i
            while j + 1 < len(single) and single[j + 1][0] - single[j][0] == s and single[j + 1][1] == single[i][1]:
                j += 1
            if j > best:
                best, step = j, s
        runs.append((single[i][0], single[best][0], step, single[i][1]))
        i = best + 1
    print(f"constexpr Shift {name}[] = {{")
    cells = ["{0x%X, 0x%X, %d, %d}" % run for run in runs]
    for i in range(0, len(cells), 5):
        print("    " + ", ".join(cells[i:i + 5]) + ",")
    print("};")
    print(f"constexpr Several {name}Several[] = {{")
    cells = ["{0x%X, {%s}}" % (c, ", ".join("0x%X" % x for x in to)) for c, to in several]
    for i in range(0, len(cells), 5):
        print("    " + ", ".join(cells[i:i + 5]) + ",")
    print("};")


def ignores_case(c):
    """Case-ignorable, found out through the rule of the final sigma."""
    return ("A\u03a3" + c + "A").lower()[1] == "\u03c3" and ("A\u03a3" + c).lower()[1] == "\u03c2"


def is_cased(c):
    # title() keeps lower case behind a cased character.
    return (c + "a").title().endswith("a")


print(f"// Made by tests/reference/jinja_unicode_tables.py from Python {sys.version.split()[0]}, "
      f"Unicode {unicodedata.unidata_version}. Not edited by hand.")
print("// clang-format off")
print_ranges("kUnprintable", lambda c: not c.isprintable())
print_ranges("kAlpha", str.isalpha)
print_ranges("kDecimal", str.isdecimal)
print_ranges("kDigit", str.isdigit)
print_ranges("kNumeric", str.isnumeric)
print_ranges("kUpperCase", lambda c: c.isupper())
print_ranges("kLowerCase", lambda c: c.islower())
print_ranges("kTitleCase", lambda c: unicodedata.category(c) == "Lt")
print_ranges("kCased", is_cased)
print_ranges("kCaseIgnorable", ignores_case)
print_mapping("kUpper", str.upper)
print_mapping("kLower", str.lower)
print_mapping("kTitle", str.title)
print("// clang-format on")
