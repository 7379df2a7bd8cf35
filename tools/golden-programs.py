"""Random programs of autograd, and what PyTorch makes of them. Run with a Python that has PyTorch:

    python3 tools/golden-programs.py make 0 1000      prints the programs of these seeds with their logs, one JSON text a line
    python3 tools/golden-programs.py golden FILE 300  writes test/autograd/programs.gz: of those in FILE the programs that cover most
    python3 tools/golden-programs.py run              answers programs on standard input with their logs

`npx node test/autograd/programs/fuzz.ts 0 1000` makes, runs and compares programs. With `--show` it prints them as TypeScript and Python.
"""
import gzip
import json
import os
import re
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "random-programs"))

import torch  # noqa: E402
from generator import Generator  # noqa: E402
from interpreter import Machine  # noqa: E402

torch.set_num_threads(1)


def generate(seed):
    """The program of a seed; every eighth one has large tensors. None where its numbers left the range."""
    program = Generator(seed, large=seed % 8 == 7).generate()
    if program is None:
        return None
    # Run again: the generator has looked at tensors, which can make their history anew.
    log = Machine().run(program)
    return None if "INTERNAL ASSERT" in text(log) else {"seed": seed, "program": program, "log": log}


def situations(result):
    """What a program has in it: operations with the flags of their operand, modes and errors, and hooks."""
    found = set()
    registers = {}
    for instruction, (status, *events) in zip(result["program"], result["log"][0]):
        f, args = instruction["f"], instruction["a"]
        first = args[0] if args and isinstance(args[0], str) else ""
        if f == "apply":
            f, first = args[0], args[1]
        state = registers.get(first, "")
        error = re.sub(r"\d+", "#", status[:60]) if re.match(r"\w*Error: ", status) else ""
        names = instruction.get("r")
        for name, description in zip(names if isinstance(names, list) else [names], status.split(" | ")):
            registers[name] = " ".join(re.findall(r" [-rlvk]{4} ", description))
        found.add((f, state, instruction.get("m"), error))
        found.update((f, re.sub(r"[\d.]+", "#", e)[:40]) for e in events if isinstance(e, str))
    return found


def rounded(value):
    """Numbers with eight digits."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def golden(source, count):
    """Writes those programs that add most to what is covered."""
    candidates = [(result, situations(result)) for result in map(json.loads, source)]
    known, chosen = set(), []
    while len(chosen) < count:
        best = max(range(len(candidates)), key=lambda i: len(candidates[i][1] - known))
        result, found = candidates.pop(best)
        known |= found
        chosen.append(result)
        candidates = candidates if len(chosen) % 20 else [c for c in candidates if c[1] - known] or candidates
    lines = "\n".join(text(rounded(result)) for result in chosen) + "\n"
    with open(os.path.join(here, "..", "test", "autograd", "programs.gz"), "wb") as file:
        file.write(gzip.compress(lines.encode(), 9, mtime=0))
    print(f"{len(chosen)} of {len(chosen) + len(candidates)} programs, {len(known)} situations")


def text(value):
    return json.dumps(value, separators=(",", ":"))


def make(start, end, chunk=20):
    """Prints programs. Some of them crash PyTorch, so others than this process run them."""
    while start < end:
        stop = min(start + chunk, end)
        child = os.fork()
        if child == 0:
            for seed in range(start, stop):
                result = generate(seed)
                if result is not None:
                    print(text(result), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(f"PyTorch crashed between the seeds {start} and {stop}", file=sys.stderr)
        start = stop


def main():
    command, *rest = sys.argv[1:]
    if command == "make":
        make(int(rest[0]), int(rest[1]))
    elif command == "golden":
        with open(rest[0]) as source:
            golden(source, int(rest[1]))
    elif command == "run":
        for line in sys.stdin:
            print(text(Machine().run(json.loads(line))), flush=True)


main()
