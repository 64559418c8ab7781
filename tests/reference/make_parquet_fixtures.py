#!/usr/bin/env python3
"""Small Parquet files for the tests of the optional module: tests/data/parquet/<case>.parquet, each with <case>.jsonl.

The lines of the JSONL file are the rows that must come out of the Parquet file. A key that a struct lacks is not written
there; a column without a value is written as null.

Needs pyarrow:  python tests/reference/make_parquet_fixtures.py
"""

import datetime
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "parquet"


def message(role: str, content: str) -> dict:
    return {"role": role, "content": content}


def user(text: str) -> list:
    return [message("user", text)]


def assistant(text: str) -> list:
    return [message("assistant", text)]


CALL = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]}

ROWS = {
    "text": [{"text": "Ein Satz: äöü, 数学, 🙂"}, {"text": ""}, {"text": "two\nlines"}],
    "messages": [
        {"messages": [message("system", "s"), *user("1+1?"), *assistant("2")]},
        {"messages": [*user("add"), CALL, {"role": "tool", "content": "2"}, *assistant("It is 2.")]},
    ],
    "prompt-only": [{"prompt": user("Name a prime.")}, {"prompt": user("Name another.")}],
    "prompt-completion": [
        {"prompt": "2+2=", "completion": " 4", "weight": 0.5, "id": 7},
        {"prompt": "3+3=", "completion": " 6", "weight": None, "id": 8},
    ],
    "prompt-completion-chat": [{"prompt": user("2+2?"), "completion": assistant("4")}],
    "preference": [{"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}],
    "preference-chat": [{"chosen": user("sky?") + assistant("blue"), "rejected": user("sky?") + assistant("green")}],
    "unpaired": [
        {"prompt": "The sky is", "completion": " blue.", "label": True},
        {"prompt": "The sky is", "completion": " green.", "label": False},
    ],
    "stepwise": [
        {"prompt": "Which is larger, 9.8 or 9.11?", "completions": ["0.8 > 0.11.", "So 9.11."], "labels": [True, False]},
        {"prompt": "1+1?", "completions": ["2"], "labels": [True]},
    ],
    "verl": [
        {
            "data_source": "openai/gsm8k",
            "prompt": user(f"What is {i} + {i}?"),
            "ability": "math",
            "reward_model": {"ground_truth": str(2 * i), "style": "rule"},
            "extra_info": {"answer": f"{i} + {i} = {2 * i}", "index": i, "split": "train"},
        }
        for i in range(150)  # more than a batch, in three row groups
    ],
}


def write(name: str, table: pa.Table, rows: list, **options) -> None:
    options = {"compression": "zstd", "write_page_checksum": True, "write_statistics": False, "store_schema": False, **options}
    pq.write_table(table, OUT / f"{name}.parquet", **options)
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows]
    (OUT / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def types() -> tuple:
    """A column of each type that has a place in JSON."""
    day, utc = datetime.date(1969, 12, 31), datetime.timezone.utc
    moment = datetime.datetime(2024, 2, 29, 12, 34, 56, 250000)
    columns = {  # name: (type, values, what comes out)
        "nothing": (pa.null(), [None] * 3, [None] * 3),
        "bool": (pa.bool_(), [True, None, False], [True, None, False]),
        "i8": (pa.int8(), [-128, 127, None], [-128, 127, None]),
        "i64": (pa.int64(), [-(2**63), 2**63 - 1, 0], [-(2**63), 2**63 - 1, 0]),
        "u32": (pa.uint32(), [2**32 - 1, 0, 1], [2**32 - 1, 0, 1]),
        "u64": (pa.uint64(), [2**63 - 1, 2**63, 1], [2**63 - 1, float(2**63), 1]),
        "f32": (pa.float32(), [0.1, -1.5, None], [0.10000000149011612, -1.5, None]),
        "f64": (pa.float64(), [0.1, 1e300, -0.0], [0.1, 1e300, -0.0]),
        "large": (pa.large_string(), ["a", None, "é"], ["a", None, "é"]),
        "bytes": (pa.binary(), [b"old", "ü".encode(), b""], ["old", "ü", ""]),
        "words": (pa.dictionary(pa.int8(), pa.string()), ["x", "y", "x"], ["x", "y", "x"]),
        "day": (pa.date32(), [day, datetime.date(2024, 2, 29), None], ["1969-12-31", "2024-02-29", None]),
        "local": (pa.timestamp("us"), [moment, None, datetime.datetime(1960, 1, 1)],
                  ["2024-02-29T12:34:56.25", None, "1960-01-01T00:00:00"]),
        "utc": (pa.timestamp("ms", tz="UTC"), [moment.replace(tzinfo=utc), None, None], ["2024-02-29T12:34:56.25Z", None, None]),
        "lists": (pa.list_(pa.list_(pa.int32())), [[[1, 2], [], None], [], None], [[[1, 2], [], None], [], None]),
        "pair": (pa.list_(pa.float64(), 2), [[1.5, 2.5], [3.5, None], [0.5, 1.5]], [[1.5, 2.5], [3.5, None], [0.5, 1.5]]),
        "map": (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], [], None], [{"a": 1, "b": None}, {}, None]),
        "deep": (pa.struct([("a", pa.list_(pa.struct([("b", pa.string()), ("c", pa.int64())])))]),
                 [{"a": [{"b": "x", "c": 1}, {"b": None, "c": 2}]}, {"a": None}, None],
                 [{"a": [{"b": "x", "c": 1}, {"c": 2}]}, {}, None]),
    }
    table = pa.table({name: pa.array(values, type=kind) for name, (kind, values, unused) in columns.items()})
    rows = [{name: out[i] for name, (_, _, out) in columns.items()} for i in range(3)]
    return table, rows


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, rows in ROWS.items():
        write(name, pa.Table.from_pylist(rows), rows, row_group_size=60)
    table, rows = types()
    write("types", table, rows, store_schema=True, compression="snappy")
    write("empty", pa.table({"text": pa.array([], pa.string())}), [])
    # What is refused, by column or by value.
    for name, values in {
        "refused-decimal": pa.array([1], pa.decimal128(10, 2)),
        "refused-time": pa.array([1], pa.time64("us")),
        "refused-map": pa.array([[(1, "a")]], pa.map_(pa.int32(), pa.string())),
        "refused-bytes": pa.array([b"ok", b"\xff\xfe"], pa.binary()),
        "refused-year": pa.array([0, 3_000_000], pa.date32()),
    }.items():
        pq.write_table(pa.table({"text": values}), OUT / f"{name}.parquet", store_schema=False, write_statistics=False)


if __name__ == "__main__":
    main()
