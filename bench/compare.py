#!/usr/bin/env python3
"""Measures Fulmen beside PyTorch, LibTorch and Lightning on this machine and prints one table of ratios (Markdown).

    pip install torch lightning          # the peers; what is missing is left out
    cmake --preset release && cmake --build --preset release
    python bench/compare.py [--filter REGEX] [--rounds 5] [--threads 2] [--build build/release] [--json FILE]

The C++ benchmarks and first_step.cpp are the same source for both sides: CMake builds them with Fulmen, this script builds
them with the torch package's LibTorch (once, into build/compare; about two minutes). PyTorch's Python loops stand in
peers.py. The sides take turns, a few rounds each, and the best round counts: what else
the machine does only ever adds time. What runs on one thread is measured in processor time, the rest in wall time.
Ratios are taken to LibTorch where it runs, else to PyTorch or Lightning.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"


@dataclasses.dataclass
class Row:
    name: str
    unit: str = "ns"  # ns, ms, s, MB; smaller is better in all
    budget: float | None = None  # at most, in `unit`
    ratio: float | None = None  # at least this many times as fast as the peer
    note: str = ""


# docs/design.md, section on budgets; ratios for what has no absolute figure.
ROWS = [
    Row("add_one/no_grad", budget=60),
    Row("add_one/recording", budget=120),
    Row("mul_add_sum_backward", budget=1000),
    Row("mlp_8_32_1_adamw", budget=8000),
    Row("trainer_overhead", budget=2000, note="per step over a loop written by hand: log, progress bar, checkpoint, CSV log; Lightning: the first two"),
    Row("gemm/64x8x32", ratio=1.0),
    Row("gemm/256", ratio=1.0),
    Row("gemm/512", ratio=1.0),
    Row("gemm/1024", ratio=1.0),
    Row("gemm/2048", ratio=1.0),
    Row("copy/4096x1024", ratio=1.0),
    Row("softmax/4096x1024", ratio=1.0),
    Row("layer_norm/4096x1024", ratio=1.0),
    Row("language_model/gpt_step", ratio=1.0, note="4 layers of 128, 12 texts of 64 characters, AdamW"),
    Row("language_model/lstm_step", ratio=1.0, note="2 layers of 256, 32 sequences of 64, Adam"),
    Row("language_model/generate", ratio=2.0, note="256 characters with the model of 4 layers of 128, with a cache"),
    Row("language_model/generate_without_cache"),
    Row("house_prices/ames", unit="s", ratio=1.0, note="examples/house_prices fit, from the file to the test errors"),
    Row("house_prices/california", unit="s", ratio=1.0, note="../shared/data/housing"),
    Row("program_start", unit="ms", budget=10, note="first_step: one training step, then end"),
    Row("program_memory", unit="MB", budget=15, note="its peak resident memory"),
    Row("program_size", unit="MB", budget=6, note="stripped, with the torch package's libraries that it loads"),
    Row("compile_umbrella", unit="s", budget=1.0, note="processor time of -O2 -c of first_step.cpp"),
    Row("compile_umbrella/syntax", unit="s", note="the same with -fsyntax-only"),
]


# ---- running things ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Finished:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def run_measured(command, env=None):
    """Runs a program to its end; wall time, processor time (its children's too) and peak memory from the kernel."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True
    )
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.strip()[-400:]}")
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def google_benchmark(program, name, env):
    """Nanoseconds per iteration of one benchmark, or None where this program has none of that name. Processor time, unless
    the benchmark asks for wall time or measures by itself (its name then says so)."""
    command = [
        program,
        "--benchmark_format=json",
        f"--benchmark_filter=^{re.escape(name)}(/.*_time)?$",
        "--benchmark_min_time=0.2",
    ]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=env)
    if done.returncode != 0 or "{" not in done.stdout:
        return None
    for entry in json.loads(done.stdout[done.stdout.index("{") :])["benchmarks"]:
        if "error_occurred" not in entry:
            scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[entry["time_unit"]]
            return entry["real_time" if entry["name"].endswith("_time") else "cpu_time"] * scale
    return None


# ---- the sides: name -> measure(row name) -> value in the row's unit, or None -------------------------------------------


