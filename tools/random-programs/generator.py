"""Makes a random program from a seed, running it on PyTorch meanwhile, so that it knows the shapes and values there are.

Numbers stay in the range where functions are well conditioned: a candidate is first tried on copies of its operands. Functions
with a kink or that choose an element are not applied where rounding could decide.
"""
import math
import random

import torch

from interpreter import Machine, Skip

FLOATS = (torch.float64, torch.float32, torch.float16)
# What a program is mostly about: the weights of the kinds of instructions.
KINDS = ["unary", "binary", "view", "multi_view", "inplace", "inplace_binary", "indexed_write", "geometry", "reduce", "select", "product",
         "custom", "dirty", "hook", "node_hook", "backward", "grad", "leaf_write", "data", "flags", "detach", "dtype", "look"]
THEMES = {
    "all": {},
    "views": {"view": 6, "multi_view": 4, "inplace": 5, "inplace_binary": 4, "indexed_write": 2, "geometry": 1.5, "look": 2},
    "custom": {"custom": 7, "dirty": 4, "view": 2, "inplace": 2, "backward": 2, "grad": 2},
    "hooks": {"hook": 6, "node_hook": 3, "backward": 4, "flags": 2, "inplace": 1.5},
    "engine": {"backward": 4, "grad": 5, "hook": 1, "unary": 3, "binary": 3, "product": 2},
    "state": {"data": 4, "flags": 4, "detach": 4, "leaf_write": 4, "view": 3, "inplace": 3, "backward": 2},
    "ops": {"unary": 4, "binary": 4, "reduce": 4, "select": 5, "product": 3, "indexed_write": 2, "grad": 1.5},
}
BASE = {"unary": 2, "binary": 2.5, "view": 2.5, "multi_view": 1, "inplace": 1.5, "inplace_binary": 1.5, "indexed_write": 0.8, "geometry": 0.3,
        "reduce": 1, "select": 1, "product": 0.7, "custom": 0.9, "dirty": 0.4, "hook": 0.5, "node_hook": 0.2, "backward": 0.7, "grad": 0.8,
        "leaf_write": 0.4, "data": 0.25, "flags": 0.4, "detach": 0.5, "dtype": 0.1, "look": 0.4}

SMOOTH = ["neg", "sin", "cos", "exp", "sigmoid", "square", "clone", "tanh", "softplus", "silu", "gelu", "expm1", "atan", "erf"]
KINKED = ["abs", "relu", "sign"]
SHAPES = [[2, 3], [2, 3], [3, 2], [3], [2, 1], [1, 3], [4], [2, 2, 3], [3, 3], [6], []]
LARGE_SHAPES = [[12, 15], [15, 12], [180], [12, 1], [1, 15], [3, 12, 5], [12, 12], [15]]


