"""Writes test/random/golden.json: what PyTorch's CPU generator gives, byte by byte.

Run with a Python that has PyTorch, from the repository's root: python3 tools/golden-random.py
The numbers are those of an x86 CPU with AVX2 and a build without MKL.
"""

import base64
import hashlib
import json
import os
import struct

import torch

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
U8, I8, I16, I32, I64, BOOL = torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool
NORMAL_Y = slice(5024, 5032)


def raw(tensor):
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def state(generator=torch.default_generator):
    """The state's hash without the kept normal sample, which comes from the C library's sine, and that sample."""
    data = bytearray(generator.get_state().numpy().tobytes())
    kept = struct.unpack("<d", data[NORMAL_Y])[0] if data[5040] else None
    data[NORMAL_Y] = bytes(8)
    return {"state": hashlib.sha256(data).hexdigest()[:32], "kept": kept}


def result(tensor):
    data = raw(tensor)
    if len(data) <= 640:
        return {"bytes": base64.b64encode(data).decode()}
    return {"sha256": hashlib.sha256(data).hexdigest(), "head": base64.b64encode(data[:64]).decode()}


cases = []


def case(op, dtype, n, args=(), seed=0, tolerance=0, run=None, **more):
    """Runs `tensor.op(*args)` on an empty tensor, or `run()`. `tolerance` is in ulps; 0 means every bit."""
    torch.manual_seed(seed)
    tensor = getattr(torch.empty(n, dtype=dtype), op)(*args) if run is None else run()
    entry = {"op": op, "dtype": str(dtype).removeprefix("torch."), "n": n, "args": [jsonable(a) for a in args], "seed": seed}
    entry.update(result(tensor) if not tolerance else {"bytes": base64.b64encode(raw(tensor)).decode()})
    if tolerance:
        entry["tolerance"] = tolerance
    cases.append(entry | state() | more)


def jsonable(a):
    return {"int": str(a)} if isinstance(a, int) and abs(a) > 2**53 else a


def spread(n, dtype):
    """A vector of every second element in memory: not contiguous, and its memory order is its logical order."""
    return torch.empty(n, 2, dtype=dtype)[:, 0]


# Uniform: exact in every type, also where the compiler's fused multiply-add enters.
for dtype in (F32, F64, F16, BF16):
    for n in (1, 7, 40, 5000):
        case("uniform_", dtype, n)
    for bounds in ((-0.1, 0.3), (1.7, 5.9), (0.0, 1e-3), (-1000.0, 1.0), (2.0, 2.0)):
        case("uniform_", dtype, 40, bounds, seed=3)
    case("uniform_", dtype, 20011, (-0.25, 7.0), seed=4)
case("uniform_", F32, 100003, (-1 / 28, 1 / 28), seed=5)

# Normal, in both paths. float32 of 16 and more is exact.
for dtype in (F32, F64, F16, BF16):
    for n in (1, 2, 15, 16, 17, 31, 32, 40, 100):
        case("normal_", dtype, n, (), seed=n, tolerance=1 if n < 16 and dtype is not F64 else 0 if dtype is not F64 else 2)
    case("normal_", dtype, 40, (0.3, 1.7), seed=6, tolerance=2 if dtype is F64 else 0)
    case("normal_", dtype, 5, (-2.0, 0.02), seed=6, tolerance=2 if dtype is F64 else 1)
    case("normal_", dtype, 20, (2.0, 0.0), seed=6)
    case("normal_", dtype, 37, (0.3, 1.7), seed=7, run=lambda: spread(37, dtype).normal_(0.3, 1.7),
         tolerance=2 if dtype is F64 else 1, contiguous=False)
case("normal_", F32, 100003)
case("normal_", F32, 100003, (0.5, 0.01), seed=8)
case("normal_", F16, 10007, (0.5, 3.0), seed=8)
case("normal_", BF16, 10007, (0.5, 3.0), seed=8)

# Whole numbers.
for dtype in (U8, I8, I16, I32, I64, BOOL, F16, BF16, F32, F64):
    case("random_", dtype, 40, (), seed=1)
    case("random_", dtype, 1000, (), seed=2)
    case("random_", dtype, 40, (0, 2), seed=1)
