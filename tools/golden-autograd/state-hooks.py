"""Hooks of states and optimizers: twins of test/autograd/scenarios/state-hooks.ts. Run with a Python that has PyTorch."""
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from common import attempt, leaf, main, node, scenario


def layer(*values):
    m = nn.Linear(len(values), 1, bias=False)
    with torch.no_grad():
        m.weight.copy_(torch.tensor([values]))
    return m


@scenario
def hooks_of_state_dict(log):
    net = nn.Sequential(layer(1.0, 2.0), nn.Sequential(layer(3.0)))
    calls = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(["pre", prefix, keep]))
    net[1].register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(["pre 1", prefix, keep]))

    def post(m, state, prefix, metadata):
        calls.append(["post", prefix, list(state), metadata["version"]])
        state[prefix + "note"] = torch.tensor(len(state))

    h = net[1].register_state_dict_post_hook(post)
    net.register_state_dict_post_hook(lambda m, state, prefix, metadata: state.pop("0.weight"))
    log(attempt(lambda: net.state_dict()))
    net2 = nn.Sequential(layer(1.0), nn.Sequential(layer(3.0)))
    net2[1].register_state_dict_post_hook(post)
    state = net2.state_dict(prefix="p.", keep_vars=True)
    log(list(state), state["p.1.note"], calls)
    h.remove()
    log(attempt(lambda: net._register_state_dict_hook(post)))
    old = nn.Sequential(layer(1.0), nn.Sequential(layer(2.0)))
    old._register_state_dict_hook(lambda m, state, prefix, metadata: {"all": torch.ones(1)})
    log(list(old.state_dict()))
    below = nn.Sequential(layer(1.0), nn.Sequential(layer(2.0)))
    below[1]._register_state_dict_hook(lambda m, state, prefix, metadata: {"all": torch.ones(1)})
    log(list(below.state_dict()))


@scenario
def destinations_and_prefixes(log):
    net = nn.Sequential(layer(1.0), nn.BatchNorm1d(2))
    state = {"there": torch.zeros(1)}
    out = net.state_dict(destination=state, prefix="a.")
    log(out is state, list(state))
    kept = net.state_dict(keep_vars=True)
    log(kept["0.weight"] is net[0].weight, kept["0.weight"].requires_grad)
    plain = net.state_dict()
    log(plain["0.weight"].requires_grad)
    with torch.no_grad():
        plain["0.weight"].fill_(7)
    log(net[0].weight)
    log({k: v for k, v in plain._metadata.items()}["1"]["version"])


@scenario
def hooks_before_loading(log):
    net = nn.Sequential(layer(1.0), layer(2.0))
    seen = []

    def rename(m, state, prefix, metadata, strict, missing, unexpected, errors):
        seen.append([type(m).__name__, prefix, sorted(state), strict, len(missing), len(unexpected), len(errors)])
        if prefix + "old" in state:
            state[prefix + "weight"] = state.pop(prefix + "old")

    net[0].register_load_state_dict_pre_hook(rename)
    h = net[1].register_load_state_dict_pre_hook(rename)
    result = net.load_state_dict({"0.old": torch.tensor([[5.0]]), "1.weight": torch.tensor([[6.0]])})
    log(str(result), net[0].weight, net[1].weight, seen)
    h.remove()
    log(attempt(lambda: net.load_state_dict({"0.old": torch.tensor([[5.0]]), "1.old": torch.tensor([[6.0]])})))
    top = nn.Sequential(layer(1.0))
    top.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: state.update({prefix + "0.weight": torch.tensor([[9.0]])}))
    state = {"extra": torch.zeros(1)}
    result = top.load_state_dict(state, strict=False)
    log(result.missing_keys, result.unexpected_keys, top[0].weight, list(state))
    bad = nn.Sequential(layer(1.0))
    bad._register_load_state_dict_pre_hook(lambda state, prefix, metadata, strict, missing, unexpected, errors: errors.append("not today"))
    log(attempt(lambda: bad.load_state_dict(bad.state_dict())))


