"""Random programs of autograd, and what PyTorch makes of them. Run with a Python that has PyTorch:

    python3 tools/golden-programs.py              writes test/autograd/programs.gz: a few hundred programs, chosen for coverage
    python3 tools/golden-programs.py make 0 1000  prints the programs of these seeds with their logs, one JSON text a line
    python3 tools/golden-programs.py run          answers programs on standard input with their logs
    python3 tools/golden-programs.py show 17      prints a program as Python
"""
import json
import os
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
    command, *rest = sys.argv[1:] or ["golden"]
    if command == "make":
        make(int(rest[0]), int(rest[1]))
    elif command == "run":
        for line in sys.stdin:
            print(text(Machine().run(json.loads(line))), flush=True)


main()