class Side:
    """What Fulmen and LibTorch have in common: a benchmark program, first_step, a way to compile."""

    def __init__(self, env, benchmarks, first_step, compile_flags):
        self.env, self.benchmarks, self.first_step, self.compile_flags = env, benchmarks, first_step, compile_flags

    def measure(self, name):
        if name in ("program_start", "program_memory", "program_size"):
            if not self.first_step.exists():
                return None
            if name == "program_size":
                return self.size_mb()
            runs = [run_measured([self.first_step], self.env) for _ in range(5)]
            return min(r.seconds * 1e3 if name == "program_start" else r.peak_mb for r in runs)
        if name.startswith("compile_umbrella"):
            mode = ["-fsyntax-only"] if name.endswith("syntax") else ["-O2", "-c", "-o", os.devnull]
            compiler = os.environ.get("CXX", "g++")
            return run_measured(
                [compiler, "-std=c++20", *mode, *self.compile_flags, BENCH / "first_step.cpp"]
            ).cpu_seconds
        if name.startswith("house_prices/"):
            return self.house_prices(name)
        return google_benchmark(self.benchmarks, name, self.env) if self.benchmarks.exists() else None

    def size_mb(self):
        scratch = ROOT / "build" / "compare" / "stripped"
        shutil.copy(self.first_step, scratch)
        subprocess.run(["strip", str(scratch)], check=True)
        size = scratch.stat().st_size
        for line in subprocess.run(["ldd", str(self.first_step)], capture_output=True, text=True).stdout.splitlines():
            library = line.split("=>")[-1].split(" (")[0].strip()
            if "/torch/lib/" in library:
                size += pathlib.Path(library).stat().st_size
        return size / 1e6

    def house_prices(self, name):
        return None