class Generator:
    def __init__(self, seed, large=False):
        self.rng = random.Random(seed)
        self.large = large
        self.limit = 600 if large else 40
        self.machine = Machine()
        self.program = []
        self.log = []
        self.count = 0
        self.handles = []
        self.gradients = 0
        # In Python, later hooks of a tensor that has one go where the first went, whatever has become of the tensor.
        self.hooked = set()
        self.mode = None
        # Looking at a tensor may itself make its history anew, so only some programs look all the time.
        self.quiet = self.rng.random() < 0.4
        weights = dict(BASE)
        for kind, w in THEMES[self.rng.choice(list(THEMES))].items():
            weights[kind] = weights[kind] * 0.5 + w
        self.kinds, self.weights = list(weights), list(weights.values())

    # Choosing

    def chance(self, p):
        return self.rng.random() < p

    def names(self, accept=lambda t: True):
        return [n for n, t in self.machine.values.items() if n[0] == "v" and isinstance(t, torch.Tensor) and accept(t)]

    def pick(self, accept=lambda t: True):
        """A tensor's register, one of the last ones most of the time."""
        names = self.names(lambda t: t.dtype in FLOATS and accept(t))
        if not names:
            raise Skip
        return self.rng.choice(names[-4:] if self.chance(0.55) else names)

    def get(self, name):
        return self.machine.values[name]

    def fresh(self):
        self.count += 1
        return f"v{self.count - 1}"

    def partner(self, name):
        """Something to combine with a register: of a shape that broadcasts to its, mostly."""
        x = self.get(name)

        def fits(t):
            try:
                return torch.broadcast_shapes(t.shape, x.shape) == x.shape
            except RuntimeError:
                return False

        if self.chance(0.03):
            return self.pick()
        if self.chance(0.12):
            return round(self.rng.uniform(-1.5, 1.5), 2) + 0.001
        try:
            return self.pick(fits)
        except Skip:
            return self.leaf(list(x.shape))

    def leaf(self, shape=None, grad=None):
        shape = self.rng.choice(LARGE_SHAPES if self.large else SHAPES) if shape is None else shape
        dtype = self.dtype()
        return self.emit("leaf", shape, dtype, self.rng.randrange(100), self.chance(0.75) if grad is None else grad, plain=True)

    def dtype(self):
        p = self.rng.random()
        return "float64" if p < self.precise else "float32" if p < self.precise + (1 - self.precise) * 0.85 else "float16"

    def dim(self, x, extra=0):
        d = x.dim() + extra
        if d == 0:
            return 0
        return self.rng.randrange(d) - (d if self.chance(0.3) else 0)

    # Emitting

    def emit(self, f, *args, r="new", plain=False, **kwargs):
        """Appends an instruction and runs it. Returns the name of its result."""
        instruction = {"f": f, "a": list(args)}
        if kwargs:
            instruction["k"] = kwargs
        if r == "new":
            r = self.fresh()
        if r is not None:
            instruction["r"] = r
        if self.mode is not None and not plain:
            instruction["m"] = self.mode
        if self.quiet:
            instruction["q"] = 1
        self.program.append(instruction)
        self.log.append(self.machine.step(instruction))
        return r

    def value(self, f, *args, **kwargs):
        """Emits an instruction that computes something, if its result can be trusted to any rounding."""
        verdict = self.judge(f, list(args), kwargs)
        # Of two things that are wrong with a call, either may be what the error is about.
        if verdict == "bad" or (verdict == "error" and (f.endswith("_") or not self.chance(0.15))):
            raise Skip
        return self.emit(f, *args, **kwargs)

    def judge(self, f, args, kwargs):
        copies = {}

        def copy(a):
            if isinstance(a, torch.Tensor):
                if id(a) not in copies:
                    copies[id(a)] = a.detach().clone() if f.endswith("_") or f == "setitem" else a.detach()
                return copies[id(a)]
            return [copy(x) for x in a] if isinstance(a, list) else a

        resolved = [self.machine.resolve(a) for a in args]
        if risky(f, resolved):
            return "bad"
        if f == "argsort" and broken(resolved[0]):
            return "bad"
        if (f.endswith("_") or f == "setitem") and any(isinstance(a, torch.Tensor) and broken(a) for a in resolved[1:]):
            return "bad"
        try:
            with torch.no_grad():
                out = self.machine.perform(f, [copy(a) for a in resolved], {k: copy(self.machine.resolve(v)) for k, v in kwargs.items()})
        except Skip:
            raise
        except Exception:
            # A view whose history is broken is an error of its own, and either may be reported.
            tensors = [a for a in resolved if isinstance(a, torch.Tensor)]
            return "bad" if any(broken(t) for t in tensors) else "error"
        for t in out if isinstance(out, (list, tuple)) else [out]:
            if not isinstance(t, torch.Tensor):
                continue
            if t.numel() == 0 or t.numel() > self.limit:
                return "bad"
            if t.dtype in FLOATS and not (torch.isfinite(t).all() and t.abs().max() < 30):
                return "bad"
        return "fine"

    # Kinds of instructions

    def unary(self):
        x = self.pick()
        p = self.rng.random()
        if p < 0.65:
            self.value(self.rng.choice(SMOOTH), x)
        elif p < 0.8:
            self.value(self.rng.choice(KINKED), x)
        elif p < 0.9:
            f, args = self.rng.choice([("pow", [2]), ("pow", [3]), ("mul", [0.5]), ("add", [1.25]), ("div", [2.5]), ("clamp", [-0.7, 0.8]),
                                       ("clamp_min", [0.13]), ("leaky_relu", [0.2]), ("sub", [0.3])])
            if f != "leaky_relu":
                self.value(f, x, *args)
        else:
            self.value(self.rng.choice(["sqrt", "log", "reciprocal", "rsqrt"]), x)

    def binary(self):
        x = self.pick()
        y = self.partner(x)
        f = self.rng.choice(["add", "sub", "mul", "mul", "maximum", "minimum", "div", "lerp", "addcmul", "where", "atan2", "pow_tensor"])
        if isinstance(y, float) and f in ("maximum", "minimum", "atan2", "addcmul", "lerp", "pow_tensor", "where"):
            f = "mul"
        if f in ("add", "sub") and self.chance(0.3):
            self.value(f, x, y, alpha=self.rng.choice([2, 0.5, -1.5]))
        elif f == "lerp":
            self.value(f, x, y, self.rng.choice([0.25, self.partner(x)]))
        elif f == "addcmul":
            z = self.partner(x)
            self.value(f, x, y, y if isinstance(z, float) else z, value=0.5)
        elif f == "where":
            c = self.value("gt", x, 0.05)
            self.value("where", c, x, y)
        elif f == "pow_tensor":
            raise Skip
        else:
            self.value(f, x, y)

    def view(self):
        x = self.pick()
        t = self.get(x)
        rank, shape = t.dim(), list(t.shape)
        f = self.rng.choice(["select", "narrow", "index", "index", "transpose", "permute", "expand", "view", "reshape", "unsqueeze", "squeeze",
                             "diagonal", "unfold", "as_strided", "view_as", "T", "t", "mT", "flatten", "movedim", "squeeze_all", "expand_as",
                             "swapaxes", "unflatten", "ravel", "contiguous", "positive", "detach", "broadcast_to"])
        if f == "select":
            return self.value(f, x, self.dim(t), self.rng.randrange(-1, 2))
        if f == "narrow" and rank > 0:
            d = self.dim(t)
            start = self.rng.randrange(shape[d])
            return self.value(f, x, d, start, self.rng.randrange(1, shape[d] - start + 1))
        if f == "index" and rank > 0:
            return self.value(f, x, self.basic_index(shape))
        if f in ("transpose", "swapaxes", "movedim"):
            return self.value(f, x, self.dim(t), self.dim(t))
        if f == "permute":
            order = list(range(rank))
            self.rng.shuffle(order)
            return self.value(f, x, order)
        if f in ("expand", "broadcast_to"):
            sizes = [self.rng.choice([2, 3]) if s == 1 and self.chance(0.7) else self.rng.choice([-1, s]) if f == "expand" else s for s in shape]
            if self.chance(0.5):
                sizes = [2] + sizes
            return self.value(f, x, sizes)
        if f in ("view", "reshape"):
            n = t.numel()
            a = self.rng.choice([d for d in range(1, n + 1) if n % d == 0])
            return self.value(f, x, self.rng.choice([[a, n // a], [-1], [a, -1], [n], [1, n, 1]]))
        if f == "unsqueeze":
            return self.value(f, x, self.dim(t, 1))
        if f == "squeeze":
            return self.value(f, x, self.dim(t))
        if f == "squeeze_all":
            return self.value("squeeze", x)
        if f == "diagonal" and rank > 1:
            return self.value(f, x, self.rng.choice([0, 0, 1, -1]), 0, 1)
        if f == "unfold" and rank > 0:
            d = self.dim(t)
            return self.value(f, x, d, self.rng.randrange(1, min(shape[d], 3) + 1), self.rng.randrange(1, 3))
        if f == "as_strided":
            return self.strided(x, "as_strided")
        if f in ("view_as", "expand_as"):
            return self.value(f, x, self.pick(lambda o: o.numel() >= t.numel()))
        if f == "unflatten" and rank > 0:
            d = self.dim(t)
            a = self.rng.choice([k for k in range(1, shape[d] + 1) if shape[d] % k == 0])
            return self.value(f, x, d, [a, -1])
        if f in ("T", "mT", "t", "flatten", "ravel", "contiguous", "positive", "detach"):
            if f == "T" and rank != 2:
                f = "detach"
            return self.value(f, x)
        raise Skip

    def strided(self, x, f):
        t = self.get(x)
        room = t.untyped_storage().nbytes() // t.element_size() - t.storage_offset()
        sizes = [self.rng.randrange(1, 4) for _ in range(self.rng.randrange(0, 3))]
        strides = [self.rng.randrange(0 if f == "as_strided" else 1, 4) for _ in sizes]
        # Overlapping windows are fine for a view.
        if 1 + sum((n - 1) * s for n, s in zip(sizes, strides)) > room:
            raise Skip
        return self.value(f, x, sizes, strides, *([t.storage_offset()] if self.chance(0.3) else []))

    def basic_index(self, shape):
        index = []
        for size in shape[: self.rng.randrange(1, len(shape) + 1)]:
            p = self.rng.random()
            if p < 0.3:
                index.append(self.rng.randrange(-size, size))
            elif p < 0.8:
                start = self.rng.randrange(size)
                index.append(["slice", start, self.rng.choice([None, size]), self.rng.choice([1, 2, 2, 3])])
            else:
                index.append(["slice", None, None, None])
        if self.chance(0.2):
            index.append(None)
        if self.chance(0.2):
            index.insert(0, "...")
        return index

    def multi_view(self):
        x = self.pick(lambda t: t.dim() > 0)
        t = self.get(x)
        d = self.dim(t)
        size = t.shape[d]
        f = self.rng.choice(["unbind", "split", "chunk", "split_sizes", "tensor_split", "unsafe_split"])
        if f == "unbind" and size > 4 or size > 20:
            raise Skip
        if f == "unbind":
            args, n = [d], size
        elif f in ("split", "unsafe_split"):
            f = "split"
            k = self.rng.randrange(max(1, size // 4), size + 1)
            args, n = [k, d], -(-size // k)
        elif f == "chunk":
            k = self.rng.randrange(1, 4)
            args, n = [k, d], len(t.chunk(k, d))
        elif f == "tensor_split":
            k = self.rng.randrange(1, min(size, 3) + 1)
            args, n = [k, d], k
        else:
            k = self.rng.randrange(1, size + 1)
            args, n = [[k, size - k] if k < size else [size], d], 2 if k < size else 1
            f = "split"
        self.value(f, x, *args, r=[self.fresh() for _ in range(n)])

    def inplace(self):
        x = self.pick()
        f, args = self.rng.choice([("neg_", []), ("sin_", []), ("exp_", []), ("sigmoid_", []), ("tanh_", []), ("relu_", []), ("square_", []),
                                   ("abs_", []), ("mul_", [0.5]), ("add_", [0.75]), ("zero_", []), ("fill_", [0.4]), ("clamp_", [-0.6, 0.7]),
                                   ("pow_", [2]), ("div_", [1.5]), ("cos_", []), ("cumsum_", [0]), ("tril_", []), ("triu_", []), ("sub_", [0.3]),
                                   ("sqrt_", []), ("floor_", []), ("erf_", []), ("atan_", []), ("softmax", [0])])
        if not f.endswith("_"):
            raise Skip
        self.value(f, x, *args)

    def inplace_binary(self):
        x = self.pick()
        f = self.rng.choice(["add_", "add_", "mul_", "mul_", "sub_", "copy_", "copy_", "div_", "lerp_", "addcmul_", "masked_fill_", "fill_tensor"])
        y = self.partner(x)
        if isinstance(y, float) and f in ("lerp_", "addcmul_", "copy_", "fill_tensor"):
            f = "mul_"
        if f == "masked_fill_":
            c = self.value("gt", x, 0.02)
            self.value(f, x, c, self.rng.choice([0.3, self.pick_scalar()]))
        elif f == "fill_tensor":
            self.value("fill_", x, self.pick_scalar())
        elif f == "lerp_":
            self.value(f, x, y, 0.4)
        elif f == "addcmul_":
            self.value(f, x, y, y, value=0.3)
        elif f in ("add_", "sub_") and self.chance(0.25):
            self.value(f, x, y, alpha=0.5)
        else:
            self.value(f, x, y)

    def pick_scalar(self):
        names = self.names(lambda t: t.dtype in FLOATS and t.dim() == 0)
        return self.rng.choice(names) if names else self.leaf([])

    def ints(self, n, below, distinct=False):
        values = self.rng.sample(range(below), n) if distinct else [self.rng.randrange(below) for _ in range(n)]
        return self.emit("ints", values, plain=True)

    def indexed_write(self):
        x = self.pick(lambda t: t.dim() > 0)
        t = self.get(x)
        d = self.dim(t)
        size = t.shape[d]
        n = self.rng.randrange(1, min(size, 3) + 1)
        f = self.rng.choice(["index_add_", "index_put_", "scatter_", "scatter_add_", "setitem", "setitem", "index_fill_", "index_copy_"])
        part = list(t.shape)
        part[d] = n
        if f == "setitem":
            index = self.basic_index(list(t.shape))
            try:
                target = t.detach()[Machine.indices(index)]
            except IndexError:
                raise Skip from None
            value = self.rng.choice([0.7, None])
            if value is None:
                try:
                    value = self.pick(lambda o: fits(o, target))
                except Skip:
                    value = self.leaf(list(target.shape))
            self.value(f, x, index, value)
        elif f == "index_fill_":
            self.value(f, x, d, self.ints(n, size), self.rng.choice([0.2, self.pick_scalar()]))
        elif f == "index_put_":
            rows = t.shape[0]
            n = self.rng.randrange(1, min(rows, 3) + 1)
            accumulate = self.chance(0.4)
            value = self.leaf([n] + list(t.shape[1:]))
            self.value(f, x, [self.ints(n, rows, not accumulate)], value, accumulate)
        elif f in ("index_add_", "index_copy_"):
            i = self.ints(n, size, f == "index_copy_")
            self.value(f, x, d, i, self.source(part))
        else:
            i = self.ints(n, size, True)
            source = self.source(part)
            if t.dim() > 1:
                shape = [1] * t.dim()
                shape[d] = n
                i = self.emit("view", i, shape, plain=True)
                i = self.emit("expand", i, part, plain=True)
            self.value(f, x, d, i, source)

    def source(self, shape):
        try:
            if self.chance(0.5):
                return self.pick(lambda t: list(t.shape) == shape)
        except Skip:
            pass
        return self.leaf(shape)

    def geometry(self):
        # Without recording the node keeps the old shape, and nothing works from there on.
        x = self.pick(lambda t: t.dim() > 0 and id(t) not in self.hooked and not (t.requires_grad and self.mode == "no_grad"))
        t = self.get(x)
        f, args = self.rng.choice([("t_", []), ("transpose_", [0, -1]), ("squeeze_", []), ("unsqueeze_", [0]), ("swapaxes_", [0, -1]), ("as_strided_", None)])
        if f == "as_strided_":
            return self.strided(x, f)
        self.value(f, x, *args)

    def reduce(self):
        x = self.pick()
        t = self.get(x)
        d = self.dim(t)
        f = self.rng.choice(["sum", "sum", "mean", "sum_all", "mean_all", "amax", "max", "min", "logsumexp", "var", "cumsum", "cumprod", "softmax",
                             "log_softmax", "layer_norm", "std", "prod", "norm", "flip", "roll", "max_all", "amin", "logcumsumexp", "cummax"])
        if f in ("sum", "mean", "amax", "amin", "logsumexp"):
            args = {"keepdim": True} if self.chance(0.4) else {}
            self.value(f, x, d, **args)
        elif f in ("sum_all", "mean_all", "max_all"):
            self.value(f[:-4], x)
        elif f in ("max", "min"):
            self.value(f, x, d, r=[self.fresh(), self.fresh()])
        elif f == "cummax":
            self.value(f, x, d, r=[self.fresh(), self.fresh()])
        elif f in ("var", "std"):
            if f == "std" and t.numel() and t.detach().double().std() < 0.05:
                raise Skip
            self.value(f, x)
        elif f == "layer_norm":
            if t.dim() == 0 or t.shape[-1] < 3 or t.detach().double().std(-1).min() < 0.05:
                raise Skip
            n = [t.shape[-1]]
            weights = [self.leaf(n), self.leaf(n)] if self.chance(0.5) else []
            self.value(f, x, n, *weights)
        elif f == "prod":
            if t.detach().abs().min() < 0.05:
                raise Skip
            self.value(f, x)
        elif f == "norm":
            if t.detach().double().norm() < 0.1:
                raise Skip
            self.value(f, x)
        elif f == "flip":
            self.value(f, x, [d])
        elif f == "roll":
            self.value(f, x, 1, d)
        else:
            self.value(f, x, d)

    def select(self):
        x = self.pick(lambda t: t.dim() > 0)
        t = self.get(x)
        d = self.dim(t)
        size = t.shape[d]
        f = self.rng.choice(["sort", "topk", "index_select", "gather", "index_tensor", "masked_fill", "masked_select", "take", "argmax", "cat", "stack",
                             "repeat", "tril", "index_add", "scatter", "index_fill", "kthvalue", "take_along_dim", "repeat_interleave", "index_mask", "argsort"])
        n = self.rng.randrange(1, 4)
        if f == "sort":
            self.value(f, x, d, r=[self.fresh(), self.fresh()])
        elif f in ("topk", "kthvalue"):
            self.value(f, x, self.rng.randrange(1, size + 1), d, r=[self.fresh(), self.fresh()])
        elif f == "index_select":
            self.value(f, x, d, self.ints(n, size))
        elif f in ("gather", "take_along_dim"):
            i = self.value("argsort", x, d)
            self.value(f, x, *((d, i) if f == "gather" else (i, d)))
        elif f == "index_tensor":
            i = self.ints(n, t.shape[0])
            index = [i] if t.dim() < 2 or self.chance(0.6) else self.rng.choice([[i, ["slice", 0, None, 2]], [i, 0], ["...", self.ints(n, t.shape[-1])]])
            self.value("index", x, index)
        elif f == "index_mask":
            c = self.value("gt", x, 0.01)
            self.value("index", x, [c])
        elif f == "masked_fill":
            c = self.value("lt", x, 0.01)
            self.value(f, x, c, self.rng.choice([0.6, self.pick_scalar()]))
        elif f == "masked_select":
            c = self.value("gt", x, 0.01)
            self.value(f, x, c)
        elif f == "take":
            self.value(f, x, self.ints(n, t.numel()))
        elif f in ("argmax", "argsort"):
            self.value(f, x, d)
        elif f in ("cat", "stack"):
            others = [self.pick(lambda o: o.shape == t.shape) for _ in range(self.rng.randrange(1, 3))]
            self.value(f, [x, *others], d)
        elif f == "repeat":
            self.value(f, x, [2] + [1] * (t.dim() - 1))
        elif f == "repeat_interleave":
            self.value(f, x, 2, d)
        elif f == "tril":
            self.value(self.rng.choice(["tril", "triu"]), x)
        elif f == "index_add":
            part = list(t.shape)
            part[d] = n
            self.value(f, x, d, self.ints(n, size), self.leaf(part))
        elif f == "index_fill":
            self.value(f, x, d, self.ints(n, size), self.rng.choice([0.2, self.pick_scalar()]))
        elif f == "scatter":
            i = self.value("argsort", x, d)
            self.value(f, x, d, i, self.source(list(t.shape)))

    def product(self):
        x = self.pick(lambda t: 0 < t.dim() < 3)
        t = self.get(x)
        f = self.rng.choice(["matmul", "matmul", "matmul", "linear", "addmm", "outer", "bmm", "dot"])
        n = self.rng.randrange(1, 4)
        dtype = t.dtype

        def other(shape):
            try:
                if self.chance(0.7):
                    return self.pick(lambda o: list(o.shape) == shape and o.dtype == dtype)
            except Skip:
                pass
            name = self.leaf(shape)
            return self.emit("to", name, str(dtype)[6:]) if self.get(name).dtype != dtype else name

        if f == "matmul":
            try:
                y = self.pick(lambda o: 0 < o.dim() < 3 and o.dtype == dtype and o.shape[-2 if o.dim() > 1 else -1] == t.shape[-1])
            except Skip:
                y = other([t.shape[-1], n])
            self.value(f, x, y)
        elif f == "linear":
            self.value(f, x, other([n, t.shape[-1]]), *([other([n])] if self.chance(0.5) else []))
        elif f == "addmm" and t.dim() == 2:
            self.value(f, other([n]), x, other([t.shape[1], n]), beta=0.5, alpha=0.7)
        elif f in ("outer", "dot") and t.dim() == 1:
            self.value(f, x, other([t.shape[0]]))
        elif f == "bmm" and t.dim() == 2:
            z = self.emit("unsqueeze", x, 0)
            self.value(f, z, self.emit("unsqueeze", other([t.shape[1], n]), 0))
        else:
            raise Skip

    def custom(self):
        x = self.pick()
        t = self.get(x)
        f = self.rng.choice(["Square", "Square", "Scale", "Product", "SavedResult", "Separate", "FlatView", "TwoViews", "Same", "SameTwice", "Detached",
                             "Several", "SeveralOrNone", "WithIndices", "Once", "Nested", "Whole", "Broadcasts", "NoGradient", "Secretly"]
                            + (["TooMany", "TooFew", "WrongShape", "Failing"] if self.chance(0.3) else []))
        if t.abs().max() > 4:
            raise Skip
        if f in ("Product", "Separate", "Several", "SeveralOrNone", "SameTwice", "TooFew"):
            args = [x, self.pick(lambda o: o.shape == t.shape)]
        else:
            args = [x, 1.5] if f == "Scale" else [x]
        two = f in ("Several", "SeveralOrNone", "SameTwice", "WithIndices", "TwoViews", "Whole")
        self.emit("apply", f, *args, r=[self.fresh(), self.fresh()] if two else "new")

    def dirty(self):
        x = self.pick()
        f = self.rng.choice(["Overwrite", "Overwrite", "OverwriteSaved", "OverwriteAndMore", "OverwriteSecond", "DirtyNotReturned"])
        if f == "OverwriteSecond":
            shape = self.get(x).shape
            # PyTorch takes the first input for the view that was changed.
            y = self.pick(lambda o: o.shape == shape and not o._is_view())
            if y == x or apart(self.get(x), self.get(y)) is False:
                raise Skip
            self.emit("apply", f, x, y)
        else:
            if (self.get(x).abs() > 8).any():
                raise Skip
            self.emit("apply", f, x, r=[self.fresh(), self.fresh()] if f == "OverwriteAndMore" else "new")

    def hook(self):
        p = self.rng.random()
        if p < 0.12 and self.handles:
            return self.emit("remove", self.rng.choice(self.handles), r=None)
        x = self.pick(lambda t: t.requires_grad or self.chance(0.1))
        if p < 0.6:
            kind = self.rng.choice(["record", "record", "halve", "halve", "sine", "clone", "same", "zero"] + (["raise", "shape"] if self.chance(0.2) else []))
            if broken(self.get(x)):
                raise Skip
            self.hooked.add(id(self.get(x)))
            self.register("hook", x, kind)
        elif p < 0.8:
            self.emit("retain_grad", x, r=None)
        else:
            x = self.pick(lambda t: (t.is_leaf and t.requires_grad) or self.chance(0.1))
            self.register("post_accumulate", x, self.rng.choice(["record", "record", "clear", "step"]))

    def register(self, f, x, kind):
        handle = f"h{len(self.handles)}"
        self.handles.append(handle)
        self.emit(f, x, kind, r=handle)

    def node_hook(self):
        x = self.pick(lambda t: t.requires_grad)
        self.register(self.rng.choice(["node_hook", "node_prehook"]), x, self.rng.choice(["record", "record", "halve"]))

    def roots(self):
        """Registers to differentiate, and their gradients."""
        names, grads = [], []
        for _ in range(1 if self.chance(0.75) else 2):
            x = self.pick(lambda t: t.requires_grad or self.chance(0.03))
            t = self.get(x)
            if t.numel() != 1 and not self.chance(0.05):
                if self.chance(0.5):
                    x = self.emit("sum", x)
                    grads.append(None)
                else:
                    grads.append(self.given(t))
            else:
                grads.append(None)
            names.append(x)
        return names, grads

    def given(self, t):
        """A gradient for `t`. PyTorch may make it, or a view of it, the `.grad` of a leaf, so nothing else uses it."""
        self.gradients += 1
        dtype = str(t.dtype)[6:] if self.chance(0.95) else "float32"
        name = f"g{self.gradients}"
        return self.emit("leaf", list(t.shape), dtype, self.rng.randrange(100), self.chance(0.1), r=name, plain=True)

    def backward(self):
        names, grads = self.roots()
        options = {}
        if self.chance(0.5):
            options["retain_graph"] = True
        if self.chance(0.15):
            options["create_graph"] = True
        if self.chance(0.3):
            options["inputs"] = [self.pick(lambda t: t.requires_grad or self.chance(0.05)) for _ in range(self.rng.randrange(1, 3))]
        self.emit("backward", names, grads, r=None, **options)

    def grad(self):
        names, grads = self.roots()
        inputs = [self.pick(lambda t: t.requires_grad or self.chance(0.02)) for _ in range(self.rng.randrange(1, 4))]
        if len(set(inputs)) < len(inputs) and self.chance(0.8):
            raise Skip
        options = {}
        if self.chance(0.85):
            options["allow_unused"] = True
        elif self.chance(0.3):
            options["materialize_grads"] = True
        if self.chance(0.5):
            options["create_graph"] = True
        elif self.chance(0.7):
            options["retain_graph"] = True
        self.emit("grad", names, inputs, grads, r=[self.fresh() for _ in inputs], **options)

    def leaf_write(self):
        """In-place changes of leaves, and of parts of them, without recording."""
        x = self.pick(lambda t: t.is_leaf and t.requires_grad)
        mode, self.mode = self.mode, "no_grad"
        try:
            if self.chance(0.4) and self.get(x).dim() > 0:
                x = self.emit("select", x, 0, 0)
            f, args = self.rng.choice([("mul_", [0.5]), ("add_", [0.5]), ("zero_", []), ("fill_", [0.25]), ("sin_", []), ("copy_", None)])
            self.value(f, x, *([self.pick(lambda t: fits(t, self.get(x)))] if args is None else args))
        finally:
            self.mode = mode

    def data(self):
        x = self.pick()
        f = self.rng.choice(["get_data", "get_data", "set_data", "get_grad", "get_grad", "set_grad", "clear_grad", "set_"])
        t = self.get(x)
        if f == "set_data":
            shape = t.shape
            self.emit(f, x, self.pick(lambda o: o.shape == shape and o.dtype == t.dtype), r=None)
        elif f == "set_":
            self.emit(f, x, self.pick(lambda o: o.dtype == t.dtype))
        elif f == "set_grad":
            self.emit(f, x, self.pick(lambda o: o.shape == t.shape), r=None)
        elif f == "clear_grad":
            self.emit(f, x, r=None)
        elif f == "get_grad":
            self.emit(f, self.pick(lambda o: o.grad is not None))
        else:
            self.emit(f, x)

    def flags(self):
        x = self.pick()
        f = self.rng.choice(["requires_grad_", "requires_grad_", "requires_grad", "retain_grad", "graph"])
        if f == "requires_grad_":
            self.emit(f, x, *([False] if self.chance(0.25) else []))
        elif f == "requires_grad":
            self.emit(f, x, self.chance(0.7))
        elif f == "retain_grad":
            self.emit(f, x, r=None)
        elif self.chance(0.5):
            self.emit("graph", x, r=None)

    def detach(self):
        x = self.pick()
        self.emit(self.rng.choice(["detach", "detach", "detach_"]), x)

    def dtype_(self):
        x = self.pick()
        self.value("to", x, self.dtype())

    def look(self):
        self.emit("look", self.pick(), r=None)

    # Programs

    def generate(self):
        p = self.rng.random()
        # Mostly all in float64, where nothing but mistakes make a difference.
        self.precise = 1 if p < 0.8 else 0.7
        for _ in range(self.rng.randrange(1, 4)):
            self.leaf(grad=self.chance(0.85))
        length = self.rng.randrange(5, 40)
        attempts = 0
        while len(self.program) < length and attempts < 300:
            attempts += 1
            if self.mode is None and self.chance(0.05):
                self.mode = self.rng.choice(["no_grad", "no_grad", "enable_grad", "saved_clones"])
            elif self.mode is not None and self.chance(0.25):
                self.mode = None
            kind = self.rng.choices(self.kinds, self.weights)[0]
            if kind == "dtype" and self.precise == 1:
                continue
            before = len(self.program)
            try:
                getattr(self, "dtype_" if kind == "dtype" else kind)()
            except Skip:
                continue
            except (RuntimeError, IndexError):
                # The generator looked at a tensor whose history is broken.
                continue
            if len(self.program) > before and not self.sound():
                return None
        self.mode = None
        total = self.emit("total")
        self.emit("backward", [total], r=None)
        return self.program

    def sound(self):
        """Whether all values are still in range."""
        with torch.no_grad():
            for t in self.machine.values.values():
                if isinstance(t, torch.Tensor) and t.dtype in FLOATS:
                    for u, limit in ((t, 1e3), (t.grad, 1e5)):
                        if u is not None and u.numel() > 0 and not u.abs().max() < limit:
                            return False
        return True


def broken(t):
    try:
        return t.grad_fn is None and False
    except RuntimeError:
        return True


def fits(o, target):
    try:
        return torch.broadcast_shapes(o.shape, target.shape) == target.shape
    except RuntimeError:
        return False


def apart(x, y):
    """Whether two tensors certainly share no memory."""
    return x.untyped_storage().data_ptr() != y.untyped_storage().data_ptr()


def margin(t):
    return {torch.float64: 1e-6, torch.float32: 2e-3}.get(t.dtype, 3e-2)


def near(t, points=(0,)):
    """Whether an element is so close to a point, without being there, that rounding could put it on the other side."""
    d = t.detach().double()
    return any(((d - p).abs() < margin(t)).logical_and(d != p).any().item() for p in points)


def tied(t, exact=True):
    """Whether two elements are so close that rounding could change their order (`exact`: or are equal)."""
    v = t.detach().double().flatten().sort()[0]
    gaps = v[1:] - v[:-1]
    close = gaps < margin(t)
    if not exact:
        close = close.logical_and(gaps > 0)
    return close.any().item()


def risky(f, args):
    x = args[0][0] if isinstance(args[0], list) else args[0]
    if not isinstance(x, torch.Tensor) or x.numel() == 0:
        return False
    if f in ("abs", "relu", "sign", "abs_", "relu_", "sqrt_"):
        low = f == "sqrt_" and x.detach().min() < 0.1
        return near(x) or low
    if f == "floor_":
        d = x.detach().double()
        return ((d - d.round()).abs() < margin(x)).any().item()
    if f in ("gt", "lt"):
        return near(x, (args[1],)) or (x == args[1]).any().item()
    if f in ("clamp", "clamp_", "clamp_min"):
        return near(x, args[1:]) or any((x == p).any().item() for p in args[1:])
    if f in ("maximum", "minimum"):
        return near(x.double() - args[1].double()) if fits(x, args[1]) or fits(args[1], x) else False
    if f in ("max", "min", "amax", "amin"):
        return tied(x, f in ("max", "min") and len(args) > 1)
    if f in ("sort", "topk", "kthvalue", "argsort", "argmax", "cummax"):
        return tied(x)
    if f in ("sqrt", "log", "rsqrt"):
        return (x.detach() < 0.2).any().item()
    if f in ("reciprocal",):
        return (x.detach().abs() < 0.3).any().item()
    if f in ("div", "div_") and isinstance(args[1], torch.Tensor):
        return (args[1].detach().abs() < 0.3).any().item()
    if f == "atan2":
        return x.dim() >= 0 and isinstance(args[1], torch.Tensor) and ((args[1].detach() < 0.1).any().item())
    if f == "copy_" and isinstance(args[1], torch.Tensor) and args[1] is not x and not apart(x, args[1]):
        # What is read after it was written is not defined.
        return True
    if f == "copy_" and overlapping(x):
        return True
    if f in ("index_add_", "index_copy_", "index_put_", "scatter_", "scatter_add_", "setitem", "cumsum_", "masked_fill_", "index_fill_", "fill_"):
        others = [a for a in args[1:] if isinstance(a, torch.Tensor)]
        return f != "fill_" and overlapping(x) or any(not apart(x, a) for a in others)
    if f == "masked_fill" and not x.is_contiguous():
        # The layout of the result depends on how PyTorch copies.
        return True
    if f in ("tril", "triu", "index_add", "scatter"):
        return not x.is_contiguous()
    if f in ("tril_", "triu_"):
        return overlapping(x)
    return False


def overlapping(x):
    """Whether elements share memory."""
    return any(n > 1 and s == 0 for n, s in zip(x.shape, x.stride())) or torch._debug_has_internal_overlap(x) != 0 and not dense(x)


def dense(x):
    order = sorted((s, n) for n, s in zip(x.shape, x.stride()) if n > 1)
    extent = 0
    for s, n in order:
        if s <= extent:
            return False
        extent += (n - 1) * s
    return True