for dtype in (I16, I32, I64, F16, BF16, F32, F64):
    case("random_", dtype, 40, (-100, 156), seed=1)
    case("random_", dtype, 30, (7, None), seed=1)
for dtype in (I64, F64, F32):
    for low, high in (
        (0, 2**28 - 1), (0, 2**28), (5, 2**28 + 6), (-(2**31), 2**31), (0, 2**32), (3, 10**10), (0, 2**37), (-17, 2**37 + 5),
        (0, 10**15), (0, 2**53), (-(2**60), 2**61), (-(2**63), 2**63 - 1), (2**62, 2**62 + 1000), (-(2**62) - 3, -(2**62) + 2**30),
    ):
        if dtype is I64 or high - low >= 2**28 - 1:
            case("random_", dtype, 25, (low, high), seed=9)
for dtype in (I64, F64, F32, BF16):
    case("random_", dtype, 25, (-(2**63), None), seed=9)
case("random_", I32, 25, (-(2**31), None), seed=9)
case("random_", I32, 25, (-(2**31), 2**31 - 1), seed=9)
case("random_", F16, 100, (0, 65504), seed=9)
case("random_", F16, 100, (-2049, 2049), seed=9)
case("random_", F32, 100, (2**24 + 1, 2**25 + 1), seed=9)
case("random_", BF16, 100, (-257, 1001), seed=9)
case("random_", I64, 20000, (0, 10), seed=9)

for dtype in (I64, I32, F32, F64, I16):
    for n in (0, 1, 2, 5, 60, 1000):
        case("randperm", dtype, n, seed=10, run=lambda: torch.randperm(n, dtype=dtype))
case("randperm", U8, 256, seed=10, run=lambda: torch.randperm(256, dtype=U8))
case("randperm", F16, 2049, seed=10, run=lambda: torch.randperm(2049, dtype=F16))
case("randperm", BF16, 300, seed=10, run=lambda: torch.randperm(300, dtype=BF16))
case("randperm", I64, 60000, seed=10, run=lambda: torch.randperm(60000))

# Bernoulli and dropout.
for dtype in (F32, F64, F16, BF16, BOOL, U8, I64):
    case("bernoulli_", dtype, 70, (0.3,), seed=11)
for p in (0.0, 1.0):
    case("bernoulli_", F32, 20, (p,), seed=11)
case("bernoulli_", F32, 10007, (0.7,), seed=11)
for dtype in (F32, F64):
    case("bernoulli_tensor_", dtype, 80, seed=12, run=lambda: torch.bernoulli(torch.linspace(0, 1, 80, dtype=dtype)))
    case("bernoulli_tensor_", dtype, 5000, seed=12, run=lambda: torch.bernoulli(torch.linspace(0, 1, 5000, dtype=dtype)))
dropout = torch.nn.functional.dropout
case("dropout_mask_", F32, 1000, (0.3,), seed=13, run=lambda: (dropout(torch.ones(1000), 0.3) != 0).float())
case("dropout_mask_", BOOL, 1000, (0.3,), seed=13, run=lambda: torch.native_dropout(torch.ones(1000), 0.3, True)[1])
case("dropout_mask_", F32, 24, (0.6,), seed=13, run=lambda: (dropout(torch.ones(4, 6).t(), 0.6).t() != 0).float())
case("dropout_mask_", F32, 15, (0.5,), seed=13,
     run=lambda: (torch.nn.functional.dropout2d(torch.ones(3, 5, 2, 2), 0.5)[:, :, 0, 0] != 0).float())
case("dropout_mask_", F32, 50, (0.5,), seed=13,
     run=lambda: (torch.nn.functional.alpha_dropout(torch.ones(50), 0.5, training=True) > 0.5).float())
case("dropout_mask_", F32, 0, (0.5,), seed=13, run=lambda: torch.empty(0).copy_(dropout(torch.ones(0), 0.5)))

# From one uniform each.
for dtype in (F32, F64, F16, BF16):
    ulps = 2 if dtype is F64 else 1
    case("exponential_", dtype, 60, (), seed=14, tolerance=ulps)
    case("exponential_", dtype, 60, (0.7,), seed=14, tolerance=ulps)
    case("cauchy_", dtype, 60, (), seed=15, tolerance=ulps)
    case("cauchy_", dtype, 60, (0.3, 1.7), seed=15, tolerance=ulps)
    case("log_normal_", dtype, 61, (), seed=16, tolerance=8 if dtype is F64 else ulps)
    case("log_normal_", dtype, 17, (0.3, 0.2), seed=16, tolerance=8 if dtype is F64 else ulps)
