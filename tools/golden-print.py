"""Writes test/print/golden.json: tensors, numbers and values with the texts that PyTorch and Python give them.

Run with a Python that has PyTorch, from the root of the repository:  python3 tools/golden-print.py
Element values are stored exactly, as the base64 of their little-endian bytes. A case whose data has fewer elements
than its shape repeats them.
"""

import base64
import json
import math
import random
import struct

import torch

torch.manual_seed(7)
rng = random.Random(7)
cases = []

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0]


def encode(flat):
    raw = flat.contiguous().view(torch.uint8) if flat.numel() else torch.empty(0, dtype=torch.uint8)
    return base64.b64encode(bytes(raw.tolist())).decode()


def add(tensor, data=None, **options):
    """Records one tensor; `data` is its repeated part when that is less than all of it."""
    defaults = dict(profile="default", sci_mode=None)
    torch.set_printoptions(**defaults)
    torch.set_printoptions(**options)
    flat = tensor.detach().reshape(-1) if data is None else data
    case = {
        "dtype": str(tensor.dtype)[6:],
        "shape": list(tensor.shape),
        "data": encode(flat),
        "text": repr(tensor),
    }
    if len(case["text"]) > 9000:  # keeps the file small
        torch.set_printoptions(**defaults)
        return
    if options:
        case["options"] = {k: "inf" if v == math.inf else v for k, v in options.items()}
    if torch.get_default_dtype() != torch.float32:
        case["default_dtype"] = str(torch.get_default_dtype())[6:]
    if tensor.requires_grad:
        case["requires_grad"] = True
    if tensor.grad_fn is not None:
        case["grad_fn_name"] = type(tensor.grad_fn).__name__
    if isinstance(tensor, torch.nn.Parameter):
        case["is_parameter"] = True
    cases.append(case)
    torch.set_printoptions(**defaults)


def random_shape(limit=40, max_dim=5):
    while True:
        shape = [rng.choice([1, 1, 2, 2, 3, 4, 5, 7, 12, 30]) for _ in range(rng.randrange(max_dim + 1))]
        if math.prod(shape) <= limit:
            return shape


def random_floats(count, dtype):
    kind = rng.randrange(6)
    values = torch.randn(count, dtype=torch.float64)
    if kind == 1:  # one magnitude for all
        values = values * 10.0 ** rng.randrange(-9, 10)
    elif kind == 2:  # magnitudes far apart
        values = values * 10.0 ** torch.randint(-8, 8, (count,)).double()
    elif kind == 3:  # whole numbers
        values = (values * 10.0 ** rng.randrange(0, 7)).round()
    elif kind == 4:  # ties for a few digits
        values = (values * 64).round() / 64
    elif kind == 5:  # halves
        values = (values * 8).round() / 2
    for i in range(count):
        if rng.random() < 0.06:
            values[i] = rng.choice(SPECIAL)
    return values.to(dtype)


def random_integers(count, dtype):
    info = torch.iinfo(dtype)
    bits = rng.randrange(1, info.bits + 1)
    low, high = max(info.min, -(2 ** (bits - 1))), min(info.max, 2 ** (bits - 1))
    return torch.tensor([rng.randint(low, high) for _ in range(count)], dtype=dtype)


def random_flat(count, kind):
    if kind == "float":
        return random_floats(count, rng.choice(FLOATS))
    if kind == "integer":
        return random_integers(count, rng.choice(INTEGERS))
    return torch.tensor([rng.random() < 0.5 for _ in range(count)], dtype=torch.bool)


def random_options():
    options = {}
    if rng.random() < 0.4:
        options["precision"] = rng.choice([0, 1, 2, 3, 6, 8, 12, 20])
    if rng.random() < 0.4:
        options["linewidth"] = rng.choice([1, 20, 40, 79, 80, 81, 100, 120, 200])
    if rng.random() < 0.3:
        options["sci_mode"] = rng.choice([True, False])
    if rng.random() < 0.3:
        options["threshold"] = rng.choice([0, 1, 5, 10, 20, math.inf])
    if rng.random() < 0.3:
        options["edgeitems"] = rng.choice([0, 1, 2, 4, 5])
    if rng.random() < 0.2:
        options["profile"] = rng.choice(["default", "short", "full"])
    return options


# Plain tensors of every dtype.
for _ in range(130):
    shape = random_shape()
    kind = rng.choices(["float", "integer", "bool"], [7, 3, 1])[0]
    add(random_flat(math.prod(shape), kind).reshape(shape))

# The same under options.
for _ in range(130):
    shape = random_shape()
    kind = rng.choices(["float", "integer", "bool"], [7, 3, 1])[0]
    add(random_flat(math.prod(shape), kind).reshape(shape), **random_options())

