"""Golden values and gradients of every op, made by real PyTorch. Run with a Python that has PyTorch:

    python3 tools/golden-ops.py [--full] [--out DIR] [NAME ...]      default: all ops, into test/golden/ops

The samples are those of PyTorch's own test metadata (op_db: sample_inputs, reference_inputs, error_inputs) and extra ones:
ties, zeros of both signs, NaN, infinities, empty, 0-dimensional and non-contiguous inputs, mixed dtypes.
Without --full they are thinned out to the different keyword arguments and a size budget; with it every sample of op_db is
written. The file format is described in golden_format.py; the index of an op file is
  {"op", "extra", "aliases", "tolerance": {dtype: [rtol, atol]}, "samples": [..]}
and a sample
  id      "float32:1a2b3c", stable while the call stays the same
  from    "op_db", "reference", "error" or "extra: what is special"
  fn      "torch.add", "F.relu", "Tensor.to" (called on the first argument), "prop.T", "getitem"
  args, kwargs, seed (torch.manual_seed before the call)
  out     the result; names: field names of a named tuple
  err     the rounding error of PyTorch itself against float64, one number for each floating-point result
  grads   gradients of the inputs that require one, in order, for golden_format.upstream as incoming gradient; gerr likewise
  method  true where args[0].name(..) gives the same; inplace: true where name_ does, or the class of the error
  outok   true where `out=` gives the same; strided: true where the result is the same for strided copies of the inputs
  view    results (numbers) that share the memory of the first input; these have "view_strides"
  after   [[number, tensor], ..] of the inputs that the call changes (running statistics)
  whole   true where a whole float argument would give another result if it were an int
  ties    true where the choice of indices among equal values is PyTorch's own affair
  error   {"class", "message"} instead of a result
"""
import argparse
import hashlib
import itertools
import json
import math
import os
import random
import re
import sys
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter("ignore")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.testing._internal.common_device_type import toleranceOverride  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.opinfo.core import BinaryUfuncInfo, SampleInput  # noqa: E402

from golden_format import Blob, NAMES, Unsupported, decode, encode, encode_tensor, upstream, write_golden  # noqa: E402

UNARY = """abs acos acosh angle asin asinh atan atanh bitwise_not ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1
floor frac i0 isfinite isinf isnan isneginf isposinf isreal lgamma log log10 log1p log2 logical_not logit mvlgamma nan_to_num
neg polygamma positive rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square tan tanh trunc clamp
clamp_min clamp_max frexp""".split()
ACTIVATIONS = ["nn.functional." + n for n in """relu relu6 leaky_relu elu celu selu gelu silu mish softplus softsign softshrink
hardshrink hardtanh hardsigmoid hardswish logsigmoid tanhshrink threshold prelu""".split()]
BINARY = """add sub mul div true_divide floor_divide remainder fmod pow float_power atan2 copysign fmax fmin maximum minimum eq
ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
heaviside hypot ldexp logaddexp logaddexp2 nextafter xlogy gcd lcm rsub isclose""".split()
REDUCTIONS = """sum mean prod max min amax amin argmax argmin all any var std norm logsumexp median cumsum cumprod nansum
nanmean var_mean std_mean count_nonzero aminmax logcumsumexp cummax cummin nanmedian softmax log_softmax""".split()
NAMED = UNARY + BINARY + REDUCTIONS + ACTIVATIONS + """
arange linspace logspace eye full zeros ones empty zeros_like ones_like full_like empty_like rand_like randn randn_like randint
randint_like new_zeros new_ones new_full new_empty bernoulli multinomial uniform exponential normal
view view_as reshape reshape_as permute transpose t T squeeze unsqueeze expand expand_as broadcast_to broadcast_tensors select
narrow unfold as_strided diagonal movedim flatten ravel unflatten chunk split unbind
__getitem__ index_put cat stack gather scatter scatter_add index_select index_add masked_fill masked_select where nonzero
take_along_dim flip roll tile repeat repeat_interleave tril triu lerp addcmul addcdiv equal allclose
sort argsort topk unique matmul mm bmm mv dot addmm baddbmm outer einsum clone contiguous to bool byte char short int long half
bfloat16 float double item fill zero_
nn.functional.linear nn.functional.conv1d nn.functional.conv2d nn.functional.max_pool1d nn.functional.max_pool2d
nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d
nn.functional.batch_norm nn.functional.layer_norm nn.functional.dropout nn.functional.embedding nn.functional.one_hot
nn.functional.pad nn.functional.softmin nn.functional.mse_loss nn.functional.l1_loss nn.functional.smooth_l1_loss
nn.functional.huber_loss nn.functional.cross_entropy nn.functional.nll_loss nn.functional.binary_cross_entropy
nn.functional.binary_cross_entropy_with_logits nn.functional.kl_div nn.functional.normalize""".split()
# Not in the first plan of ops; tested where Kindling has them, skipped where it has not.
EXTRA = """addmv addr addbmm vdot inner tensordot kron cross trace dist diff diag diag_embed diagflat fliplr flipud rot90
index_copy index_fill index_reduce scatter_reduce take put masked_scatter argwhere atleast_1d atleast_2d atleast_3d
split_with_sizes tensor_split hsplit vsplit dsplit hstack vstack dstack column_stack meshgrid select_scatter
diagonal_scatter broadcast_shapes block_diag cartesian_prod combinations mT kthvalue mode quantile nanquantile
unique_consecutive bincount bucketize searchsorted isin histc msort renorm trapezoid cumulative_trapezoid tril_indices
triu_indices scalar_tensor new_empty_strided empty_strided sum_to_size narrow_copy cdist corrcoef cov
nn.functional.conv3d nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.max_pool3d
nn.functional.avg_pool3d nn.functional.adaptive_avg_pool3d nn.functional.adaptive_max_pool1d
nn.functional.adaptive_max_pool2d nn.functional.group_norm nn.functional.instance_norm nn.functional.rms_norm
nn.functional.local_response_norm nn.functional.bilinear nn.functional.glu nn.functional.unfold
nn.functional.cosine_similarity nn.functional.pairwise_distance nn.functional.pixel_shuffle
nn.functional.pixel_unshuffle nn.functional.channel_shuffle nn.functional.soft_margin_loss nn.functional.margin_ranking_loss
nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss nn.functional.multilabel_soft_margin_loss
nn.functional.triplet_margin_loss nn.functional.poisson_nll_loss nn.functional.gaussian_nll_loss
nn.functional.hinge_embedding_loss nn.functional.cosine_embedding_loss nn.functional.embedding_bag nn.functional.dropout2d
nn.functional.scaled_dot_product_attention nn.functional.interpolate nn.functional.upsample_bilinear
nn.functional.upsample_nearest nn.functional.grid_sample grid_sampler_2d grid_sampler_3d
nn.functional.max_unpool1d nn.functional.max_unpool2d nn.functional.max_unpool3d nn.functional.fractional_max_pool2d
nn.functional.fractional_max_pool3d nn.functional.pdist nn.functional.linear_cross_entropy""".split()