for dtype in (F32, F64, F16, BF16, U8, I8, I16, I32, I64):
    case("geometric_", dtype, 60, (0.01,), seed=17)
    case("geometric_", dtype, 60, (0.7,), seed=17)

# Multinomial: the weights are uniforms of a generator of their own, seed 100.
def weights(rows, categories, dtype, zeros=False):
    w = torch.rand(rows, categories, dtype=F64, generator=torch.Generator().manual_seed(100)).to(dtype)
    return w * (torch.arange(categories) % 3 != 0) if zeros else w


for dtype in (F32, F64):
    for rows, categories, samples, replacement in (
        (1, 10, 1, True), (1, 10, 1, False), (1, 10, 4, True), (1, 10, 4, False), (1, 10, 10, False), (3, 50, 20, True),
        (3, 50, 20, False), (4, 7, 1, False), (1, 1000, 300, True), (1, 1000, 300, False), (1, 1000, 10, False),
    ):
        case("multinomial", dtype, rows * samples, (rows, categories, samples, replacement), seed=18,
             run=lambda: torch.multinomial(weights(rows, categories, dtype), samples, replacement).int())
    case("multinomial", dtype, 10, (1, 30, 10, True), seed=18, zeros=True,
         run=lambda: torch.multinomial(weights(1, 30, dtype, True), 10, True).int())
    case("multinomial", dtype, 20, (1, 30, 20, False), seed=18, zeros=True,
         run=lambda: torch.multinomial(weights(1, 30, dtype, True), 20, False).int())
for dtype in (F16, BF16):
    case("multinomial", dtype, 40, (1, 10, 40, True), seed=18,
         run=lambda: torch.multinomial(weights(1, 10, dtype), 40, True).int())
    case("multinomial", dtype, 3, (1, 10, 3, False), seed=18,
         run=lambda: torch.multinomial(weights(1, 10, dtype), 3, False).int())

# Rejection samplers: the parameters are a fixed ramp.
for dtype in (F32, F64):
    ramp = torch.arange(80, dtype=dtype)
    case("poisson", dtype, 80, seed=19, run=lambda: torch.poisson(ramp))
    case("poisson", dtype, 80, seed=20, run=lambda: torch.poisson(ramp * 20 + 0.5), scale=20, shift=0.5)
    case("poisson", dtype, 80, seed=20, run=lambda: torch.poisson(ramp * 0.125), scale=0.125, shift=0)
    for p in (0.0, 0.02, 0.25, 0.5, 0.625, 0.97, 1.0):
        case("binomial", dtype, 80, (p,), seed=21, run=lambda: torch.binomial(ramp * 3, torch.full_like(ramp, p)))
    case("poisson", dtype, 9000, seed=20, run=lambda: torch.poisson(torch.arange(9000, dtype=dtype) * 2**-7 + 10),
         scale=2**-7, shift=10)
    for count, p in ((30, 0.4), (25, 0.5), (1000, 0.03), (22, 0.45)):
        case("binomial", dtype, 9000, (p,), seed=21, scale=0, shift=count,
             run=lambda: torch.binomial(torch.full((9000,), count, dtype=dtype), torch.full((9000,), p, dtype=dtype)))
    case("standard_gamma", dtype, 80, seed=22, tolerance=16 if dtype is F64 else 1,
         run=lambda: torch._standard_gamma(ramp * 0.25 + 0.125), scale=0.25, shift=0.125)

case("standard_gamma", F32, 3000, seed=22, tolerance=2, scale=2**-10, shift=0.5,
     run=lambda: torch._standard_gamma(torch.arange(3000) * 2**-10 + 0.5))