@scenario
def hooks_after_loading(log):
    net = nn.Sequential(layer(1.0), layer(2.0))
    seen = []

    def post(m, keys):
        seen.append([type(m).__name__, list(keys.missing_keys), list(keys.unexpected_keys)])

    net.register_load_state_dict_post_hook(post)
    net[0].register_load_state_dict_post_hook(lambda m, keys: seen.append(m.weight.tolist()))
    log(attempt(lambda: net.load_state_dict({"0.weight": torch.tensor([[4.0]]), "what": torch.ones(1)})))
    log(seen)
    h = net.register_load_state_dict_post_hook(lambda m, keys: (keys.missing_keys.clear(), keys.unexpected_keys.clear())[2:] or None)
    result = net.load_state_dict({"0.weight": torch.tensor([[5.0]]), "what": torch.ones(1)})
    log(str(result), net[0].weight)
    h.remove()
    net.register_load_state_dict_post_hook(lambda m, keys: keys)
    log(attempt(lambda: net.load_state_dict(net.state_dict())))


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.steps = 3

    def get_extra_state(self):
        return torch.tensor(self.steps)

    def set_extra_state(self, state):
        self.steps = state.item()


@scenario
def extra_state(log):
    net = nn.Sequential(Counter(), nn.Linear(1, 1))
    state = net.state_dict()
    log(list(state), state["0._extra_state"])
    state["0._extra_state"] = torch.tensor(8)
    net.load_state_dict(state)
    log(net[0].steps)
    del state["0._extra_state"]
    log(attempt(lambda: net.load_state_dict(state)))
    log(str(net.load_state_dict(state, strict=False)))
    log(attempt(lambda: nn.Linear(1, 1).load_state_dict({"weight": torch.ones(1, 1), "bias": torch.ones(1), "_extra_state": torch.ones(1)})))


class Versioned(nn.Module):
    _version = 3

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.cached = None

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "squared"] = self.scale.detach().square()

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        squared = state.pop(prefix + "squared", None)
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
        self.cached = [metadata.get("version"), self.scale.item(), None if squared is None else squared.item()]


@scenario
def modules_that_save_and_load_themselves(log):
    net = nn.Sequential(Versioned())
    state = net.state_dict()
    log(list(state), state["0.squared"])
    state["0.scale"] = torch.tensor([5.0])
    net.load_state_dict(state)
    log(net[0].cached)
    net.load_state_dict({"0.scale": torch.tensor([6.0])})
    log(net[0].cached)
    log(attempt(lambda: net.load_state_dict({"0.other": torch.tensor([6.0])})))


@scenario
def loading_by_assignment(log):
    net = nn.Linear(1, 1)
    net.bias.requires_grad_(False)
    before = net.weight
    state = {"weight": torch.tensor([[3.0]], dtype=torch.float64), "bias": nn.Parameter(torch.tensor([4.0]))}
    net.load_state_dict(state, assign=True)
    log(net.weight is before, str(net.weight.dtype), net.weight.requires_grad, net.bias is state["bias"], net.bias.requires_grad)
    log(type(net.weight).__name__)
    other = nn.Linear(1, 1)
    weight = other.weight
    other.load_state_dict({"weight": torch.tensor([[3.0]], dtype=torch.float64), "bias": torch.tensor([1.0])})
    log(other.weight is weight, str(other.weight.dtype), other.weight)
    log(attempt(lambda: other.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.ones(3)})))
    log(attempt(lambda: other.load_state_dict({"weight": 3, "bias": torch.ones(1)})).split("received")[0])