# Ops of op_db whose callable is a lambda: what it calls, with the sample's own arguments.
TARGETS = {
    "__getitem__": "getitem", "T": "prop.T", "mT": "prop.mT", "fill": "Tensor.fill_", "zero_": "Tensor.zero_",
    "item": "Tensor.item", "to": "Tensor.to", "view_as": "Tensor.view_as", "reshape_as": "Tensor.reshape_as", "expand_as": "Tensor.expand_as",
    "uniform": "Tensor.uniform_", "exponential": "Tensor.exponential_",
}
RANDOM = """rand randperm rand_like randn randn_like randint randint_like bernoulli multinomial uniform exponential normal
nn.functional.dropout nn.functional.dropout2d nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d""".split()
NO_VALUE = "empty empty_like new_empty empty_strided new_empty_strided".split()
# The order of equal values is not part of the contract of these.
TIES = "topk kthvalue median nanmedian mode argsort sort cummax cummin max min argmax argmin aminmax msort".split()
FULL_PAIRS = "add mul div pow eq maximum where cat".split()

# dtype: most samples, bytes of in, out and gradients together
BUDGET = {
    "float32": (40, 30000), "float64": (20, 22000), "int64": (20, 10000), "bool": (10, 3000), "float16": (3, 1200),
    "bfloat16": (3, 1200), "uint8": (3, 1000), "int8": (2, 1000), "int16": (2, 1000), "int32": (3, 1000),
}
MAX_ELEMENTS = 2000
DEFAULT_TOLERANCE = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
}


# ---- naming the callable ----

def callable_of(target):
    where, name = target.split(".", 1) if "." in target else (target, "")
    if where == "torch":
        return getattr(torch, name)
    if where == "F":
        return getattr(F, name)
    if where == "Tensor":
        return getattr(torch.Tensor, name)
    if where == "prop":
        return lambda x: getattr(x, name)
    return lambda x, index: x[tuple(index) if isinstance(index, list) else index]


def name_of(function, leaf):
    """The public name of a function, or None."""
    if getattr(function, "__name__", "") == "__get__":
        return "prop." + function.__self__.__name__
    spaces = (("torch", torch), ("F", F), ("Tensor", torch.Tensor))
    for names in ([leaf], None):
        for label, space in spaces:
            for name in names or dir(space):
                if name.startswith("_") and names is None:
                    continue
                try:
                    found = getattr(space, name, None)
                except Exception:
                    continue
                if found is function and callable(found):
                    return f"{label}.{name}"
    return None


class Recorder(TorchFunctionMode):
    """Notes the public calls made by an op_db lambda."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_of(v)]
    return []


def public_call(op, sample):
    """(target, args, kwargs) of a sample."""
    args, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
    leaf = op.name.split(".")[-1]
    if op.name in TARGETS:
        target = TARGETS[op.name]
        return target, args, kwargs
    target = None
    if op.name.startswith("nn.functional.") and getattr(F, leaf, None) is op.op:
        target = "F." + leaf
    else:
        target = name_of(op.op, leaf)
    if target:
        return target, args, kwargs
    torch.manual_seed(0)
    with Recorder() as recorder:
        result = op.op(*args, **kwargs)
    originals = {id(t) for t in tensors_of([args, kwargs])}
    for func, call_args, call_kwargs, call_result in reversed(recorder.calls):
        if call_result is result:
            if any(id(t) not in originals for t in tensors_of([call_args, call_kwargs])):
                break
            found = name_of(func, leaf)
            if found:
                return found, call_args, call_kwargs
    raise Unsupported(f"{op.name}: no public call")


# ---- extra samples ----

def specials(dtype):
    if dtype == torch.bool:
        return torch.tensor([True, False, True, True, False])
    if not dtype.is_floating_point:
        info = torch.iinfo(dtype)
        return torch.tensor([0, 1, 2, 3, 7, info.max, info.min] + ([-1, -2, -7] if info.min < 0 else [100]), dtype=dtype)
    info = torch.finfo(dtype)
    return torch.tensor([0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, -3, 6, -6, 20, -20, 90, -90, math.inf, -math.inf,
                         math.nan, 1e-4, -1e-4, 3.1415927, info.tiny, info.max, 0.99, 12345.678], dtype=torch.float64).to(dtype)


def small(dtype):
    if dtype == torch.bool:
        return torch.tensor([True, False])
    if not dtype.is_floating_point:
        return torch.tensor([0, 1, 2, 3, 7] + ([-1, -3] if torch.iinfo(dtype).min < 0 else [200]), dtype=dtype)
    return torch.tensor([0.0, -0.0, 1, -1, 0.5, -2.5, 3, math.inf, -math.inf, math.nan], dtype=dtype)


def ramp(shape, dtype):
    """Different small values of both signs."""
    count = math.prod(shape)
    flat = torch.arange(count, dtype=torch.float64) * 7 % max(count, 1)
    flat = flat / max(count, 1) * 3 - 1.25
    if dtype == torch.bool:
        return (flat > 0).reshape(shape)
    if not dtype.is_floating_point:
        flat = (flat * 4).abs().floor() if dtype == torch.uint8 else (flat * 4).floor()
    return flat.to(dtype).reshape(shape)


def layouts(shape, dtype):
    """The same kind of values in several layouts."""
    rows, columns = shape
    yield "transposed", ramp((columns, rows), dtype).t()
    yield "stepped", ramp((rows * 2, columns * 3 + 1), dtype)[1::2, 1::3]
    yield "expanded", ramp((rows, 1), dtype).expand(rows, columns)
    yield "0-dim", ramp((3,), dtype)[2]
    yield "empty", torch.empty(0, dtype=dtype)
    yield "empty", torch.empty(2, 0, 3, dtype=dtype)


def option_sets(samples, limit):
    """The different non-tensor arguments of op_db's samples."""
    seen, found = set(), []
    for args, kwargs in samples:
        if tensors_of([args[1:], kwargs]):
            continue
        key = repr((args[1:], kwargs))
        if key not in seen:
            seen.add(key)
            found.append((tuple(args[1:]), kwargs))
    found.sort(key=lambda s: len(repr(s)) > 4)
    return found[:limit]


def unary_options(op, dtype):
    """Options that op_db's samples lack or only have as tensors."""
    bounds = [0, 2] if not dtype.is_floating_point else [-0.5, 1.5]
    if op.name == "clamp":
        yield from (((), {"min": bounds[0]}), ((), {"max": bounds[1]}), (tuple(bounds), {}), (tuple(reversed(bounds)), {}),
                    ((0.5, 1.5), {}), ((-1, 1), {}), ((math.nan, 1), {}), ((None, 1), {}))
    if op.name in ("clamp_min", "clamp_max"):
        yield from (((b,), {}) for b in [*bounds, 0, 0.25, math.nan])


def unary_extras(op, dtype, samples):
    # The tensor may come second, as in polygamma(n, x).
    before = [args[0]] if (args := samples[0][0] if samples else ()) and not isinstance(args[0], torch.Tensor) else []
    if before:
        found = [(tuple(before), {})]
    else:
        found = list(unary_options(op, dtype)) or option_sets(samples, 6) or [((), {})]
    for rest, kwargs in found:
        yield "special values", (*before, specials(dtype), *([] if before else rest)), kwargs
    rest, kwargs = found[0]
    for label, x in layouts((3, 4), dtype):
        yield label, (*before, x, *([] if before else rest)), kwargs