# Streams: several calls, one after the other, with the kept normal sample passing between them.
streams = []
for seed in (0, 1, 1234567890123456789, -1, -2, -(2**63), 2**63, 2**64 - 1, 2**32, 67280421310721):
    generator = torch.Generator().manual_seed(seed)
    steps = [
        raw(torch.rand(3, generator=generator)),
        raw(torch.randn(3, generator=generator)),
        raw(torch.randn(20, generator=generator)),
        raw(torch.randn(4, dtype=F64, generator=generator)),
        raw(torch.randint(0, 1000, (700,), generator=generator)),
        raw(torch.rand(3, dtype=F64, generator=generator)),
    ]
    streams.append({"seed": str(seed), "initial_seed": str(generator.initial_seed()),
                    "steps": [base64.b64encode(s).decode() if len(s) < 700 else hashlib.sha256(s).hexdigest() for s in steps],
                    } | state(generator))

saved = torch.Generator().manual_seed(42)
torch.randn(3, generator=saved)
torch.rand(1000, generator=saved)
saved_state = base64.b64encode(saved.get_state().numpy().tobytes()).decode()
after_saved = base64.b64encode(raw(torch.randn(3, generator=saved)) + raw(torch.rand(3, generator=saved))).decode()
fresh = hashlib.sha256(torch.Generator().get_state().numpy().tobytes()).hexdigest()

# Data loading: the order of indices, and what it leaves of each generator.
from torch.utils.data import DataLoader, RandomSampler, SubsetRandomSampler, WeightedRandomSampler, random_split  # noqa: E402


def loader_case(n, batch, drop_last, own, epochs, stop=None):
    torch.manual_seed(23)
    generator = torch.Generator().manual_seed(24) if own else None
    loader = DataLoader(range(n), batch_size=batch, shuffle=True, drop_last=drop_last, generator=generator)
    seen = []
    for _ in range(epochs):
        for i, indices in enumerate(loader):
            seen.append(indices.tolist())
            if stop is not None and i + 1 == stop:
                break
    return {"n": n, "batch": batch, "drop_last": drop_last, "own": own, "epochs": epochs, "stop": stop, "batches": seen,
            "default": state()["state"], "generator": state(generator)["state"] if own else None}


loaders = [
    loader_case(10, 3, False, False, 2), loader_case(10, 3, True, False, 2), loader_case(10, 3, False, True, 2),
    loader_case(10, 3, True, True, 2), loader_case(12, 3, False, True, 2), loader_case(12, 3, True, True, 1),
    loader_case(10, 3, False, True, 2, stop=2), loader_case(10, 3, False, False, 2, stop=1),
    loader_case(10, 3, False, True, 1, stop=4), loader_case(12, 3, False, True, 1, stop=4),
]
samplers = []
for n, options in (
    (10, {}), (10, {"num_samples": 4}), (10, {"num_samples": 25}), (10, {"replacement": True}),
    (10, {"replacement": True, "num_samples": 70}), (10, {"replacement": True, "num_samples": 64}),
):
    for own in (False, True):
        torch.manual_seed(25)
        generator = torch.Generator().manual_seed(26) if own else None
        indices = list(RandomSampler(range(n), generator=generator, **options))
        samplers.append({"n": n, "options": options, "own": own, "indices": indices, "default": state()["state"],
                         "generator": state(generator)["state"] if own else None})
torch.manual_seed(27)
subset = list(SubsetRandomSampler(range(20)))
split = [list(s.indices) for s in random_split(range(20), [5, 15])]
weighted = list(WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5, replacement=True))
data = {"loaders": loaders, "samplers": samplers,
        "sequence": {"subset": subset, "split": split, "weighted": weighted, "state": state()["state"]}}

def message(call):
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    raise AssertionError("no error")


