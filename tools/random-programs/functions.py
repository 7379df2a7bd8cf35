"""The custom functions and the hooks of the random programs; test/autograd/programs/functions.ts is the twin."""
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# The log of the running instruction, and its machine.
events = []
machine = None


def short(node):
    return None if node is None else node.name().replace("torch::autograd::", "")


def note(ctx, *grads):
    """Logs what backward is given."""
    wants = "".join("y" if n else "n" for n in ctx.needs_input_grad)
    events.append(f"backward {wants} {''.join('0' if g is None else 'g' for g in grads)}")


def raising(g):
    raise RuntimeError("this hook always fails")


HOOKS = {
    "record": lambda g: None,
    "halve": lambda g: g * 0.5,
    "sine": lambda g: g.sin(),
    "clone": lambda g: g.clone(),
    "same": lambda g: g,
    "zero": lambda g: torch.zeros_like(g),
    "raise": raising,
    "shape": lambda g: g.new_ones([7]),
}


class Square(Function):
    """x², which can be differentiated any number of times."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        (x,) = ctx.saved_tensors
        return g * x * 2.5


class Scale(Function):
    """A tensor and a number, which has no gradient."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * ctx.factor, None


class Product(Function):
    """Two tensors of the same shape; what needs no gradient gets none."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        x, y = ctx.saved_tensors
        return g * y if ctx.needs_input_grad[0] else None, g * x if ctx.needs_input_grad[1] else None


class SavedResult(Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        (y,) = ctx.saved_tensors
        return g * (1 - y * y)


class Separate(Function):
    """With setup_context."""

    @staticmethod
    def forward(x, y):
        return x * 2 + y

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        x, out = ctx.saved_tensors
        return g * 2 + x * 0, g + out * 0


class Overwrite(Function):
    """Changes its input in place and says so."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(0.5)

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 0.75


class OverwriteSaved(Function):
    """Changes its input in place and saves it as it is then."""

    @staticmethod
    def forward(ctx, x):
        x.sin_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        (x,) = ctx.saved_tensors
        return g * x


class OverwriteAndMore(Function):
    """Changes its input and returns something else, too."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(2)
        return x, x * 3

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g + h


class OverwriteSecond(Function):
    """Changes its second input in place."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.mark_dirty(y)
        return y.add_(x)

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 0.5, g * 1.5


class Secretly(Function):
    """Changes its input and does not say so."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(0.5)
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 0.5


class DirtyNotReturned(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(0.5)
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g


class FlatView(Function):
    """Returns a view of its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.view(-1)

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g.reshape(ctx.shape) * 2


class TwoViews(Function):
    """Returns two views of its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.view(-1), x.unsqueeze(0)

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g.reshape(ctx.shape) + h.squeeze(0)


class Same(Function):
    """Returns its input."""

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 3


class SameTwice(Function):
    """Returns one of its inputs and something new."""

    @staticmethod
    def forward(ctx, x, y):
        return x, x * y

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g + h, h


class Detached(Function):
    """Returns its input, detached."""

    @staticmethod
    def forward(ctx, x):
        return x.detach()

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 4


class Several(Function):
    """Two outputs; gradients that nobody sent are zeros."""

    @staticmethod
    def forward(ctx, x, y):
        return x + y, x - y

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g + h, g - h


class SeveralOrNone(Function):
    """Two outputs; gradients that nobody sent are None."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.set_materialize_grads(False)
        return x * 2, y * 3

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return None if g is None else g * 2, None if h is None else h * 3


class WithIndices(Function):
    """The second output has no gradient."""

    @staticmethod
    def forward(ctx, x):
        y = x.detach() * 7
        ctx.mark_non_differentiable(y)
        return x * 2, y

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g * 2


class Once(Function):
    """May be differentiated once."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        note(ctx, g)
        (x,) = ctx.saved_tensors
        return g * x.exp()


class NoGradient(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return None


class TooMany(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g, g


class TooFew(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g


class WrongShape(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g.new_ones([5, 7])


class Broadcasts(Function):
    """Its gradient is larger than its input, which the engine sums."""

    @staticmethod
    def forward(ctx, x):
        return x.unsqueeze(0).expand(2, *x.shape).contiguous()

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        return g * 2


class Failing(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        raise ValueError("this backward always fails")


class Nested(Function):
    """Runs the engine within the engine."""

    @staticmethod
    def forward(ctx, x):
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.y = (ctx.x.sin() * ctx.x).sum()
        return ctx.y.detach()

    @staticmethod
    def backward(ctx, g):
        note(ctx, g)
        with torch.enable_grad():
            (h,) = torch.autograd.grad(ctx.y, ctx.x, retain_graph=True)
        return h * g


class Whole(Function):
    """Several outputs of which one is a number."""

    @staticmethod
    def forward(ctx, x):
        return x * 2, 5

    @staticmethod
    def backward(ctx, g, h):
        note(ctx, g, h)
        return g * 2
