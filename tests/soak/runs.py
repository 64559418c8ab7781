"""Runs of ponder seen from outside: starting them, how far they are, and whether two directories hold the same run."""
import json
import re
import subprocess
from pathlib import Path

import events

REPOSITORY = Path(__file__).resolve().parents[2]
STAGE_END = 2**31 - 1  # the step of the row that closes a stage
UNCOMPARED = {".lock"}  # a process number
# The report.json inside of report.html.
PAGE_DATA = re.compile(r'(<script type="application/json"[^>]*>)(.*?)(</script>)', re.DOTALL)
POLL_SECONDS = 0.0005


def start(binary, recipe, out, overrides=()):
    return subprocess.Popen([binary, "run", recipe, *overrides, "--out", out], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=REPOSITORY)


def run_to_end(binary, recipe, out, overrides=()):
    process = start(binary, recipe, out, overrides)
    _, messages = process.communicate(timeout=600)
    if process.returncode != 0:
        raise SystemExit(f"a run that nobody disturbed ended with status {process.returncode}:\n{messages}")
    return messages


def size(path):
    try:
        return path.stat().st_size
    except OSError:
        return 0


def rows(out):
    """The whole rows of metrics.jsonl; half a line at its end is a row that was never written."""
    path = out / "metrics.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def row_count(out):
    try:
        return (out / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def finished(out):
    """Finished stages and, as "search/3", finished units of the search."""
    path = out / "state.json"
    return set(json.loads(path.read_text())["finished"]) if path.exists() else set()


def current_stage(out, stages):
    done = finished(out)
    return next((stage for stage in stages if stage not in done), "end")


def written_step(out, stage):
    """Steps of a stage, or units of the search, that have left a row."""
    steps = [row["step"] for row in rows(out) if row["stage"] == stage and row["step"] != STAGE_END]
    if stage == "search":
        return max(steps, default=-1) + 1
    return max(steps, default=0)


def checkpoint_names(out, stage):
    """Checkpoints as a reader may trust them: marked DONE, under their own name or still waiting for their rename."""
    folder = out / "checkpoints" / stage
    if not folder.is_dir():
        return []
    return sorted({entry.name.split(".tmp-")[0] for entry in folder.iterdir()
                   if (entry / "DONE").exists() and not entry.name.endswith(".tmp-removed")})


def step_of(checkpoint_name):
    return int(checkpoint_name.removeprefix("step-"))


def committed_step(out, stage):
    """What a resumed run need not do again."""
    if stage == "search":
        return sum(name.startswith("search/") for name in finished(out))
    return max(map(step_of, checkpoint_names(out, stage)), default=0)


def without_clock(value):
    if isinstance(value, dict):
        return {key: without_clock(v) for key, v in value.items() if "second" not in key}
    return [without_clock(v) for v in value] if isinstance(value, list) else value


def page_without_clock(page):
    whole, begin, data, end = re.search(PAGE_DATA, page).group(0, 1, 2, 3)
    return page.replace(whole, begin + json.dumps(without_clock(json.loads(data))) + end)


def content(path):
    """What two runs must have in common: every byte, apart from what a clock wrote."""
    if path.is_dir():
        return [point for point in events.points(path) if "second" not in point[1]]
    if path.name == "report.html":
        return page_without_clock(path.read_text(encoding="utf-8"))
    if path.suffix == ".jsonl":
        return [without_clock(json.loads(line)) for line in path.read_text().splitlines()]
    if path.name == "manifest.json":  # the hash of trainer.json depends on its seconds
        manifest = json.loads(path.read_text())
        manifest["files"] = [file for file in manifest["files"] if file["name"] != "trainer.json"]
        return manifest
    if path.suffix == ".json":
        return without_clock(json.loads(path.read_text()))
    return path.read_bytes()


def files(out):
    """Paths of all that is compared, as texts: files, and TensorBoard's folders, where each process writes a file."""
    paths = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    paths = (path.parent if path.parts[0] == "tensorboard" else path for path in paths)
    return {str(path) for path in paths if UNCOMPARED.isdisjoint(path.parts)}


def differences(a, b, only=lambda name: True):
    """One line for each file in which two run directories differ; both must hold at least rows and weights."""
    names_a, names_b = ({name for name in files(out) if only(name)} for out in (a, b))
    found = [f"{name}: only in {a if name in names_a else b}" for name in sorted(names_a ^ names_b)]
    for name in sorted(names_a & names_b):
        left, right = content(a / name), content(b / name)
        if left == right:
            continue
        where = ""
        if isinstance(left, list) and isinstance(right, list):
            first = next((i for i, (x, y) in enumerate(zip(left, right)) if x != y), min(len(left), len(right)))
            where = f" from row {first + 1} on ({len(left)} and {len(right)} rows)"
        found.append(f"{name}: differs{where}")
    for needed in ("metrics.jsonl", "report.json", "report.html", "model.safetensors", "rollouts.jsonl.zst", "tensorboard/rl"):
        if not any(name.endswith(needed) for name in names_a & names_b):
            found.append(f"{needed}: there is none to compare")
    return found
