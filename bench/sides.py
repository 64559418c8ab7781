"""The programs that bench.py times: ponder and its peers. Each gives one measurement a call, as {"tokens", "seconds", …};
a rate under another key stands beside them where a case compares that."""
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUIET = 0.9  # share of the work on its cores that must have been a side's own for its figures to count


class Unavailable(Exception):
    """This side cannot run here; the message says why and what would help."""


HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as ponder asks for


class Failed(Unavailable):
    def __init__(self, command, done):
        super().__init__(f"{Path(str(command[0])).name} ended with {done.returncode}: {last_line(done.stderr)}")
        self.status = done.returncode


def run(command, **env):
    """The standard output of a program that ends well; its own words in the error when it does not."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **env})
    if done.returncode != 0:
        raise Failed(command, done)
    return done.stdout


def has_bf16_instructions():
    flags = Path("/proc/cpuinfo").read_text()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


def busy_seconds():
    """What the cores that this process may use have worked so far, for whomever; stolen time included."""
    cores = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    user_nice_system_irq_steal = (1, 2, 3, 6, 7, 8)  # fields 4 and 5 are idleness
    return sum(int(f[i]) for f in lines if f and f[0] in cores for i in user_nice_system_irq_steal) / os.sysconf("SC_CLK_TCK")


class Place:
    """What all sides share: folders, threads, and the model that every side loads: a tiny one with random weights, or the
    user's, of which each side gets a copy in its own format and type."""

    def __init__(self, build, peers, threads, model=None, models=None):
        self.ponder, self.peers, self.threads = build / "ponder", peers, threads
        self.work = build / "bench"
        self.users = model  # the user's model
        self.model = self.work / "model"
        if not self.ponder.exists():
            raise SystemExit(f"bench: there is no {self.ponder}; `make build` makes it")
        self.work.mkdir(parents=True, exist_ok=True)
        if model:
            if not model.exists():
                raise SystemExit(f"bench: there is no {model}")
            about = model.stat()
            self.copies = (models or peers / "models") / f"{model.stem}-{about.st_size:x}-{int(about.st_mtime):x}"
            self.copies.mkdir(parents=True, exist_ok=True)
        else:
            run([self.ponder, "bench", "--save-model", self.model])
        # One setting for every library that brings threads of its own.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        os.environ["HF_HUB_OFFLINE"] = "1"  # the model is a folder; nothing is to be fetched

    def model_name(self):
        return self.users.name if self.users else "llama of 2 M parameters"

    def python(self):
        python = self.peers / "bin" / "python3"
        if not python.exists():
            raise Unavailable("not installed; `make bench-peers` installs it")
        return python

    def copy(self, dtype):
        """The user's model in one type: a GGUF file for ponder and llama.cpp, or with "hf" a bf16 directory for
        transformers. Made once and kept: whole, because it gets its name at the end."""
        if dtype == "q4_k_m" and self.users.name.lower().endswith("q4_k_m.gguf"):
            return self.users
        path = self.copies / (f"{dtype}.gguf" if dtype != "hf" else dtype)
        if path.exists():
            return path
        part = path.with_name("part-" + path.name)
        if part.is_dir():
            shutil.rmtree(part)
        if dtype == "q4_k_m":
            run([self.llama("llama-quantize"), "--allow-requantize", self.copy("f32"), part, dtype.upper()])
        else:
            run([self.ponder, "convert", "--from", self.users, "--to", part, "--dtype", "bf16" if dtype == "hf" else dtype])
        part.rename(path)
        return path

    def directory_of(self, model):
        """A model file as the directory of f32 weights that Python peers load."""
        if model.is_dir():
            return model
        directory = self.work / f"{model.stem}-f32"
        if not directory.exists():
            run([self.ponder, "convert", "--from", model, "--to", directory, "--dtype", "f32"])
        return directory

    def gguf(self, dtype):
        """The same weights for llama.cpp. Those of the tiny model are made anew for each run of bench.py, like the model
        itself."""
        if self.users:
            return self.copy(dtype)
        f32 = self.work / "model-f32.gguf"
        run([self.python(), HERE / "peers" / "to_gguf.py", self.model, f32])
        if dtype == "f32":
            return f32
        out = self.work / f"model-{dtype}.gguf"
        run([self.llama("llama-quantize"), "--allow-requantize", f32, out, dtype.upper()])
        return out

    def llama(self, program):
        path = self.peers / "llama" / program
        if not path.exists():
            raise Unavailable("not installed; `make bench-peers` installs it")
        return path


