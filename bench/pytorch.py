"""PyTorch as a contender: answers requests, one JSON object a line, from standard input on standard output."""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

MASK = 0xFFFFFFFF
STRETCH = 2_000_000
SAMPLE_LIMIT = 1024


def hash_bits(count, seed):
    """The same 32 bits per position as in data.ts."""
    x = (torch.arange(count) * 0x9E3779B1 + (seed + 1) * 0x85EBCA6B) & MASK
    x = ((x ^ (x >> 15)) * 0x2C1B3C6D) & MASK
    x = ((x ^ (x >> 12)) * 0x297A2D39) & MASK
    return x ^ (x >> 15)


def make_input(shape, seed, scale=1, classes=None):
    count = 1
    for size in shape:
        count *= size
    bits = hash_bits(count, seed)
    if classes is not None:
        return (bits % classes).reshape(shape)
    return (((bits >> 8).double() / 2**23 - 1) * scale).float().reshape(shape)


def sample_of(tensor):
    flat = tensor.detach().reshape(-1).double()
    values = flat[:: max(1, flat.numel() // SAMPLE_LIMIT)].tolist()
    return {"shape": list(tensor.shape), "values": [v if abs(v) < float("inf") else None for v in values]}


class Row:
    def __init__(self, request):
        torch.manual_seed(0)
        names = {"torch": torch, "nn": nn, "F": F}
        for seed, (name, given) in enumerate(request["inputs"]):
            names[name] = make_input(seed=seed, **given)
        *setup, last = request["program"].strip().split("\n")
        if last.startswith(" "):  # the end of `def step():`
            exec("\n".join([*setup, last]), names)
            call = "step()"
        else:  # an expression: measured without the cost of a call
            exec("\n".join([*setup, f"def step():\n    return {last}"]), names)
            call = last
        exec(f"def repeat(calls):\n    for _ in range(calls):\n        {call}", names)
        self.step = names["step"]
        self.repeat = names["repeat"]
        self.calls = 1

    def results(self):
        self.step()
        self.step()
        output = self.step()
        return [sample_of(t) for t in ([output] if isinstance(output, torch.Tensor) else output)]

    def measure(self, milliseconds):
        times = []
        left = milliseconds * 1e6
        while left > 0 or not times:
            start = time.perf_counter_ns()
            self.repeat(self.calls)
            elapsed = time.perf_counter_ns() - start
            left -= elapsed
            if elapsed < STRETCH / 2:
                self.calls *= 2
            else:
                times.append(elapsed / self.calls)
                if elapsed > STRETCH * 2 and self.calls > 1:
                    self.calls = -(-self.calls // 2)
        return times


def main():
    torch.set_num_threads(int(sys.argv[1]))
    row = None
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                row = None
                row = Row(request)
                answer = True
            elif request["do"] == "results":
                answer = row.results()
            else:
                answer = row.measure(request["milliseconds"])
            print(json.dumps({"answer": answer}), flush=True)
        except Exception as error:  # whatever a row's program throws is its result
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


main()