empty = torch.empty
errors = {
    "uniform_ from > to": message(lambda: empty(2).uniform_(3, 1)),
    "uniform_ tiny and huge": message(lambda: empty(2).uniform_(1e-7, -1e30)),
    "uniform_ wide": message(lambda: empty(2).uniform_(-3e38, 3e38)),
    "uniform_ nan": message(lambda: empty(2).uniform_(float("nan"), 1)),
    "uniform_ half": message(lambda: empty(2, dtype=F16).uniform_(0, 1e6)),
    "uniform_ uint8": message(lambda: empty(2, dtype=U8).uniform_()),
    "normal_ std": message(lambda: empty(2).normal_(0, -1234567.0)),
    "normal_ empty": message(lambda: empty(0).normal_(0, -0.5)),
    "normal_ int32": message(lambda: empty(2, dtype=I32).normal_()),
    "log_normal_ std": message(lambda: empty(2).log_normal_(0, 0)),
    "random_ empty range": message(lambda: empty(2, dtype=I64).random_(5, 5)),
    "random_ uint8": message(lambda: empty(2, dtype=U8).random_(0, 300)),
    "random_ uint8 below": message(lambda: empty(2, dtype=U8).random_(-5, 10)),
    "random_ bits": message(lambda: empty(2, dtype=I32).random_(-(2**63), None)),
    "random_ bits half": message(lambda: empty(2, dtype=F16).random_(-(2**63), None)),
    "random_ half": message(lambda: empty(2, dtype=F16).random_(0, 70000)),
    "randperm uint8": message(lambda: torch.randperm(300, dtype=U8)),
    "randperm half": message(lambda: torch.randperm(2050, dtype=F16)),
    "bernoulli_ p": message(lambda: empty(2).bernoulli_(1.5)),
    "bernoulli p": message(lambda: torch.bernoulli(torch.tensor([0.5, 1.5]))),
    "exponential_ lambda": message(lambda: empty(2).exponential_(-1)),
    "exponential_ int64": message(lambda: empty(2, dtype=I64).exponential_()),
    "cauchy_ sigma": message(lambda: empty(2).cauchy_(0, 0)),
    "cauchy_ uint8": message(lambda: empty(2, dtype=U8).cauchy_()),
    "geometric_ p": message(lambda: empty(2).geometric_(1.0)),
    "geometric_ bool": message(lambda: empty(2, dtype=BOOL).geometric_(0.5)),
    "multinomial zeros": message(lambda: torch.multinomial(torch.zeros(3), 1)),
    "multinomial zeros replaced": message(lambda: torch.multinomial(torch.zeros(3), 2, True)),
    "multinomial negative": message(lambda: torch.multinomial(torch.tensor([1.0, -1]), 1)),
    "multinomial negative replaced": message(lambda: torch.multinomial(torch.tensor([1.0, -1]), 3, True)),
    "multinomial infinite replaced": message(lambda: torch.multinomial(torch.tensor([1.0, float("inf")]), 3, True)),
    "multinomial none": message(lambda: torch.multinomial(torch.ones(3), 0, True)),
    "multinomial too many": message(lambda: torch.multinomial(torch.ones(3), 5)),
    "poisson": message(lambda: torch.poisson(torch.tensor([-1.0]))),
    "seed too great": message(lambda: torch.Generator().manual_seed(2**64)),
    "seed too small": message(lambda: torch.Generator().manual_seed(-(2**63) - 1)),
    "seed float": message(lambda: torch.Generator().manual_seed(3.7)),
    "state size": message(lambda: torch.Generator().set_state(torch.zeros(10, dtype=U8))),
    "state zeros": message(lambda: torch.Generator().set_state(torch.zeros(5056, dtype=U8))),
    "state float": message(lambda: torch.Generator().set_state(torch.zeros(5056))),
}
torch.manual_seed(28)
overflow = torch.multinomial(torch.tensor([3e38, 3e38, 1.0]), 5, True).tolist()
casts = [[str(v), torch.tensor([v]).float().item(), torch.tensor([v]).double().item(), torch.tensor([v]).bfloat16().item()]
         for v in (2**60 + 2**36 + 1, 2**60 + 2**36, -(2**60) - 2**36 - 1, 2**62 + 2**38 + 1, 2**63 - 1, -(2**63), 2**53 + 1)]

golden = {"torch": torch.__version__, "cases": cases, "streams": streams,
          "saved": {"state": saved_state, "after": after_saved, "fresh": fresh}, "data": data,
          "errors": errors, "overflow": overflow, "casts": casts}
path = "test/random/golden.json"
with open(path, "w") as file:
    # One case a line, so that a change is readable as a difference.
    file.write("{\n" + ",\n".join(
        f"{json.dumps(key)}: " + ("[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]" if isinstance(value, list) else json.dumps(value))
        for key, value in golden.items()) + "\n}\n")
print(f"{len(cases)} cases, {len(streams)} streams, {os.path.getsize(path)} bytes")