def binary_extras(op, dtype, samples):
    options = {repr(kwargs): kwargs for _, kwargs in samples if not tensors_of(kwargs)}
    options = sorted(options.values(), key=lambda k: len(repr(k)))[:4] or [{}]
    x = small(dtype)
    for kwargs in options:
        yield "special values", (x.reshape(-1, 1), x), kwargs
    kwargs = options[0]
    nonzero = x[x != 0] if not dtype.is_floating_point else x
    yield "special values, divisor not 0", (x.reshape(-1, 1), nonzero), kwargs
    for a, b in zip(layouts((3, 4), dtype), layouts((3, 4), dtype)):
        yield a[0], (a[1], b[1] if b[1].dim() == 0 else b[1].flip(0) + (1 if dtype != torch.bool else True)), kwargs
    yield "broadcast", (ramp((3, 1, 2), dtype), ramp((4, 1), dtype) + (2 if dtype != torch.bool else True)), kwargs
    yield "empty broadcast", (ramp((0, 3), dtype), ramp((1, 3), dtype)), kwargs
    for scalar in (2, 3, 0, -1, 2.5, -0.5, 1.0, True, math.inf, math.nan):
        yield "number", (ramp((5,), dtype), scalar), kwargs
    if op.name not in FULL_PAIRS:
        mates = [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]
    else:
        mates = list(NAMES)
    for mate in mates:
        if mate != dtype:
            other = ramp((3,), mate).abs() if mate.is_floating_point else torch.tensor([1, 2, 1]).to(mate)
            yield "mixed dtypes", (ramp((3,), dtype), other), kwargs
            yield "mixed dtypes, 0-dim", (ramp((3,), dtype), other[1]), kwargs


def reduction_extras(op, dtype, samples):
    has_dim = [kwargs for args, kwargs in samples if "dim" in kwargs]
    base = option_sets(samples, 8) or [((), {})]
    tied = torch.tensor([[1, 3, 3, 2], [3, 1, 0, 3], [0, 0, 0, 0]]).to(dtype)
    inputs = [("ties", tied), ("ties, transposed", tied.t().contiguous().t()), ("expanded", ramp((3, 1), dtype).expand(3, 4)),
              ("0-dim", ramp((3,), dtype)[2]), ("empty", torch.empty(0, dtype=dtype)), ("empty", torch.empty(2, 0, dtype=dtype)),
              ("stepped", ramp((6, 13), dtype)[1::2, 1::3])]
    if dtype.is_floating_point:
        inf = math.inf
        inputs += [("NaN and infinities", torch.tensor([[1.0, math.nan, 2], [inf, -inf, 0], [inf, inf, 1], [-inf, -inf, -inf]],
                                                      dtype=dtype)),
                   ("zeros of both signs", torch.tensor([[0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0]], dtype=dtype))]
    for label, x in inputs:
        options = [((), {}), ((0,), {}), ((-1,), {})]
        options += [((1,), {"keepdim": True})] if has_dim or op.name in ("max", "min", "median", "nanmedian") else []
        if op.name in ("softmax", "log_softmax", "logsumexp", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "amax", "amin"):
            options = options[1:]
        if op.name == "aminmax":
            options = [((), {}), ((), {"dim": 0}), ((), {"dim": -1, "keepdim": True})]
        if op.name == "norm":
            options = [((), {}), ((2, 0), {}), ((1, -1), {}), ((math.inf,), {}), ((0,), {}), ((2, 1, True), {})]
        for rest, kwargs in options:
            yield label, (x, *rest), kwargs
    for rest, kwargs in base[:4]:
        if dtype.is_floating_point and "dim" not in kwargs and not rest:
            yield "NaN and infinities", (inputs[-2][1],), kwargs
    yield "dim out of range", (tied, 5) if op.name != "norm" else (tied, 2, 5), {}


def mutated(value, change):
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return [mutated(v, change) for v in value]
    if isinstance(value, dict):
        return {k: mutated(v, change) for k, v in value.items()}
    return value


def swap_layout(x):
    return x.transpose(0, -1).contiguous().transpose(0, -1) if x.dim() > 1 else step_layout(x)


def step_layout(x):
    if x.dim() == 0:
        return torch.stack([x, x, x])[1]
    wide = torch.zeros(*x.shape[:-1], x.shape[-1] * 2 + 1, dtype=x.dtype)
    view = wide[..., 1::2]
    view.copy_(x)
    return view


def sprinkle(x):
    if not x.dtype.is_floating_point or x.numel() == 0:
        return x
    flat = x.clone().reshape(-1)
    for i, v in enumerate((math.nan, math.inf, -math.inf, 0.0, -0.0)):
        if flat.numel() > 3 * i + 2:
            flat[3 * i + 2] = v
    return flat.reshape(x.shape)


def tie(x):
    return (x * 0.3).round() if x.dtype.is_floating_point else x


def expand_first(x):
    return x[:1].expand(x.shape) if x.dim() and x.shape[0] > 0 and x.dtype.is_floating_point else x


def general_extras(op, dtype, samples):
    """Each op_db sample in other layouts and with other values."""
    usable = [s for s in samples if tensors_of(list(s))]
    options = {}
    for args, kwargs in sorted(usable, key=lambda s: sum(t.numel() for t in tensors_of(list(s)))):
        if all(t.numel() > 1 for t in tensors_of([args, kwargs])[:1]):
            options.setdefault(repr(sorted(kwargs)) + str([t.dim() for t in tensors_of([args, kwargs])]), (args, kwargs))
    for args, kwargs in list(options.values())[:4]:
        call = [list(args), kwargs]
        changes = [("layout", swap_layout), ("stepped", step_layout)]
        if dtype.is_floating_point:
            if op.name not in CASTS:
                changes.append(("special values", sprinkle))
            changes += [("ties", tie), ("zeros", lambda x: x * 0 if x.dtype.is_floating_point else x),
                        ("expanded", expand_first)]
        first = tensors_of(call)[0]
        if first.dim() and first.shape[0] > 0:
            rows = first.shape[0]
            changes.append(("empty", lambda x: x[:0].contiguous() if x.dim() and x.shape[0] == rows else x))
        for label, change in changes:
            changed = mutated(call, change)
            yield label, tuple(changed[0]), changed[1]