# Large tensors, summarized, with data that repeats every few elements.
for shape in [
    [1001], [1000], [5000], [40, 26], [3, 400], [400, 3], [7, 143], [6, 167], [11, 10, 10], [2, 3, 200], [20, 5, 2, 7],
    [1, 1, 1001], [1001, 1], [5, 5, 5, 5, 5], [100000], [300, 300], [3, 1, 7, 7, 7], [1, 2000], [10, 1, 200],
]:
    for kind in ["float", "float", "integer", "bool"]:
        pattern = random_flat(rng.choice([7, 13, 31]), kind)
        count = math.prod(shape)
        tensor = pattern.repeat(-(-count // pattern.numel()))[:count].reshape(shape)
        options = random_options() if rng.random() < 0.4 else {}
        if count > 3000 or options.get("profile") == "full":
            options.pop("profile", None), options.pop("threshold", None)
        if options.get("threshold") == math.inf:
            options["threshold"] = 100
        add(tensor, data=pattern, **options)

# Empty tensors and single elements.
for dtype in [*FLOATS, *INTEGERS, torch.bool]:
    for shape in [[0], [0, 3], [3, 0], [2, 0, 4]]:
        add(torch.empty(shape, dtype=dtype))
    add(torch.ones([], dtype=dtype))
    add(torch.zeros([2], dtype=dtype))
add(torch.empty([0, 3]), linewidth=10)
add(torch.empty([0, 3], dtype=torch.int32), edgeitems=0)
add(torch.empty([0], requires_grad=True))

# Special values alone and together.
for dtype in FLOATS:
    for values in [
        [math.nan], [math.inf, -math.inf], [0.0, -0.0], [-0.0], SPECIAL, SPECIAL + [1.0], SPECIAL + [1.5], SPECIAL + [1e-5],
        [1e-4, 1.0], [9.9e-5], [1000.0, 1.0], [1001.0, 1.0], [1.0, math.nan], [-0.00001, 0.5], [0.99995], [0.99994, -0.99996],
    ]:
        add(torch.tensor(values, dtype=dtype))
        add(torch.tensor(values, dtype=dtype), sci_mode=True)
        add(torch.tensor(values, dtype=dtype), sci_mode=False, precision=0)
for value in [1e8, 100000008.0, 1e20, 1e21, 1.5e22, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 0.1, 2.5, 1e23]:
    for options in [{}, {"sci_mode": False}, {"sci_mode": True}, {"precision": 25}, {"precision": 0, "sci_mode": True}]:
        add(torch.tensor([value, -value], dtype=torch.float64), **options)
add(torch.tensor([2**63 - 1, -(2**63), 0]))
add(torch.tensor([1e30, 1.5], dtype=torch.float64), sci_mode=False, precision=120)

# Gradients, parameters, other default types.
weight = torch.randn(2, 3, requires_grad=True)
for tensor in [
    weight, weight + 1, weight.sum(), weight.mm(weight.t()), weight.reshape(6), weight[0], weight.exp(), weight.t(),
    (weight * 2).double(), weight[:0], torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(2, 2).double()),
    torch.nn.Parameter(torch.empty(0)), torch.nn.Parameter(torch.randn(3), requires_grad=False),
    weight.double().repeat(1, 3), weight.reshape(6, 1).expand(6, 2).half(),
]:
    add(tensor)
    for linewidth in [30, 45, 60]:
        add(tensor, linewidth=linewidth)
long = torch.randn(7, dtype=torch.float64, requires_grad=True)
for linewidth in range(70, 120, 3):
    add(long * 1, linewidth=linewidth)
pattern = torch.randn(11)
add(pattern.repeat(100).requires_grad_() + 0, data=pattern)
for default in [torch.float64, torch.float16]:
    torch.set_default_dtype(default)
    for dtype in [*FLOATS, torch.int64, torch.int32, torch.bool]:
        add(torch.ones(2, dtype=dtype))
        add(torch.empty(0, dtype=dtype))
    torch.set_default_dtype(torch.float32)


def bits(value):
    return struct.pack(">d", value).hex()


numbers = [
    0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 0.125, 0.375, 1e16, 1e15, 123456789012345680.0, 9999999999999998.0, 1e-4, 1e-5, 9.5, 99.5,
    9.9999e-5, 5e-324, 1.7976931348623157e308, 1e21, 1e22, 1e23, 9.999999999999999e22, math.pi, 0.1, 1 / 3, 100.0, 12.0, 1e100,
    math.nan, math.inf, -math.inf, 2.0**70, 0.045, 1.005, 999999.5, 0.00095, 9.5e-7, 2.0**-1074, 2.0**-1022, 65504.0,
]
for _ in range(160):
    numbers.append(struct.unpack("<d", rng.randbytes(8))[0] if rng.random() < 0.3 else rng.gauss(0, 1) * 10 ** rng.randrange(-12, 25))
for _ in range(60):
    numbers.append(rng.randrange(-4000, 4000) / 2 ** rng.randrange(1, 8))
number_cases = []
for value in numbers:
    decimals = rng.choice([0, 1, 2, 3, 4, 8, 17, 30])
    number_cases.append([bits(value), decimals, f"{value:.{decimals}f}", f"{value:.{decimals}e}", repr(value)])

strings = ["zeros", "it's", 'say "x"', "it's \"x\"", "back\\slash", "tab\tnew\nline\r", "\x00\x7f\x85", "é 日本 😀", "\u200b\u2028\xa0", ""]
string_cases = [[text, repr(text)] for text in strings]

with open("test/print/golden.json", "w") as out:
    out.write('{"torch": ' + json.dumps(torch.__version__.split("+")[0]) + ',\n"tensors": [\n')
    out.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
    out.write('\n],\n"numbers": [\n')
    out.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in number_cases))
    out.write('\n],\n"strings": [\n')
    out.write(",\n".join(json.dumps(case) for case in string_cases))
    out.write("\n]}\n")
print(len(cases), "tensors,", len(number_cases), "numbers")
