"""Runs programs on PyTorch and logs what they do. test/autograd/programs/interpreter.ts is its twin, to the last log entry.

A program is a list of instructions on named registers:

    {"r": result, "f": operation, "a": arguments, "k": keyword arguments, "m": mode}

`r` is one name or a list of names. Strings like "v12", "h3" and "g4" in `a` and `k`, also within lists, are registers; an instruction
of which a register is empty is skipped, so any instruction may be left out of a program. An error empties the result; the
program goes on. An operation is one of those below, else a method of the first argument.
"""
import contextlib
import math
import re
import warnings

import torch
import torch.nn.functional as F

import functions

warnings.simplefilter("ignore")
REGISTER = re.compile(r"^[vhg]\d+$")
# Larger tensors are logged as sums with these numbers of weights.
MANY, SUMS = 40, 3


class Skip(Exception):
    """An operand that is not there."""


def first_sentence(e):
    first = re.split(r"(?<=[a-z\])])\. | Hint:|\n", str(e))[0].rstrip(".")
    # How often PyTorch has changed gradients before it gives them away is its own affair.
    first = re.sub(r"is at version (\d+); expected version (\d+)", lambda m: f"is {int(m[1]) - int(m[2])} versions ahead", first)
    return f"{type(e).__name__}: {first}"


def attempt(f):
    try:
        return f()
    except Exception as e:
        return first_sentence(e)


def shares(t, u):
    return t.untyped_storage().data_ptr() == u.untyped_storage().data_ptr()