def nn_extras(op, dtype):
    """Samples of single ops that no general rule would find."""
    if op.name == "to":
        for other in NAMES:
            # NaN and what does not fit have no defined integer.
            defined = other.is_floating_point or other == torch.bool or not dtype.is_floating_point
            yield "dtype", (specials(dtype) if defined else ramp((9,), dtype) * 20, other), {}
            yield "tensor", (ramp((2, 3), dtype).t(), ramp((2,), other)), {}
        yield "keyword", (ramp((2, 3), dtype),), {"dtype": torch.float64, "copy": True}
        yield "device", (ramp((2, 3), dtype), "cpu"), {}
    if not dtype.is_floating_point:
        return
    inf, nan = math.inf, math.nan
    if op.name in ("nn.functional.max_pool2d", "nn.functional.max_pool1d"):
        two = op.name.endswith("2d")
        shape = (1, 1, 4, 4) if two else (1, 1, 6)
        yield "all equal", (torch.ones(shape, dtype=dtype), 2), {}
        yield "all equal, overlapping", (torch.zeros(shape, dtype=dtype), 3), {"stride": 1, "padding": 1}
        yield "all -inf", (torch.full(shape, -inf, dtype=dtype), 2), {}
        x = ramp(shape, dtype)
        x[..., 1] = nan
        yield "NaN", (x, 2), {"stride": 1}
        yield "relu before", (ramp(shape, dtype).clamp_min(0), 2), {}
    if op.name == "nn.functional.cross_entropy":
        x = ramp((4, 3), dtype)
        target = torch.tensor([0, 2, -100, 1])
        for reduction in ("mean", "sum", "none"):
            yield "ignore_index", (x, target), {"reduction": reduction}
            yield "weight and smoothing", (x, target), {"weight": torch.tensor([0.5, 2, 0]).to(dtype), "label_smoothing": 0.1,
                                                        "reduction": reduction}
            yield "probabilities", (x, torch.softmax(x, 1) * 0.5 + 1 / 6), {"label_smoothing": 0.2, "reduction": reduction}
        yield "all ignored", (x, torch.full((4,), -100)), {}
        yield "ignore_index=2", (x, torch.tensor([2, 1, 2, 0])), {"ignore_index": 2}
        yield "images", (ramp((2, 3, 2, 2), dtype), torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 2]]])), {}
        yield "one sample", (ramp((3,), dtype), torch.tensor(1)), {}
        yield "large logits", (torch.tensor([[1e4, -1e4, 0], [88.0, 89, 90]], dtype=dtype), torch.tensor([1, 0])), {}
        yield "infinite logits", (torch.tensor([[-inf, 0, 1], [inf, 0, 1]], dtype=dtype), torch.tensor([1, 0])), {}
        yield "empty", (torch.empty(0, 3, dtype=dtype), torch.empty(0, dtype=torch.int64)), {}
        yield "label out of range", (x, torch.tensor([0, 3, 1, 1])), {}
    if op.name == "nn.functional.nll_loss":
        x = torch.log_softmax(ramp((4, 3), dtype), 1)
        for reduction in ("mean", "sum", "none"):
            yield "weight", (x, torch.tensor([0, 2, -100, 1])), {"weight": torch.tensor([0.5, 2, 0]).to(dtype),
                                                                "reduction": reduction}
        yield "all ignored", (x, torch.full((4,), -100)), {}
        yield "label out of range", (x, torch.tensor([0, 3, 1, 1])), {}
    if op.name in ("nn.functional.binary_cross_entropy", "nn.functional.binary_cross_entropy_with_logits"):
        p = torch.tensor([0.0, 1, 0.5, 0, 1, 0.25], dtype=dtype)
        t = torch.tensor([0.0, 1, 0.5, 1, 0, 1], dtype=dtype)
        for reduction in ("mean", "sum", "none"):
            yield "probabilities 0 and 1", (p, t), {"reduction": reduction}
            yield "weight", (p, t), {"reduction": reduction, "weight": ramp((6,), dtype).abs()}
        if op.name.endswith("logits"):
            yield "pos_weight", (ramp((2, 3), dtype), (ramp((2, 3), dtype) > 0).to(dtype)), {"pos_weight": torch.tensor([1, 2, 0.5]).to(dtype)}
            yield "large logits", (torch.tensor([1000.0, -1000, 90, -90], dtype=dtype), torch.tensor([0.0, 1, 1, 0], dtype=dtype)), {}
    if op.name == "nn.functional.kl_div":
        q = torch.log_softmax(ramp((3, 4), dtype), 1)
        p = torch.softmax(ramp((3, 4), dtype).flip(1), 1)
        p0 = p.clone()
        p0[0, 1] = 0
        for reduction in ("mean", "batchmean", "sum", "none"):
            yield "reduction", (q, p0), {"reduction": reduction}
            yield "log_target", (q, p.log()), {"reduction": reduction, "log_target": True}
    if op.name == "nn.functional.batch_norm":
        for training in (True, False):
            for affine in (True, False):
                extra = {"weight": torch.tensor([1.5, -0.5]).to(dtype), "bias": torch.tensor([0.25, 1]).to(dtype)} if affine else {}
                for shape in ((5, 2), (3, 2, 2, 3)):
                    yield "batch norm", (ramp(shape, dtype), torch.tensor([0.1, -0.2]).to(dtype), torch.tensor([1.5, 0.5]).to(dtype)), {
                        **extra, "training": training, "momentum": 0.3, "eps": 1e-3}
        yield "constant input", (torch.ones(4, 2, dtype=dtype), None, None), {"training": True}
        yield "one value a channel", (torch.ones(1, 2, dtype=dtype), None, None), {"training": True}
    if op.name == "nn.functional.conv2d":
        x, w = ramp((2, 4, 7, 6), dtype), ramp((6, 4, 3, 2), dtype)
        b = ramp((6,), dtype)
        yield "plain", (x, w, b), {}
        yield "stride", (x, w, b), {"stride": (2, 3), "padding": (1, 2)}
        yield "dilation", (x, w), {"dilation": (2, 1), "padding": 1}
        yield "groups", (x, ramp((6, 2, 3, 3), dtype)), {"groups": 2, "padding": 1}
        yield "depthwise", (x, ramp((4, 1, 3, 3), dtype)), {"groups": 4, "stride": 2}
        yield "1x1", (x, ramp((3, 4, 1, 1), dtype)), {}
        yield "same", (x, ramp((3, 4, 4, 3), dtype)), {"padding": "same"}
        yield "valid", (x, w), {"padding": "valid"}
        yield "no batch", (x[0], w, b), {}
        yield "empty batch", (x[:0].contiguous(), w, b), {}
        yield "layouts", (x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), w.flip(0).transpose(2, 3).contiguous().transpose(2, 3)), {}
        yield "kernel too large", (x, ramp((3, 4, 9, 3), dtype)), {}
        yield "channels differ", (x, ramp((3, 5, 3, 3), dtype)), {}
        yield "special values", (sprinkle(x), w), {}
    if op.name == "nn.functional.embedding":
        yield "padding and scale", (torch.tensor([[0, 2, 2], [1, 0, 3]]), ramp((4, 3), dtype)), {"padding_idx": 2, "scale_grad_by_freq": True}
        yield "negative padding", (torch.tensor([[0, 2, 2], [1, 0, 3]]), ramp((4, 3), dtype)), {"padding_idx": -1}
        yield "out of range", (torch.tensor([0, 4]), ramp((4, 3), dtype)), {}
        yield "empty", (torch.empty(0, 2, dtype=torch.int64), ramp((4, 3), dtype)), {}
    if op.name == "nn.functional.layer_norm":
        yield "constant rows", (torch.ones(2, 4, dtype=dtype), (4,)), {}
        yield "two dims", (ramp((2, 3, 4), dtype), (3, 4), ramp((3, 4), dtype), ramp((3, 4), dtype)), {"eps": 1e-2}
    if op.name == "nn.functional.dropout":
        for p in (0.0, 0.25, 0.5, 1.0):
            yield "training", (ramp((4, 5), dtype),), {"p": p, "training": True}
        yield "eval", (ramp((4, 5), dtype),), {"p": 0.5, "training": False}
        yield "bad probability", (ramp((4, 5), dtype),), {"p": 1.5}
    if op.name == "where":
        x = torch.tensor([1.0, nan, inf, 0], dtype=dtype)
        yield "special values", (torch.tensor([True, False, True, False]), x, x.flip(0)), {}
        for mate in NAMES:
            yield "mixed dtypes", (torch.tensor([True, False, True]), ramp((3,), dtype), ramp((3,), mate)), {}
    if op.name == "cat":
        for mate in NAMES:
            yield "mixed dtypes", ([ramp((2, 2), dtype), ramp((1, 2), mate)],), {}
    if op.name == "__getitem__":
        x = ramp((4, 5, 3), dtype)
        i = torch.tensor
        for index in [[0], [-1], [slice(1, 3)], [slice(None, None, 2), 1], [Ellipsis, 0], [None, slice(None), 2], [0, 1, 2],
                      [i([0, 2])], [i([0, 2]), i([1, 1])], [slice(None), i([[0, 2], [4, 1]])], [i([3, 0]), slice(None), i([2, -1])],
                      [i([3, 0]), None, i([2, -1])], [x > 0], [x[..., 0] > 0], [i([True, False, True, True])], [slice(None), i([True, False, True, True, False]), 1],
                      [i([], dtype=torch.int64)], [i([0, 2]), 1], [1, i([0, 2])], [1, slice(None), i([0, 2])], [Ellipsis, i([2, 0, 0])],
                      [slice(3, 1)], [slice(-2, None)], [slice(10, 20)], [i(1)], [i([1], dtype=torch.uint8)], [True], [False, 0], [4], [i([4])],
                      [0, 0, 0, 0], [slice(None, None, -1)], [None, i([0]), None], [i([0, 1]), i([0, 1, 2])]]:
            yield "index", (x, index), {}