class Side:
    """One program computing in one dtype. start() sets up and warms up, measure() times one run, stop() ends it."""

    def __init__(self, name, dtype):
        self.name, self.dtype, self.results = name, dtype, []

    def start(self, place):
        raise NotImplementedError

    def measure(self):
        raise NotImplementedError

    def stop(self):
        pass

    def cpu_seconds(self):
        """Of the programs that measure() started and that have ended."""
        times = os.times()
        return times.children_user + times.children_system

    def observed(self):
        """measure(), and how much of the work on its cores meanwhile was its own: below 1, others were there too. Taken
        again when that was too much; the quietest counts."""
        tries = []
        while len(tries) < 3 and not any(t["core_share"] >= QUIET for t in tries):
            own, all_work = self.cpu_seconds(), busy_seconds()
            result = self.measure()
            result["core_share"] = min(1, (self.cpu_seconds() - own) / max(busy_seconds() - all_work, 1e-9))
            tries.append(result)
        return max(tries, key=lambda t: t["core_share"])


class Ponder(Side):
    """dtype: of the model's copy, and of the products unless `compute` says another; `keep`: how its weights are kept;
    `more`: further arguments of the command."""

    def __init__(self, case, dtype, compute=None, keep=None, more=()):
        super().__init__("ponder", f"{dtype}, kept as {keep}" if keep else f"{dtype}, {compute} sums" if compute else dtype)
        self.case, self.weights, self.compute, self.keep, self.more = case, dtype, compute or dtype, keep, more

    def start(self, place):
        self.command = [place.ponder, "bench", self.case, "--json", "--repeats", 1, "--threads", place.threads, "--dtype",
                        self.compute, *self.more]
        if place.users and not self.more:
            self.command += ["--model", place.copy(self.weights), "--weights", self.keep or "auto"]

    def measure(self):
        try:
            row = json.loads(run(self.command))
        except Failed as failed:
            if failed.status == 2:  # bad usage: this build has no such dtype
                raise
            raise SystemExit(f"bench: {failed}") from failed
        row["tokens"] = row["value"] * row["seconds"]
        return row


class PythonPeer(Side):
    """A script of peers/ that stays up between its measurements (peers/protocol.py). MODEL and THREADS among its arguments
    stand for the model's directory and the number of threads."""

    def __init__(self, name, dtype, script, *arguments):
        super().__init__(name, dtype)
        self.script, self.arguments, self.process = script, arguments, None

    def start(self, place):
        place.python()
        model = place.copy("hf") if place.users else place.model
        words = [place.threads if word == "THREADS" else model if word == "MODEL" else word for word in self.arguments]
        self.log = open(place.work / f"{self.name.replace(' ', '-')}-{self.dtype}-{words[-1]}.log", "w+")
        # glibc gives large blocks back to the system at once and PyTorch then pays for clearing them in every step.
        memory = {name: str(1 << 32) for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")}
        memory.update(HUGE_PAGES)
        self.process = subprocess.Popen([str(w) for w in (place.python(), HERE / "peers" / self.script, *words)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **memory})
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise Unavailable(f"{self.script} ended: {last_line(self.log.read())} (all of it: {self.log.name})")
        return json.loads(line)

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.log.close()
            self.process = None


class LlamaCpp(Side):
    """llama.cpp's batched bench. It draws its tokens at random and does not sample. f32 keeps keys and values in f32 too, the
    others in f16."""

    def __init__(self, dtype, rows, prompt_tokens, new_tokens, shared, *more, timed="all"):
        super().__init__("llama.cpp", dtype)
        self.more, self.timed = more, timed
        self.rows, self.prompt, self.new, self.shared = rows, prompt_tokens, new_tokens, shared

    def start(self, place):
        cache = "f32" if self.dtype == "f32" else "f16"
        self.command = [place.llama("llama-batched-bench"), "-m", place.gguf(self.dtype), "-c",
                        self.rows * (self.prompt + self.new), "-npp", self.prompt, "-ntg", self.new, "-npl", self.rows,
                        "-t", place.threads, "-tb", place.threads, "-ctk", cache, "-ctv", cache, "--output-format", "jsonl", *self.more]
        if self.shared:
            self.command.append("-pps")

    def measure(self):
        rows = [json.loads(line) for line in run(self.command, **HUGE_PAGES).splitlines() if line.startswith("{")]
        if not rows:
            raise Unavailable("llama-batched-bench printed no result")
        prompts, new = (1 if self.shared else self.rows) * self.prompt, self.rows * self.new
        tokens, seconds = {"all": (new, "t"), "prefill": (prompts, "t_pp"), "decode": (new, "t_tg")}[self.timed]
        return {"tokens": tokens, "seconds": rows[-1][seconds], "decode_tokens_per_s": rows[-1]["speed_tg"],
                "prefill_seconds": rows[-1]["t_pp"]}