@scenario
def hooks_around_steps(log):
    p = leaf(1)
    opt = torch.optim.SGD([p], lr=0.1)
    calls = []

    def note(name):
        return lambda o, args, kwargs: calls.append([name, type(o).__name__, len(args), args[0] is o, len(kwargs), p.tolist()])

    handles = [
        opt.register_step_pre_hook(note("pre")),
        opt.register_step_post_hook(note("post")),
        register_optimizer_step_pre_hook(note("global pre")),
        register_optimizer_step_post_hook(note("global post")),
    ]
    p.grad = torch.ones(1)
    opt.step()
    log(list(calls))
    calls.clear()

    def closure():
        calls.append("closure")
        p.grad = torch.full((1,), 2.0)
        return 7

    log(opt.step(closure), p, list(calls))
    for h in handles:
        h.remove()
    calls.clear()
    opt.step()
    log(calls, p)

    def replaced():
        p.grad = torch.full((1,), 10.0)
        return 8

    h = opt.register_step_pre_hook(lambda o, args, kwargs: ((o, replaced), {}))
    log(opt.step(closure), p, calls)
    h.remove()
    opt.register_step_pre_hook(lambda o, args, kwargs: 3)
    log(attempt(lambda: opt.step()).split(" must")[1])


@scenario
def hooks_of_optimizer_states(log):
    p = leaf(1, 2)
    opt = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    p.square().sum().backward()
    opt.step()
    calls = []
    opt.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    opt.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True)
    opt.register_state_dict_post_hook(lambda o, state: calls.append(sorted(state)))

    def add(o, state):
        state["note"] = 5

    opt.register_state_dict_post_hook(add)
    state = opt.state_dict()
    log(calls, sorted(state), state["state"][0]["momentum_buffer"])
    h = opt.register_state_dict_post_hook(lambda o, state: {"replaced": True})
    log(opt.state_dict()["replaced"])
    h.remove()
    calls.clear()

    def halve(o, given):
        calls.append(["load", given is state, sorted(given)])
        given["param_groups"] = [{**g, "lr": g["lr"] / 2} for g in given["param_groups"]]

    other = torch.optim.SGD([p], lr=1.0, momentum=0.1)
    other.register_load_state_dict_pre_hook(halve)
    other.register_load_state_dict_post_hook(lambda o: calls.append(["done", o.param_groups[0]["lr"], o.param_groups[0]["momentum"]]))
    other.load_state_dict(state)
    log(calls, state["param_groups"][0]["lr"], other.state[p]["momentum_buffer"])
    calls.clear()
    h = other.register_load_state_dict_pre_hook(lambda o, given: opt.state_dict(), prepend=True)
    log(attempt(lambda: other.load_state_dict({})))
    log(other.param_groups[0]["lr"])


@scenario
def step_in_backward(log):
    """The tutorial: an optimizer for each parameter, which steps as soon as the gradient is there."""
    torch.manual_seed(3)
    x, y = torch.randn(8, 4), torch.randn(8, 2)

    def make():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))

    usual = make()
    opt = torch.optim.Adam(usual.parameters(), lr=0.05)
    for _ in range(3):
        opt.zero_grad()
        nn.functional.mse_loss(usual(x), y).backward()
        opt.step()
    fused = make()
    optimizers = {p: torch.optim.Adam([p], lr=0.05) for p in fused.parameters()}
    names = {p: name for name, p in fused.named_parameters()}
    order = []

    def step(p):
        order.append([names[p], sum(q.grad is not None for q in fused.parameters())])
        optimizers[p].step()
        optimizers[p].zero_grad()

    handles = [p.register_post_accumulate_grad_hook(step) for p in fused.parameters()]
    losses = []
    for _ in range(3):
        loss = nn.functional.mse_loss(fused(x), y)
        loss.backward()
        losses.append(loss.item())
    log(losses, [p.grad for p in fused.parameters()])
    log(all(torch.allclose(p, q) for p, q in zip(usual.parameters(), fused.parameters())))
    log(sorted(o[0] for o in order[:4]), [o[1] for o in order])
    for h in handles:
        h.remove()
    nn.functional.mse_loss(fused(x), y).backward()
    log([p.grad is not None for p in fused.parameters()])