def extras(op, dtype, samples):
    if op.name in RANDOM or op.name in NO_VALUE:
        yield from nn_extras(op, dtype)
        return
    if op.name in UNARY or op.name in ACTIVATIONS and not op.name.endswith("prelu"):
        yield from unary_extras(op, dtype, samples)
    elif op.name in BINARY or isinstance(op, BinaryUfuncInfo):
        yield from binary_extras(op, dtype, samples)
    elif op.name in REDUCTIONS:
        yield from reduction_extras(op, dtype, samples)
    else:
        yield from general_extras(op, dtype, samples)
    yield from nn_extras(op, dtype)


class Own:
    """A public function that op_db has not: made to look like its entries."""

    reference_inputs_func = error_inputs_func = None
    aliases, decorators = (), ()

    def __init__(self, name, op, samples, dtypes=tuple(NAMES), differentiable=True, supports_out=False):
        self.name, self.op, self.samples, self.dtypes = name, op, samples, dtypes
        self.supports_autograd, self.supports_out = differentiable, supports_out

    def supported_dtypes(self, device):
        return self.dtypes

    def sample_inputs(self, device, dtype, requires_grad=False):
        for first, *rest in self.samples(dtype):
            kwargs = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            if isinstance(first, torch.Tensor) and first.is_floating_point():
                first = first.clone().requires_grad_(requires_grad)
            yield SampleInput(first, args=tuple(rest), kwargs=kwargs)


FLOATS = tuple(d for d in NAMES if d.is_floating_point)


