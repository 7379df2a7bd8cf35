"""PyTorch as a contender: answers requests, one JSON object a line, from standard input on standard output."""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

STRETCH = 2_000_000


def signed(bits):
    return bits - 2**32 if bits >= 2**31 else bits


def shifted(x, places):
    """The bits moved right, with zeros before them."""
    return (x >> places) & (2 ** (32 - places) - 1)


def hash_bits(count, seed):
    """The same 32 bits per position as in data.ts, as signed numbers."""
    x = torch.arange(count, dtype=torch.int32)
    x.mul_(signed(0x9E3779B1)).add_(signed((seed + 1) * 0x85EBCA6B & 0xFFFFFFFF))
    x.bitwise_xor_(shifted(x, 15)).mul_(0x2C1B3C6D)
    x.bitwise_xor_(shifted(x, 12)).mul_(0x297A2D39)
    return x.bitwise_xor_(shifted(x, 15))


def make_input(shape, seed, scale=1, classes=None):
    count = 1
    for size in shape:
        count *= size
    bits = hash_bits(count, seed)
    if classes is not None:
        return ((bits.long() & 0xFFFFFFFF) % classes).reshape(shape)
    # 24 bits and a power of two are exact in float32, so that only the last product rounds.
    return shifted(bits, 8).float().div_(2**23).sub_(1).mul_(scale).reshape(shape)


def sample_of(tensor):
    flat = tensor.detach().reshape(-1)
    values = flat[:: flat.numel() // 1024 | 1].tolist()
    return {"shape": list(tensor.shape), "values": [v if abs(v) < float("inf") else None for v in values]}


class Row:
    def __init__(self, inputs, program):
        torch.manual_seed(0)
        names = {"torch": torch, "nn": nn, "F": F}
        for seed, (name, given) in enumerate(inputs):
            names[name] = make_input(seed=seed, **given)
        *setup, last = program.strip().split("\n")
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

    def results(self, call):
        for _ in range(call):
            start = time.perf_counter_ns()
            output = self.step()
            elapsed = time.perf_counter_ns() - start
        tensors = [output] if isinstance(output, torch.Tensor) else output
        return {"samples": [sample_of(t) for t in tensors], "elapsed": elapsed}

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
    print(json.dumps({"answer": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                row = None
                row = Row(request["inputs"], request["program"])
                answer = True
            elif request["do"] == "results":
                answer = row.results(request["call"])
            else:
                answer = row.measure(request["milliseconds"])
            print(json.dumps({"answer": answer}), flush=True)
        except Exception as error:  # whatever a row's program throws is its result
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()
