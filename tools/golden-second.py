"""Second derivatives of the golden samples of ops, made by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-second.py IN OUT [--most N] [NAME ...]      the committed file: test/golden/ops test/golden/second.gz --most 30

IN is a folder that golden-ops.py wrote (test/golden/ops, or that of a `--full` run). OUT is a folder with a file {"op", "samples"}
for each op, or one file {"ops": [{"op", "samples"}]}. A sample with gradients gets
  id       that of the sample
  first    for each gradient, whether it can be differentiated again; null where there is no gradient
  second   the gradients of those gradients, weighted by `upstream` with numbers from 5 on: first of the inputs, then of the
           incoming gradients, null where there is none
  error    {"class", "message"} instead, where PyTorch cannot do it
  serr     for float32 the rounding error of PyTorch itself against float64, one number for each of `second`
The format is that of golden_format.py.
"""
import argparse
import gzip
import json
import os
import struct
import sys
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter("ignore")

import importlib  # noqa: E402

import torch  # noqa: E402

from golden_format import Blob, decode, encode_tensor, upstream, write_golden  # noqa: E402

ops = importlib.import_module("golden-ops")


def read(path):
    body = gzip.decompress(open(path, "rb").read())
    length = struct.unpack_from("<I", body)[0]
    start = 4 + length
    return json.loads(body[4:start]), body[start + -start % 8:]


def second(call, seed):
    """(whether each first gradient can be differentiated, second gradients); None without any."""
    result = ops.run_call(call, seed)
    outs = [(i, o) for i, o in enumerate(ops.outputs_of(result)) if isinstance(o, torch.Tensor) and o.requires_grad]
    inputs = [t for t in ops.tensors_of([call[1], call[2]]) if t.requires_grad]
    incoming = [upstream(o, i).requires_grad_() for i, o in outs]
    first = torch.autograd.grad([o for _, o in outs], inputs, incoming, create_graph=True, allow_unused=True)
    flags = [None if g is None else g.requires_grad for g in first]
    again = [(i, g) for i, g in enumerate(first) if g is not None and g.requires_grad]
    if not again:
        return flags, []
    weights = [upstream(g, i + 5) for i, g in again]
    return flags, torch.autograd.grad([g for _, g in again], inputs + incoming, weights, allow_unused=True)


def with_memory(g):
    """Contiguous; PyTorch's zeros that have no memory get some."""
    return torch.zeros(g.shape, dtype=g.dtype) if g._is_zerotensor() else g.detach().contiguous()


def doubled(v):
    return ops.mutated(v, lambda t: t.detach().double().requires_grad_(t.requires_grad) if t.is_floating_point() else t)


def one(index, data, most, blob):
    samples = []
    for sample in index["samples"]:
        if "grads" not in sample or "error" in sample:
            continue
        if sum(g["n"] for g in sample["grads"] if g) > most:
            continue

        def fresh():
            return sample["fn"], decode(sample["args"], data), decode({"dict": sample["kwargs"]}, data)

        entry = {"id": sample["id"]}
        seed = sample.get("seed")
        try:
            flags, values = second(fresh(), seed)
            entry["first"] = flags
            entry["second"] = [None if g is None else encode_tensor(with_memory(g), blob) for g in values]
            if sample["id"].startswith("float32") and values and seed is None:
                try:
                    target, args, kwargs = fresh()
                    args, kwargs = doubled([args, kwargs])
                    exact = second((target, args, kwargs), seed)[1]
                    entry["serr"] = [None if g is None or h is None else ops.own_error(g, h) for g, h in zip(values, exact)]
                except Exception:
                    pass
        except Exception as error:
            entry["error"] = {"class": type(error).__name__, "message": str(error).strip().split("\n")[0][:300]}
        samples.append(entry)
    return {"op": index["op"], "samples": samples}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--most", type=int, default=600, help="elements of the gradients of a sample")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.names or sorted(f[:-3] for f in os.listdir(arguments.input) if f.endswith(".gz"))

    def made(name, blob):
        start = time.time()
        found = one(*read(os.path.join(arguments.input, name + ".gz")), arguments.most, blob)
        errors = {s["error"]["message"] for s in found["samples"] if "error" in s}
        print(f"{name}: {len(found['samples'])} samples, {time.time() - start:.1f} s", *errors, sep="\n    ", flush=True)
        return found

    if arguments.output.endswith(".gz"):
        blob = Blob()
        every = [found for found in (made(name, blob) for name in names) if found["samples"]]
        print(write_golden(arguments.output, {"ops": every}, blob), "bytes")
        return
    os.makedirs(arguments.output, exist_ok=True)
    for name in names:
        # PyTorch itself crashes on some inputs: every op gets a process of its own.
        child = os.fork()
        if child == 0:
            blob = Blob()
            found = made(name, blob)
            if found["samples"]:
                write_golden(os.path.join(arguments.output, name + ".gz"), found, blob)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status:
            print(f"{name}: ended with status {status}", flush=True)


if __name__ == "__main__":
    main()