def softmax_samples(dtype):
    for shape, dim in (((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -2), ((), 0), ((0, 3), 1)):
        yield ramp(shape, dtype), dim
        yield ramp(shape, dtype), {"dim": dim}
    yield ramp((3, 4), dtype), {"dim": 1, "dtype": torch.float64}


def elementwise_samples(dtype):
    yield from ((ramp(shape, dtype),) for shape in ((5,), (3, 4), (), (0, 2)))
    yield (specials(dtype),)


def rand_samples(dtype):
    yield from (((5,),), ((2, 3),), ((4, 17),), ((),), ((0, 3),))
    yield (2, 3), {"dtype": dtype}
    yield (3, 33), {"dtype": dtype}


def randperm_samples(dtype):
    yield from ((n, {"dtype": dtype}) for n in (0, 1, 5, 40))
    yield (12,)


def ctc_samples(dtype):
    probabilities = torch.log_softmax(ramp((6, 3, 4), dtype), 2)
    padded, lengths = torch.tensor([[1, 2, 2], [3, 3, 0], [2, 1, 3]]), [3, 2, 1]
    for options in ({}, {"reduction": "sum"}, {"reduction": "none"}):
        yield probabilities, padded, [6, 5, 4], lengths, options
    yield probabilities, torch.tensor([1, 2, 2, 3, 3, 2]), torch.tensor([6, 6, 6]), torch.tensor(lengths)
    yield probabilities, padded, [3, 5, 0], [3, 2, 0], {"reduction": "none"}  # 2, 2 needs a blank between: infinite
    yield probabilities, padded, [3, 5, 6], lengths, {"zero_infinity": True}
    yield probabilities, torch.tensor([[0, 1], [2, 2], [0, 2]]), [6, 6, 6], [2, 1, 2], {"blank": 3}
    yield probabilities[:, 0].contiguous(), torch.tensor([1, 3]), torch.tensor(5), torch.tensor(2), {"reduction": "none"}


def type_as_samples(dtype):
    yield from ((ramp((2, 3), dtype), ramp((2,), other)) for other in NAMES)


OWN = [
    Own("nn.functional.softmax", F.softmax, softmax_samples, FLOATS), Own("nn.functional.log_softmax", F.log_softmax, softmax_samples, FLOATS),
    Own("nn.functional.sigmoid", F.sigmoid, elementwise_samples, FLOATS), Own("nn.functional.tanh", F.tanh, elementwise_samples, FLOATS),
    Own("nn.functional.ctc_loss", F.ctc_loss, ctc_samples, (torch.float32, torch.float64)),
    Own("relu", torch.relu, elementwise_samples, [d for d in NAMES if d != torch.bool]),
    Own("rand", torch.rand, rand_samples, FLOATS, differentiable=False), Own("type_as", torch.Tensor.type_as, type_as_samples),
    Own("randperm", torch.randperm, randperm_samples, (torch.int64, torch.int32, torch.float32), differentiable=False),
]
ENTRIES = [*op_db, *OWN]


# ---- one sample ----

def run_call(call, seed):
    target, args, kwargs = call
    if seed is not None:
        torch.manual_seed(seed)
    return callable_of(target)(*args, **kwargs)


def outputs_of(result):
    return list(result) if isinstance(result, (list, tuple)) and not isinstance(result, torch.Size) else [result]


def same(a, b):
    """Bitwise equality of results, NaN equal to NaN."""
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        if not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        a, b = a.detach(), b.detach()
        if not torch.equal(torch.isnan(a), torch.isnan(b)) or not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)):
            return False
        return not a.is_floating_point() or torch.equal(torch.signbit(a) & ~torch.isnan(a), torch.signbit(b) & ~torch.isnan(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and (a == b or a != a and b != b)


# What does not fit has no defined result. A byte is cut out of an int64.
CASTS = {"byte": 2.0**63, "char": 127, "short": 32767, "int": 2.0**31 - 1024, "long": 2.0**62}


def in_range(x, limit):
    return bool((x.detach().double().abs() <= limit).all())


def restride(x):
    y = step_layout(x.detach()) if x.numel() else x.detach()
    return y.requires_grad_(x.requires_grad)


def own_error(result, exact):
    """The largest difference between finite elements."""
    a, b = result.detach().double(), exact.detach().double()
    if a.shape != b.shape:
        return None
    ok = torch.isfinite(a) & torch.isfinite(b)
    worst = (a - b)[ok].abs().max().item() if ok.any() else 0.0
    return float(f"{worst:.2e}") if worst < 1e300 else None


def gradients(call, seed):
    """(results, gradients) or None; the inputs that require one, flattened in order."""
    result = run_call(call, seed)
    outs = [o for o in outputs_of(result) if isinstance(o, torch.Tensor)]
    wanted = [(i, o) for i, o in enumerate(outs) if o.requires_grad]
    inputs = [t for t in tensors_of([call[1], call[2]]) if t.requires_grad]
    if not wanted or not inputs:
        return None
    return outs, torch.autograd.grad([o for _, o in wanted], inputs, [upstream(o, i) for i, o in wanted], allow_unused=True)


UNWANTED_ERRORS = re.compile(r"not implemented for|not supported on|same device|meta|sparse|complex|cuda|Cuda|named tensor|symint|not support"
                             r"|Sparse|nvrtc|quantized|cpu and|Numpy|numpy|autograd|JIT|jit|mkldnn|fake")
# An extra sample may ask for an argument that the op has not.
PARSER_ERRORS = re.compile(r"invalid combination of arguments|unexpected keyword|must be|takes|missing")
PY_CLASSES = ("RuntimeError", "ValueError", "IndexError", "TypeError", "NotImplementedError")


def error_of(error):
    name = type(error).__name__
    name = name if name in PY_CLASSES else "RuntimeError" if isinstance(error, RuntimeError) else None
    text = str(error).strip().split("\n")[0][:300]
    if name is None or UNWANTED_ERRORS.search(str(error)):
        raise Unsupported(f"error {name}: {text}")
    return {"class": name, "message": text}


def hashed(blob, value):
    """A fingerprint of an encoded call that does not depend on where its bytes lie."""
    data = blob.out.getvalue()

    def plain(v):
        if isinstance(v, list):
            return [plain(x) for x in v]
        if isinstance(v, dict):
            if "t" in v and "at" in v:
                size = torch.empty(0, dtype=getattr(torch, v["t"])).element_size()
                digest = hashlib.sha1(data[v["at"]: v["at"] + v["n"] * size]).hexdigest()
                return {**{k: plain(x) for k, x in v.items() if k != "at"}, "bytes": digest}
            return {k: plain(x) for k, x in v.items()}
        return v
    return hashlib.sha1(json.dumps(plain(value)).encode()).hexdigest()[:6]


def record(op, target, args, kwargs, dtype, source, want_grad):
    """(sample, blob of its own, bytes). Raises Unsupported where there is no golden form or PyTorch has no such kernel."""
    blob = Blob()
    kwargs = {k: v for k, v in kwargs.items() if not (k == "device" and v is None) and not (k == "layout" and v in (None, torch.strided))
              and not (k == "pin_memory" and not v) and v is not torch.preserve_format
              and not (target == "Tensor.contiguous" and v is torch.contiguous_format)}
    if target == "getitem":
        index = args[1] if isinstance(args[1], (tuple, list)) else [args[1]]
        args = (args[0], [torch.tensor(i) if isinstance(i, (list, tuple)) else i for i in index])
    enc_args, enc_kwargs = encode(list(args), blob), encode(kwargs, blob)["dict"]
    if op.name in BINARY and not tensors_of([args, kwargs]):
        raise Unsupported("two numbers")
    if op.name in CASTS and any(t.is_floating_point() and not in_range(t, CASTS[op.name]) for t in tensors_of(args)):
        raise Unsupported("no defined integer")
    if not want_grad or target.endswith("_"):
        for t in walk_entries([enc_args, enc_kwargs]):
            t.pop("grad", None)
    data = blob.out.getvalue()
    sample = {"id": f"{NAMES[dtype]}:{hashed(blob, [target, enc_args, enc_kwargs])}", "from": source, "fn": target,
              "args": enc_args, "kwargs": enc_kwargs}
    seed = 7 if op.name in RANDOM else None
    if seed is not None:
        sample["seed"] = seed

    def fresh(**how):
        return target, decode(enc_args, data, **how), decode({"dict": enc_kwargs}, data, **how)

    # Not every input can have a gradient (running statistics, targets): give up all but the first, then that too.
    entries = list(walk_entries([enc_args, enc_kwargs]))
    for kept in (entries, entries[:1], []):
        for t in entries:
            if t not in kept:
                t.pop("grad", None)
        try:
            call, failure = fresh(), None
            result = run_call(call, seed)
            break
        except Exception as error:
            failure = error
    if failure is not None:
        sample["error"] = error_of(failure)
        if source != "error" and sample["error"]["class"] == "TypeError" and PARSER_ERRORS.search(str(failure)):
            raise Unsupported("no such overload")
        try:
            # A whole float that PyTorch refuses only because it is not an int.
            run_call(fresh(whole_floats_as_ints=True), seed)
            sample["whole"] = True
        except Exception as other:
            if type(other) is not type(failure):
                sample["whole"] = True
        return sample, blob
    again = run_call(fresh(), seed)
    values = op.name not in NO_VALUE
    if values and not same(result, again):
        raise Unsupported("not deterministic")
    # Results, their own rounding error, and what they share with the input.
    single = not (isinstance(result, (list, tuple)) and not isinstance(result, torch.Size))
    outs = outputs_of(result)
    if sum(t.numel() for t in tensors_of(outs)) > MAX_ELEMENTS * (50 if FULL else 1):
        raise Unsupported("too large")
    has_names = hasattr(result, "_fields") or type(result).__module__ == "torch.return_types"
    if has_names:
        sample["names"] = [n for n in dir(result) if not n.startswith("_") and n not in dir(tuple) and not n.startswith("n_")]
        sample["names"].sort(key=lambda n: next((i for i, o in enumerate(result) if o is getattr(result, n)), 9))
    encoded = [encode_tensor(o.detach(), blob, values) if isinstance(o, torch.Tensor) else encode(o, blob) for o in outs]
    # The strides of a result are recorded only where it is a view; its bytes are always those of a contiguous copy.
    source_tensors = tensors_of([call[1], call[2]])
    views = []
    for i, o in enumerate(outs):
        if not isinstance(o, torch.Tensor):
            continue
        is_view = any(o.numel() and o.untyped_storage().data_ptr() == s.untyped_storage().data_ptr() for s in source_tensors[:1])
        entry = encode_tensor(o.detach().contiguous(), blob, values)
        entry.pop("strides", None), entry.pop("offset", None)
        if is_view:
            views.append(i)
            entry["view_strides"] = list(o.stride())
        encoded[i] = entry
    if views:
        sample["view"] = views
    if not target.endswith("_"):
        before = tensors_of(list(fresh()[1:]))
        after = [[i, encode_tensor(t.detach().contiguous(), blob)] for i, (t, b) in enumerate(zip(source_tensors, before)) if not same(t, b)]
        if after:
            sample["after"] = after
    if op.name in TIES and source.startswith("extra"):
        sample["ties"] = True
    sample["out"] = encoded[0] if single else encoded
    floats = [o for o in outs if isinstance(o, torch.Tensor) and o.is_floating_point()]
    # Where the index among equal values is free, so is the way of the gradient.
    free = sample.get("ties") and not single and op.name in ("topk", "kthvalue", "median", "nanmedian", "mode")
    if want_grad and not free and not target.endswith("_"):
        try:
            found = gradients(fresh(), seed)
            if found and any(g is not None and not same(g, h) for g, h in zip(found[1], gradients(fresh(), seed)[1])):
                found = None
            if found:
                sample["grads"] = [None if g is None else encode_tensor(g.contiguous(), blob) for g in found[1]]
        except Exception:
            pass
    if floats and values and seed is None and any(o.dtype != torch.float64 for o in floats) and not any(
            isinstance(v, torch.dtype) for v in [*args, *kwargs.values()]):
        try:
            _, up_args, up_kwargs = fresh()
            up = mutated([up_args, up_kwargs], lambda t: t.detach().double().requires_grad_(t.requires_grad) if t.is_floating_point() else t)
            exact = run_call((target, up[0], up[1]), seed)
            # An absolute error would say nothing about the small elements of an elementwise result.
            if not (op.name in UNARY or op.name in BINARY or op.name in ACTIVATIONS):
                sample["err"] = [own_error(a, b) for a, b in zip(outs, outputs_of(exact)) if isinstance(a, torch.Tensor) and a.is_floating_point()]
            if "grads" in sample and op.name not in UNARY and op.name not in ACTIVATIONS and "special" not in source:
                found_exact = gradients((target, up[0], up[1]), seed)
                sample["gerr"] = [None if g is None else own_error(g, h) for g, h in zip(found[1], found_exact[1])]
        except Exception:
            sample.pop("err", None)
    # Forms of the same call.
    leaf = target.split(".")[-1]
    detached = lambda v: mutated(v, lambda t: t.detach())  # noqa: E731
    whole = any(float(v["float"]) == int(float(v["float"])) for v in walk_floats([enc_args, enc_kwargs]) if v["float"] not in ("nan", "inf", "-inf"))
    if whole:
        try:
            if not same(run_call(fresh(whole_floats_as_ints=True), seed), result):
                sample["whole"] = True
        except Exception:
            pass
    if not values or seed is not None:
        return sample, blob
    if target.split(".")[0] in ("torch", "F") and args and isinstance(args[0], torch.Tensor):
        _, a, k = fresh()
        if hasattr(torch.Tensor, leaf):
            try:
                if same(getattr(a[0], leaf)(*a[1:], **k), result):
                    sample["method"] = True
            except Exception:
                pass
        if hasattr(torch.Tensor, leaf + "_") and single and isinstance(result, torch.Tensor) and "out" not in k:
            _, a, k = detached(list(fresh()))
            if a[0].dim() and any(s == 0 for s in a[0].stride()):
                pass
            else:
                try:
                    if same(getattr(a[0], leaf + "_")(*a[1:], **k), result):
                        sample["inplace"] = True
                except Exception as error:
                    if dtype in (torch.float32, torch.int64, torch.bool) and type(error).__name__ in PY_CLASSES:
                        try:
                            sample["inplace"] = error_of(error)["class"]
                        except Unsupported:
                            pass
    if target.startswith("torch.") and op.supports_out and "out" not in kwargs and all(isinstance(o, torch.Tensor) for o in outs):
        _, a, k = detached(list(fresh()))
        try:
            room = [torch.empty(o.shape, dtype=o.dtype) for o in outs]
            callable_of(target)(*a, **k, out=room[0] if single else tuple(room))
            if same(room, [o.detach() for o in outs]):
                sample["outok"] = True
        except Exception:
            pass
    try:
        _, a, k = fresh()
        moved = mutated([a, k], restride)
        other = run_call((target, *moved), seed)
        if torch.is_tensor(other) or not single:
            if all(torch.allclose(x, y, equal_nan=True, rtol=1e-3, atol=1e-3) if torch.is_tensor(x) else x == y
                   for x, y in zip(outputs_of(other), outs)) and len(outputs_of(other)) == len(outs):
                sample["strided"] = True
    except Exception:
        pass
    return sample, blob


def walk_entries(v):
    if isinstance(v, list):
        for x in v:
            yield from walk_entries(x)
    elif isinstance(v, dict):
        if "t" in v and "shape" in v:
            yield v
        else:
            for x in v.values():
                yield from walk_entries(x)


def walk_floats(v):
    if isinstance(v, list):
        for x in v:
            yield from walk_floats(x)
    elif isinstance(v, dict):
        if "float" in v:
            yield v
        elif "t" not in v:
            for x in v.values():
                yield from walk_floats(x)


# ---- one op ----

def requiring_grad(value):
    return mutated(value, lambda t: t.detach().requires_grad_() if t.is_floating_point() else t)


def with_gradients(sample):
    value, args, kwargs = requiring_grad([sample.input, list(sample.args), sample.kwargs])
    return SampleInput(value, args=tuple(args), kwargs=kwargs)


def gather(op, dtype, grad):
    """(source, args, kwargs, target) of all candidates."""
    seen, found = set(), []
    sources = [("op_db", lambda: op.sample_inputs("cpu", dtype, requires_grad=grad))]
    if op.reference_inputs_func is not None and (FULL or NAMES[dtype] in ("float32", "int64")):
        sources.append(("reference", lambda: op.reference_inputs("cpu", dtype, requires_grad=grad)))
    for source, make in sources:
        try:
            try:
                made = iter(make())
                made = itertools.chain([next(made)], list(itertools.islice(made, 400 if FULL else 150)))
            except ValueError:
                # Some of these ask for a gradient of integers.
                made = (with_gradients(s) for s in op.reference_inputs("cpu", dtype, requires_grad=False))
            for number, s in enumerate(made):
                if number > (400 if FULL else 150):
                    break
                if sum(t.numel() for t in tensors_of([s.input, s.args, s.kwargs])) > MAX_ELEMENTS * (50 if FULL else 1):
                    continue
                try:
                    target, args, kwargs = public_call(op, s)
                except Unsupported:
                    continue
                found.append((source, target, list(args), kwargs))
        except Exception as error:
            log(f"  {op.name} {dtype} {source}: {type(error).__name__} {str(error)[:100]}")
    samples = [(args, kwargs) for source, _, args, kwargs in found if source == "op_db"]
    targets = [t for _, t, _, _ in found]
    if targets and WITH_EXTRAS:
        target = max(set(targets), key=targets.count)
        try:
            for label, args, kwargs in extras(op, dtype, samples):
                if grad:
                    args, kwargs = requiring_grad([list(args), kwargs])
                    if op.name.endswith("_loss") or "entropy" in op.name or op.name.endswith("kl_div"):
                        args[1] = args[1].detach()
                found.append(("extra: " + label, target, list(args), kwargs))
        except Exception as error:
            log(f"  {op.name} {dtype} extras: {type(error).__name__} {str(error)[:100]}")
    for candidate in found:
        yield candidate


def errors_of(op):
    if op.error_inputs_func is None:
        return
    try:
        for e in op.error_inputs("cpu"):
            yield "error", e.sample_input
    except Exception as error:
        log(f"  {op.name} error_inputs: {str(error)[:80]}")


def signature(sample):
    """What makes a sample different from others: options, ranks, kinds of arguments."""
    def kind(v):
        if isinstance(v, list):
            return [kind(x) for x in v]
        if isinstance(v, dict):
            if "t" in v and "shape" in v:
                return [v["t"], len(v["shape"]), 0 in v["shape"], "strides" in v]
            return {k: kind(x) for k, x in v.items()}
        return str(v)
    return json.dumps([sample["fn"], kind(sample["args"]), kind(sample["kwargs"])])


def options(sample):
    def kind(v):
        if isinstance(v, list):
            return [kind(x) for x in v]
        if isinstance(v, dict):
            return "t" if "t" in v and "shape" in v else str(v)
        return str(v) if isinstance(v, (bool, str)) or v is None else "n"
    return json.dumps([sample["fn"], kind(sample["args"]), kind(sample["kwargs"])])


def choose(recorded, dtype):
    """Thins out: extras and new options first, then new shapes, small before large."""
    most, room = BUDGET[NAMES[dtype]]
    if FULL:
        return recorded
    chosen, used, seen, seen_options = [], 0, set(), set()
    ordered = sorted(recorded, key=lambda r: len(r[1].out.getvalue()))
    for round_ in range(4):
        for r in ordered:
            sample, size = r[0], len(r[1].out.getvalue())
            if r in chosen or size > room / 2 and round_ > 0:
                continue
            # Minor dtypes keep one or two extras only.
            extra = sample["from"].startswith("extra")
            if extra and most <= 3 and sum(1 for c in chosen if c[0]["from"].startswith("extra")) >= 6:
                continue
            new_options, new = options(sample) not in seen_options, signature(sample) not in seen
            fits = used + size <= room
            take = [new_options and (fits or size < room / 4), extra and (fits or size < 600), new and fits, fits][round_]
            plain = sum(1 for c in chosen if not c[0]["from"].startswith("extra"))
            if round_ != 1 and plain >= most:
                take = False
            if round_ == 0 and plain >= most * 1.5:
                take = False
            if take:
                chosen.append(r)
                used += size
                seen.add(signature(sample))
                seen_options.add(options(sample))
    return [r for r in recorded if r in chosen]


def tolerance_of(ops):
    """PyTorch's defaults, raised where op_db does so for its own comparisons on the CPU."""
    table = {k: list(v) for k, v in DEFAULT_TOLERANCE.items()}
    for op in ops:
        for decorator in op.decorators:
            if getattr(decorator, "device_type", None) not in (None, "cpu"):
                continue
            if getattr(decorator, "cls_name", None) not in ("TestCommon", "TestUnaryUfuncs", "TestBinaryUfuncs", "TestReductions"):
                continue
            for inner in getattr(decorator, "decorators", []):
                if isinstance(inner, toleranceOverride):
                    for dtype, tol in inner.d.items():
                        name = NAMES.get(dtype)
                        if name in table:
                            table[name] = [max(table[name][0], tol.rtol), max(table[name][1], tol.atol)]
    return table


def relocate(value, old, new):
    """Copies the bytes of an encoded value from one blob to another."""
    data = old.out.getvalue()
    for entry in walk_entries(value):
        if "at" in entry:
            size = torch.empty(0, dtype=getattr(torch, entry["t"])).element_size()
            entry["at"] = new.add(data[entry["at"]: entry["at"] + entry["n"] * size])


def golden(name, ops):
    random.seed(0)
    blob, samples, ids = Blob(), [], set()
    for op in ops:
        supported = op.supported_dtypes("cpu")
        for dtype in NAMES:
            if dtype not in supported:
                continue
            if NAMES[dtype] in ("uint8", "int8", "int16", "int32", "float16", "bfloat16") and FULL:
                continue
            torch.manual_seed(1)
            grad = op.supports_autograd and dtype in (torch.float32, torch.float64)
            recorded, refused = [], {}
            for source, target, args, kwargs in gather(op, dtype, grad):
                try:
                    sample, own = record(op, target, args, kwargs, dtype, source, grad)
                except Unsupported:
                    continue
                except Exception as error:
                    log(f"  {name} {dtype} {source}: {type(error).__name__} {str(error)[:120]}")
                    continue
                if "error" in sample:
                    # The same refusal twice is enough.
                    reason = re.sub(r"\d+", "", sample["error"]["class"] + sample["error"]["message"])
                    refused[reason] = refused.get(reason, 0) + 1
                    if refused[reason] > 2:
                        continue
                if sample["id"] not in ids:
                    ids.add(sample["id"])
                    recorded.append((sample, own))
            for sample, own in choose(recorded, dtype):
                relocate([sample["args"], sample["kwargs"], sample.get("out"), sample.get("grads"), sample.get("after")], own, blob)
                samples.append(sample)
        for source, s in errors_of(op):
            try:
                target, args, kwargs = public_call(op, s)
                sample, own = record(op, target, args, kwargs, torch.float32, source, False)
            except Exception:
                continue
            if "error" in sample and sample["id"] not in ids:
                ids.add(sample["id"])
                sample["id"] = "error:" + sample["id"].split(":")[1]
                relocate([sample["args"], sample["kwargs"]], own, blob)
                samples.append(sample)
    aliases = sorted({a.name for op in ops for a in op.aliases if "." not in a.name or a.name.startswith("nn.functional.")} - {name})
    index = {"op": name, "extra": name in EXTRA, "aliases": aliases, "tolerance": tolerance_of(ops), "samples": samples}
    return index, blob


def log(text):
    print(text, flush=True)


def write_op(name, ops, path):
    start = time.time()
    index, blob = golden(name, ops)
    samples = index["samples"]
    if not samples:
        log(f"{name}: no samples")
        return
    write_golden(path, index, blob)
    log(f"{name}: {len(samples)} samples, {sum('error' in s for s in samples)} errors, {sum('grads' in s for s in samples)} with "
        f"gradients, {os.path.getsize(path)} bytes, {time.time() - start:.1f} s, {samples[0]['fn']}")


def main():
    global FULL, WITH_EXTRAS
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--full", action="store_true")
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--out", default=os.path.join(here, "test", "golden", "ops"))
    arguments = parser.parse_args()
    FULL = arguments.full
    if FULL and os.path.abspath(arguments.out) == parser.get_default("out"):
        parser.error("--full makes hundreds of megabytes: give it an --out of its own")
    os.makedirs(arguments.out, exist_ok=True)
    torch.set_num_threads(1)
    total = 0
    for name in sorted(set(arguments.names or NAMED + EXTRA + [op.name for op in OWN])):
        ops = [op for op in ENTRIES if op.name == name]
        if not ops:
            log(f"{name}: no entry")
            continue
        path = os.path.join(arguments.out, name + ".gz")
        # PyTorch itself crashes on some inputs: every op gets a process of its own, and a second try without the extras.
        for extra_samples in (True, False):
            child = os.fork()
            if child == 0:
                WITH_EXTRAS = extra_samples
                write_op(name, ops, path)
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            if status == 0:
                break
            log(f"{name}: ended with status {status}")
        if os.path.exists(path):
            total += os.path.getsize(path)
    log(f"{total} bytes")


FULL = False
WITH_EXTRAS = True
if __name__ == "__main__":
    main()