class Fulmen(Side):
    def __init__(self, build, env):
        self.program = build / "bin" / "house_prices"
        super().__init__(env, build / "bin" / "fulmen_bench", build / "bin" / "first_step", [f"-I{build}/include"])

    def house_prices(self, name):
        data = house_prices_data(name)
        if data is None or not self.program.exists():
            return None
        path, target = data
        scratch = ROOT / "build" / "compare" / "house_prices_run"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        command = [str(self.program), "fit", "--data", str(path), "--target", target, "--seed", "0"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, cwd=scratch)
        if done.returncode != 0:
            print(f"compare: {' '.join(command)}: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        return json.loads(done.stdout.strip().splitlines()[-1])["seconds"]


class LibTorch(Side):
    """Builds the benchmark sources with the torch package's LibTorch."""

    def __init__(self, torch_folder, cxx11_abi, env):
        self.folder = ROOT / "build" / "compare"
        (self.folder / "include").mkdir(parents=True, exist_ok=True)
        link = self.folder / "include" / "fulmen"
        if not link.exists():
            link.symlink_to(ROOT)
        flags = [
            "-DFULMEN_BENCH_LIBTORCH",
            f"-D_GLIBCXX_USE_CXX11_ABI={int(cxx11_abi)}",
            f"-I{self.folder}/include",
            f"-isystem{torch_folder}/include",
            f"-isystem{torch_folder}/include/torch/csrc/api/include",
        ]
        libraries = [
            f"-L{torch_folder}/lib",
            f"-Wl,-rpath,{torch_folder}/lib",
            "-Wl,--unresolved-symbols=ignore-in-shared-libs",
        ]
        self.link = [*libraries, "-ltorch_cpu", "-lc10"]  # without the CUDA half
        super().__init__(env, self.folder / "libtorch_bench", self.folder / "first_step_libtorch", flags)
        self.build(
            self.benchmarks,
            [BENCH / "ops.cpp", BENCH / "training.cpp"],
            ["-lbenchmark_main", "-lbenchmark", "-lpthread"],
        )
        self.build(self.first_step, [BENCH / "first_step.cpp"], [])

    def build(self, program, sources, libraries):
        newest = max(path.stat().st_mtime for path in [*sources, BENCH / "peer.h"])
        if program.exists() and program.stat().st_mtime > newest:
            return
        print(f"compare: building {program.name} with LibTorch", file=sys.stderr)
        compiler = os.environ.get("CXX", "g++")
        command = [
            compiler,
            "-std=c++20",
            "-O2",
            *self.compile_flags,
            *map(str, sources),
            "-o",
            str(program),
            *self.link,
            *libraries,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"compare: LibTorch is left out of {program.name}:\n{done.stderr[-2000:]}", file=sys.stderr)


class Python:
    """PyTorch or Lightning: one process of peers.py that answers with a number for each name sent to it."""

    def __init__(self, env):
        command = [sys.executable, str(BENCH / "peers.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True
        )
        self.env = env

    def measure(self, name):
        if name in ("program_start", "program_memory"):
            runs = [run_measured([sys.executable, BENCH / "peers.py", "first_step"], self.env) for _ in range(3)]
            return min(r.seconds * 1e3 if name == "program_start" else r.peak_mb for r in runs)
        data = house_prices_data(name)
        print(name, *(data or ()), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer["value"]


def house_prices_data(name):
    files = {
        "house_prices/ames": (ROOT / "examples/house_prices/data/ames.csv", "Sale_Price"),
        "house_prices/california": (
            pathlib.Path(os.environ.get("FULMEN_SHARED", ROOT.parent / "shared"))
            / "data/housing/california_housing.csv",
            "median_house_value",
        ),
    }
    return files[name] if name in files and files[name][0].exists() else None


# ---- the table ---------------------------------------------------------------------------------------------------------


def shown(value, unit):
    if value is None:
        return "—"
    if unit == "ns":
        for limit, scale, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if value < limit:
                return f"{value / scale:.3g} {name}"
        return f"{value / 1e9:.3g} s"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def verdict(row, ours, theirs):
    """What was asked for, and whether it is met."""
    if row.budget is not None:
        asked, met = f"≤ {shown(row.budget, row.unit)}", ours is not None and ours <= row.budget
    elif row.ratio is not None:
        asked, met = f"≥ {row.ratio:g}×", ours is not None and theirs is not None and theirs / ours >= row.ratio
        if theirs is None:
            return asked, "—"
    else:
        return "", ""
    return asked, "—" if ours is None else ("yes" if met else "no")


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    flags = re.search(r"flags\s*:\s*(.*)", info)
    words = flags.group(1).split() if flags else []
    sets = [n for n, f in (("AVX2", "avx2"), ("AVX-512", "avx512f"), ("AMX", "amx_tile")) if f in words]
    compiler = subprocess.run(
        [os.environ.get("CXX", "g++"), "--version"], capture_output=True, text=True
    ).stdout.splitlines()
    return f"{model.group(1).strip() if model else 'unknown processor'} ({', '.join(sets)}), {os.cpu_count()} cores; {compiler[0] if compiler else ''}"


def sides(build, env):
    found = {"Fulmen": Fulmen(build, env)}
    probe = "import json, torch, pathlib; print(json.dumps([torch.__version__, str(pathlib.Path(torch.__file__).parent), torch.compiled_with_cxx11_abi()]))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    if done.returncode != 0:
        print(
            "compare: torch is not installed here (pip install torch lightning): Fulmen alone is measured",
            file=sys.stderr,
        )
        return found, "none"
    version, folder, abi = json.loads(done.stdout.strip().splitlines()[-1])
    found["LibTorch"] = LibTorch(folder, abi, env)
    found["PyTorch, Lightning"] = Python(env)
    lightning = subprocess.run(
        [sys.executable, "-c", "import lightning; print(lightning.__version__)"], capture_output=True, text=True
    )
    return found, f"torch {version}, lightning {lightning.stdout.strip() or 'not installed'}"


def measure_row(row, found, rounds):
    """The best of the rounds for every side; the sides take turns."""
    if row.unit in ("s", "MB") and not row.name.startswith("house"):
        rounds = min(rounds, 2)
    values = {side: [] for side in found}
    for _ in range(rounds):
        for side, peer in found.items():
            try:
                value = peer.measure(row.name)
            except RuntimeError as error:
                print(f"compare: {row.name}: {side}: {error}", file=sys.stderr)
                value = None
            if value is not None:
                values[side].append(value)
    return {side: min(v) if v else None for side, v in values.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--filter", default="", help="only rows whose name matches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="also write the numbers to this file")
    options = parser.parse_args()
    env = dict(
        os.environ,
        OMP_NUM_THREADS=str(options.threads),
        MKL_NUM_THREADS=str(options.threads),
        OMP_WAIT_POLICY="PASSIVE",
    )
    (ROOT / "build" / "compare").mkdir(parents=True, exist_ok=True)
    found, versions = sides(options.build.resolve(), env)
    peers = [s for s in found if s != "Fulmen"]
    print(f"{machine()}; {options.threads} threads; {versions}; best of {options.rounds} alternating rounds\n")
    print(f"| | Fulmen | {' | '.join(peers)}{' | ' if peers else ''}times faster | asked | met |")
    print("| --- " * (5 + len(peers)) + "|")
    results = {}
    for row in ROWS:
        if not re.search(options.filter, row.name):
            continue
        values = measure_row(row, found, options.rounds)
        results[row.name] = dict(values, unit=row.unit)
        ours = values["Fulmen"]
        theirs = next((values[p] for p in peers if values[p] is not None), None)
        asked, met = verdict(row, ours, theirs)
        ratio = f"{theirs / ours:.3g}×" if ours and theirs else "—"
        cells = [f"{row.name}{' (' + row.note + ')' if row.note else ''}", shown(ours, row.unit)]
        cells += [shown(values[p], row.unit) for p in peers] + [ratio, asked, met]
        print(f"| {' | '.join(cells)} |", flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "versions": versions, "rows": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