@scenario
def visualizing_gradients(log):
    """The tutorial: gradients of intermediate results, with and without batch norm."""

    class Block(nn.Module):
        def __init__(self, size, norm):
            super().__init__()
            self.linear = nn.Linear(size, size)
            self.norm = nn.BatchNorm1d(size) if norm else nn.Identity()

        def forward(self, x):
            return torch.sigmoid(self.norm(self.linear(x)))

    def hook_forward(name, grads):
        def hook(module, args, output):
            output.register_hook(lambda g: grads.append((name, g)))

        return hook

    for norm in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(*[Block(4, norm) for _ in range(4)])
        x = torch.randn(6, 4)
        grads = []
        handles = [m.register_forward_hook(hook_forward(name, grads)) for name, m in net.named_modules() if isinstance(m, nn.Linear)]
        outputs = []
        handles += [m.register_forward_hook(lambda m, a, out: (out.retain_grad(), outputs.append(out))[2:] or None) for m in net.children()]
        net(x).square().mean().backward()
        log([[name, g.abs().mean()] for name, g in grads])
        log([out.grad.abs().max() for out in outputs], [out.is_leaf for out in outputs])
        for h in handles:
            h.remove()
        grads.clear()
        net(x).sum().backward()
        log(len(grads))


@scenario
def activations_and_class_maps(log):
    torch.manual_seed(7)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    kept = {}
    net[1].register_forward_hook(lambda m, args, out: kept.update(activation=out.detach()))
    net[1].register_full_backward_hook(lambda m, gi, go: kept.update(gradient=go[0]))
    x = torch.randn(1, 1, 5, 5)
    score = net(x)[0, 1]
    score.backward()
    weights = kept["gradient"].mean(dim=(2, 3), keepdim=True)
    log(torch.relu((weights * kept["activation"]).sum(1)), kept["gradient"].shape == kept["activation"].shape)
    # Guided backpropagation: only positive gradients pass a ReLU.
    net[1].register_full_backward_hook(lambda m, gi, go: (torch.clamp(gi[0], min=0),))
    x.requires_grad_()
    net(x)[0, 1].backward()
    log(x.grad)


@scenario
def weights_from_other_weights(log):
    """A weight that is computed from other parameters before each call, as old weight norm did it."""
    m = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        m.weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    weight = m.weight
    del m.weight
    m.g = nn.Parameter(weight.detach().norm(dim=1, keepdim=True))
    m.v = nn.Parameter(weight.detach().clone())

    def compute(module, args):
        module.weight = module.v * (module.g / module.v.norm(dim=1, keepdim=True))

    h = m.register_forward_pre_hook(compute)
    x = leaf(1, 1).detach()
    log(m(x))
    m(x).square().sum().backward()
    log(m.g.grad, m.v.grad, sorted(m.state_dict()))
    with torch.no_grad():
        m.g.mul_(2)
    log(m(x))
    h.remove()
    with torch.no_grad():
        m.g.mul_(2)
    log(m(x))


@scenario
def hooks_of_checkpointed_modules(log):
    from torch.utils.checkpoint import checkpoint

    m = nn.Sequential(layer(2.0), nn.Tanh())
    calls = []
    m[0].register_forward_pre_hook(lambda m, args: calls.append("pre"))
    m[0].register_forward_hook(lambda m, args, out: calls.append("forward"))
    m[0].register_full_backward_hook(lambda m, gi, go: calls.append(["backward", gi[0].tolist(), go[0].tolist()]))
    x = torch.tensor([[0.3]], requires_grad=True)
    for reentrant in (True, False):
        y = checkpoint(m, x, use_reentrant=reentrant)
        log(list(calls))
        y.sum().backward()
        log(list(calls), x.grad)
        calls.clear()
        x.grad = None


@scenario
def clipping_in_hooks(log):
    m = nn.Sequential(layer(2.0, -3.0), nn.Tanh())
    for p in m.parameters():
        p.register_hook(lambda g: torch.clamp(g, -0.1, 0.1))
    h = m[1].register_full_backward_pre_hook(lambda module, go: (go[0] / go[0].norm(),))
    x = torch.tensor([[0.1, 0.2], [0.3, -0.1]])
    (m(x) * 50).sum().backward()
    log(m[0].weight.grad)
    h.remove()
    m.zero_grad()
    (m(x) * 50).sum().backward()
    log(m[0].weight.grad)


main()