class Machine:
    def __init__(self, digits=12):
        self.values = {}
        self.events = []
        self.digits = digits
        # The versions that gradients had when they were got.
        self.versions = {}
        self.operations = {
            name[3:]: getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    # Registers

    def resolve(self, a):
        if isinstance(a, str) and REGISTER.match(a):
            value = self.values.get(a)
            if value is None:
                raise Skip
            return value
        if isinstance(a, list):
            return [self.resolve(x) for x in a]
        return a

    def bind(self, names, result):
        if isinstance(names, list):
            results = list(result) if isinstance(result, (list, tuple)) else [result]
            for name, value in zip(names, results):
                self.values[name] = value
        elif names is not None:
            self.values[names] = result

    # Running

    def run(self, program):
        log = [self.step(instruction) for instruction in program]
        return [log, {name: self.final(value, name) for name, value in self.values.items() if name[0] != "g"}]

    def step(self, instruction):
        """What one instruction logs: the description of its results (or "skip", or its error), then events."""
        names = instruction.get("r")
        self.events = []
        functions.events = self.events
        functions.machine = self
        try:
            args = [self.resolve(a) for a in instruction.get("a", [])]
            kwargs = {k: self.resolve(a) for k, a in instruction.get("k", {}).items()}
            with self.mode(instruction.get("m")):
                result = self.perform(instruction["f"], args, kwargs)
        except Skip:
            return ["skip"]
        except Exception as e:
            return [first_sentence(e), *self.events]
        self.bind(names, result)
        self.note_versions(instruction)
        if not instruction.get("q"):
            status = self.describe_all(names)
        else:
            status = "ok"
        return [status, *self.events]

    def note_versions(self, instruction):
        """How many versions of a gradient, or of what shares its memory, are not the program's own."""
        names = instruction.get("r")
        source = instruction["a"][0] if instruction["a"] else None
        for name in names if isinstance(names, list) else [names]:
            t = self.values.get(name)
            if not isinstance(t, torch.Tensor) or name in self.versions:
                continue
            if instruction["f"] in ("grad", "get_grad"):
                self.versions[name] = t._version
            elif instruction["f"] not in ("get_data", "apply") and isinstance(source, str) and source in self.versions and shares(t, self.values[source]):
                self.versions[name] = self.versions[source]

    @contextlib.contextmanager
    def mode(self, name):
        if name is None:
            yield
        elif name == "saved_clones":
            with torch.autograd.graph.saved_tensors_hooks(lambda x: x.detach().clone(), lambda x: x):
                yield
        else:
            with getattr(torch, name)():
                yield

    def perform(self, f, args, kwargs):
        if f in self.operations:
            return self.operations[f](*args, **kwargs)
        return getattr(args[0], f)(*args[1:], **kwargs)

    # Logging

    def describe_all(self, names):
        return " | ".join(self.describe(self.values.get(n), n) for n in (names if isinstance(names, list) else [names]))

    def describe(self, t, name=None):
        if not isinstance(t, torch.Tensor):
            return "none" if t is None else "handle"
        flags = "".join(
            letter if attempt(flag) is True else "-"
            for letter, flag in [("r", lambda: t.requires_grad), ("l", lambda: t.is_leaf), ("v", t._is_view), ("k", lambda: t.retains_grad)]
        )
        node = attempt(lambda: functions.short(t.grad_fn))
        if name in self.versions and node not in ("None", None) and "Error: " not in node:
            # What ops a gradient formula is made of is PyTorch's own affair.
            node = "Derivative"
        version = t._version - self.versions.get(name, 0)
        same = next((n for n, v in self.values.items() if v is t and n != name), None)
        base = None if t._base is None else next((n for n, v in self.values.items() if v is t._base), "?")
        if name in self.versions:
            # So is whether it is a view of something.
            flags, same, base = flags.replace("v", "-"), None, None
        # The strides of dimensions that have one element mean nothing, those of masks and indices little.
        strides = [s if n > 1 and t.dtype.is_floating_point else 0 for n, s in zip(t.shape, t.stride())]
        kind = f"{str(t.dtype)[6:]}{list(t.shape)}/{strides}".replace(" ", "")
        return f"{kind} {flags} {version} {node}" + (f" is {same}" if same else "") + (f" base {base}" if base else "")

    def describe_gradient(self, g):
        if g is None:
            return "none"
        flags = "".join(letter if attempt(flag) is True else "-" for letter, flag in [("r", lambda: g.requires_grad), ("l", lambda: g.is_leaf)])
        return f"{str(g.dtype)[6:]}{list(g.shape)} {flags}".replace(", ", ",")

    def number(self, v):
        if isinstance(v, bool) or isinstance(v, int):
            return int(v)
        if not math.isfinite(v):
            return "nan" if v != v else "inf" if v > 0 else "-inf"
        return float(f"{v:.{self.digits}g}")

    def contents(self, t):
        """The elements of a tensor, or sums of them with weights."""
        with torch.no_grad():
            t = t.detach()
            values = (t.double() if t.dtype.is_floating_point else t).flatten().tolist()
        if len(values) <= MANY:
            return [self.number(v) for v in values]
        return [self.number(math.fsum(v * ((k * 7919 + j * 31) % 97 - 40) / 97 for k, v in enumerate(values))) for j in range(SUMS)]

    def final(self, t, name):
        if not isinstance(t, torch.Tensor):
            return [self.describe(t)]
        entry = [self.describe(t, name), self.contents(t)]
        if t.grad is not None:
            entry.append([self.describe_gradient(t.grad), self.contents(t.grad)])
        return entry

    # Making values

    def do_leaf(self, shape, dtype, seed, requires_grad):
        n = math.prod(shape)
        values = [((k * 37 + seed * 11) % 101 - 50) / 40 for k in range(n)]
        return torch.tensor(values, dtype=getattr(torch, dtype)).reshape(shape).clone().requires_grad_(requires_grad)

    def do_ints(self, values):
        return torch.tensor(values, dtype=torch.int64)

    # Functions and indexing

    def do_cat(self, tensors, dim):
        return torch.cat(tensors, dim)

    def do_stack(self, tensors, dim):
        return torch.stack(tensors, dim)

    def do_where(self, condition, x, y):
        return torch.where(condition, x, y)

    def do_layer_norm(self, x, shape, weight=None, bias=None):
        return F.layer_norm(x, shape, weight, bias)

    def do_linear(self, x, weight, bias=None):
        return F.linear(x, weight, bias)

    def do_softplus(self, x):
        return F.softplus(x)

    def do_silu(self, x):
        return F.silu(x)

    def do_gelu(self, x):
        return F.gelu(x)

    def do_T(self, x):
        return x.T

    def do_mT(self, x):
        return x.mT

    @staticmethod
    def indices(index):
        """["slice", start, stop, step] is a slice, a list of numbers a list, "..." the ellipsis."""
        def one(i):
            if isinstance(i, list):
                return slice(*i[1:])
            return Ellipsis if i == "..." else i

        return tuple(one(i) for i in index)

    def do_index(self, x, index):
        return x[self.indices(index)]

    def do_setitem(self, x, index, value):
        x[self.indices(index)] = value
        return x

    def do_index_put_(self, x, index, value, accumulate=False):
        return x.index_put_(tuple(index), value, accumulate)

    def do_to(self, x, dtype):
        return x.to(getattr(torch, dtype))

    def do_total(self):
        """A scalar in which every value takes part that requires a gradient and does not refuse."""
        out = torch.zeros((), dtype=torch.float64)
        for name, x in list(self.values.items()):
            if name[0] == "g" or not isinstance(x, torch.Tensor) or not x.dtype.is_floating_point or not x.requires_grad:
                continue
            try:
                out = out + (x.double() * (0.1 + 0.05 * (int(name[1:]) % 10))).sum()
            except Exception as e:
                self.events.append(f"{name} {first_sentence(e)}")
        return out

    # Autograd

    def do_apply(self, name, *args):
        return getattr(functions, name).apply(*args)

    def do_backward(self, roots, grads=None, **kwargs):
        torch.autograd.backward(roots, grads, **kwargs)

    def do_grad(self, outputs, inputs, grads=None, **kwargs):
        return torch.autograd.grad(outputs, inputs, grads, **kwargs)

    def do_get_grad(self, x):
        return x.grad

    def do_set_grad(self, x, value):
        x.grad = value

    def do_clear_grad(self, x):
        x.grad = None

    def do_get_data(self, x):
        return x.data

    def do_set_data(self, x, value):
        x.data = value

    def do_requires_grad(self, x, value):
        x.requires_grad = value
        return x

    def do_graph(self, x):
        """The names of the nodes next to a tensor's."""
        def text(node, depth):
            name = functions.short(node)
            if node is None or depth == 0 or name == "AccumulateGrad":
                return f"{name}"
            edges = [text(n, depth - 1) + (f"#{i}" if i else "") for n, i in node.next_functions if n is not None]
            return f"{name}({', '.join(edges)})"

        self.events.append(text(x.grad_fn, 3))

    def do_look(self, x):
        self.events.append(self.final(x, next(n for n, v in self.values.items() if v is x)))

    # Hooks

    def do_hook(self, x, kind):
        def hook(g):
            # Python's hooks are called for what got no gradient, too.
            if g is None:
                return None
            self.events.append(f"hook {kind} {'r' if g.requires_grad else '-'}")
            self.events.append(self.contents(g))
            return functions.HOOKS[kind](g)

        return x.register_hook(hook)

    def do_post_accumulate(self, x, kind):
        def hook(p):
            self.events.append(f"accumulated {kind} {self.describe_gradient(p.grad)}")
            if kind == "clear":
                p.grad = None
            elif kind == "step" and p.grad is not None:
                with torch.no_grad():
                    p.sub_(p.grad, alpha=0.25)

        return x.register_post_accumulate_grad_hook(hook)

    def node_of(self, x):
        node = x.grad_fn
        if node is None:
            raise Skip
        return node

    def seen(self, grads):
        # Outputs that have no gradient, such as indices, count here and not there.
        self.events.extend(self.contents(g) for g in grads if g is not None)

    def do_node_hook(self, x, kind):
        node = self.node_of(x)
        name = functions.short(node)

        def hook(inputs, outputs):
            self.events.append(f"node {name} {kind}")
            self.seen(outputs)
            return None if kind == "record" else tuple(None if g is None else g * 0.5 for g in inputs)

        return node.register_hook(hook)

    def do_node_prehook(self, x, kind):
        node = self.node_of(x)
        name = functions.short(node)

        def hook(outputs):
            self.events.append(f"before {name} {kind}")
            self.seen(outputs)
            return None if kind == "record" else tuple(None if g is None else g * 0.5 for g in outputs)

        return node.register_prehook(hook)

    def do_remove(self, handle):
        handle.remove()
