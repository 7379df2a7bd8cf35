"""Recurrent networks, packed sequences: what real PyTorch computes. Run with a Python that has PyTorch:

    python3 tools/golden-rnn.py        writes test/nn/golden-rnn.json

{"networks": [{"module", "args", "kwargs", "lengths": of a packed input or null, "states": whether first states are given, "repr",
               "keys": names of the state, "shape": of the input, "outputs": [[shape, values]], "gradients": [[sum, weighted sum]]}]
 "packing": {name: values}}
The generator is seeded with 3 before a module is made and again before it runs. Inputs and states are `wave`, and the loss is
the sum of the outputs weighted by another `wave`. Gradients are those of the input, of the states, and of the parameters in order.
"""
import json
import os

import torch
from torch import nn
from torch.nn.utils import rnn

TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "nn", "golden-rnn.json")


def wave(shape, phase):
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 0.7 + phase).reshape(shape)


def rounded(values):
    return [float(f"{v:.9g}") for v in values]


def case(module, *args, shape=(5, 3, 4), lengths=None, states=False, **kwargs):
    return module, args, kwargs, shape, lengths, states


NETWORKS = [
    *(case(m, 4, 5) for m in ("RNN", "GRU", "LSTM")),
    *(case(m, 4, 5, 2, bidirectional=True, states=True) for m in ("RNN", "GRU", "LSTM")),
    *(case(m, 4, 3, bias=False, batch_first=True, shape=(2, 6, 4)) for m in ("RNN", "GRU", "LSTM")),
    *(case(m, 4, 3, shape=(6, 4), states=True) for m in ("RNN", "GRU", "LSTM")),
    *(case(m, 4, 3, num_layers=2, dropout=0.4) for m in ("RNN", "GRU", "LSTM")),
    *(case(m, 4, 3, num_layers=2, bidirectional=True, lengths=[5, 2, 4], states=True) for m in ("RNN", "GRU", "LSTM")),
    case("RNN", 4, 5, 1, "relu"), case("RNN", 4, 3, nonlinearity="relu", lengths=[5, 5, 1]),
    case("LSTM", 4, 5, proj_size=2, num_layers=2, bidirectional=True, states=True), case("LSTM", 4, 3, lengths=[1, 5, 5]),
    case("LSTM", 4, 5, proj_size=2, lengths=[3, 5, 2]),
    *(case(m, 4, 5, shape=(3, 4), states=True) for m in ("RNNCell", "GRUCell", "LSTMCell")), case("RNNCell", 4, 5, True, "relu", shape=(3, 4)),
    *(case(m, 4, 5, bias=False, shape=(4,)) for m in ("RNNCell", "GRUCell", "LSTMCell")),
]


def network(name, args, kwargs, shape, lengths, states):
    torch.manual_seed(3)
    module = getattr(nn, name)(*args, **kwargs).double()
    x = wave(shape, 0.1).requires_grad_()
    leaves = [x]
    given = x
    if lengths is not None:
        given = rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    call = [given]
    if states:
        torch.manual_seed(3)
        with torch.no_grad():
            found = module(given)
        last = found if name.endswith("Cell") else found[1]
        last = list(last) if isinstance(last, tuple) else [last]
        first = [wave(s.shape, 1.0 + i).requires_grad_() for i, s in enumerate(last)]
        leaves += first
        call.append(tuple(first) if len(first) > 1 else first[0])
    torch.manual_seed(3)
    found = module(*call)
    flat = []

    def collect(v):
        if isinstance(v, rnn.PackedSequence):
            flat.append(v.data)
        elif isinstance(v, torch.Tensor):
            flat.append(v)
        else:
            for part in v:
                collect(part)

    collect(found)
    loss = sum((y * wave(y.shape, 2.0 + i)).sum() for i, y in enumerate(flat))
    grads = torch.autograd.grad(loss, leaves + list(module.parameters()))
    return {
        "module": name, "args": args, "kwargs": kwargs, "shape": shape, "lengths": lengths, "states": states, "repr": repr(module),
        "keys": list(module.state_dict()), "outputs": [[list(y.shape), rounded(y.flatten().tolist())] for y in flat],
        "gradients": [rounded([g.sum().item(), (g * wave(g.shape, 3.0)).sum().item()]) for g in grads],
    }


def packing():
    x = wave((5, 3, 2), 0.0)
    lengths = torch.tensor([3, 5, 2])
    packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    padded, back = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=6)
    sequences = [wave((n, 2), n) for n in (2, 4, 1)]
    result = {
        "data": packed.data, "batch_sizes": packed.batch_sizes, "sorted_indices": packed.sorted_indices,
        "unsorted_indices": packed.unsorted_indices, "padded": padded, "lengths": back, "pad_sequence": rnn.pad_sequence(sequences),
        "pad_left": rnn.pad_sequence(sequences, batch_first=True, padding_value=7.0, padding_side="left"),
        "pack_sequence": rnn.pack_sequence(sequences, enforce_sorted=False).data,
    }
    return {k: [list(v.shape), rounded(v.flatten().tolist())] for k, v in result.items()}


with open(TARGET, "w") as f:
    cases = ",\n".join(json.dumps(network(*c)) for c in NETWORKS)
    f.write('{"networks": [\n' + cases + '\n],\n"packing": ' + json.dumps(packing()) + "}\n")
