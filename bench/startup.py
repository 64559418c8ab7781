"""What bench.py times of ponder alone: how long it takes to start and to build. Also says which machine this is."""
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from sides import run

ROOT = Path(__file__).resolve().parent.parent
STARTS = 9


def machine(threads):
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"machine": model, "cores": os.cpu_count(), "threads": threads, "load": os.getloadavg()[0],
            "commit": run(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()}


def median_seconds(command):
    """The first start reads from the disk and is left out."""
    seconds = []
    for _ in range(STARTS + 1):
        begin = time.perf_counter()
        run(command)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def help_time(place):
    return median_seconds([place.ponder, "--help"])


def first_token(place):
    return median_seconds([place.ponder, "generate", "--model", place.model, "--prompt", "w1 w2 w3", "--max-tokens", 1])


class FreshCopy:
    """The sources in a folder of their own, configured like `make build` does it, without a compiler cache. The two build
    cases share one; it goes when the program ends."""
    folder = None

    @classmethod
    def get(cls):
        if cls.folder is None:
            cls.keeper = tempfile.TemporaryDirectory(prefix="ponder-build-")
            cls.folder = Path(cls.keeper.name)
            for name in ("CMakeLists.txt", "cmake", "scripts", "src", "web", "tests", "recipes"):
                source = ROOT / name
                (shutil.copytree if source.is_dir() else shutil.copy)(source, cls.folder / name)
            (cls.folder / ".deps").symlink_to(ROOT / ".deps")
        return cls.folder


def timed_build(place):
    folder = FreshCopy.get()
    begin = time.perf_counter()
    subprocess.run([folder / "scripts" / "build.sh", "ponder"], check=True, cwd=folder, stdout=subprocess.DEVNULL,
                   env={**os.environ, "CCACHE_DISABLE": "1", "BUILD": "build"},
                   preexec_fn=lambda: os.sched_setaffinity(0, place.all_cores))
    return time.perf_counter() - begin


def build_clean(place):
    shutil.rmtree(FreshCopy.get() / "build", ignore_errors=True)
    return timed_build(place)


def build_one_file(place):
    """The slowest of a few edited files of different rooms, each rebuilt and linked."""
    if not (FreshCopy.get() / "build" / "ponder").exists():
        timed_build(place)
    seconds = []
    for name in ("base/json.cc", "search/mcts.cc", "engine/batcher.cc", "learn/learner.cc", "recipes/rl.cc"):
        with (FreshCopy.get() / "src" / "ponder" / name).open("a") as file:
            file.write("\n// edited\n")
        seconds.append(timed_build(place))
    return max(seconds)
