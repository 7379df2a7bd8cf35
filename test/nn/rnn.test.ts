/** Recurrent networks and packed sequences against PyTorch (tools/golden-rnn.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";

const { nn } = torch;
const { rnn } = nn.utils;

type Values = [shape: number[], values: number[]];

interface Case {
  readonly module: string;
  readonly args: unknown[];
  readonly kwargs: Record<string, unknown>;
  readonly shape: number[];
  readonly lengths: number[] | null;
  readonly states: boolean;
  readonly repr: string;
  readonly keys: string[];
  readonly outputs: Values[];
  readonly gradients: [number, number][];
}

const golden = JSON.parse(readFileSync(new URL("golden-rnn.json", import.meta.url), "utf8")) as {
  networks: Case[];
  packing: Record<string, Values>;
};

function wave(shape: readonly number[], phase: number): Tensor {
  const count = shape.reduce((n, s) => n * s, 1);
  return torch.tensor(Float64Array.from({ length: count }, (_, i) => Math.sin(i * 0.7 + phase))).reshape(shape);
}

function close(actual: Tensor, [shape, values]: Values, what: string): void {
  assert.deepEqual(actual.shape, shape, what);
  const own = [...actual.detach().double().contiguous().typed_array()].map(Number);
  own.forEach((v, i) => {
    assert.ok(Math.abs(v - values[i]) <= 1e-7 * (1 + Math.abs(values[i])), `${what}: ${v} is not ${values[i]}`);
  });
}

/** The tensors of a result, data of packed sequences included. */
function flat(x: unknown): Tensor[] {
  if (x instanceof torch.Tensor) return [x];
  if (x instanceof rnn.PackedSequence) return [x.data];
  return (x as unknown[]).flatMap(flat);
}

interface Network {
  (...args: unknown[]): unknown;
  double(): Network;
  parameters(): Iterable<Tensor>;
  state_dict(): Record<string, Tensor>;
}

function build({ module, args, kwargs }: Case): Network {
  torch.manual_seed(3);
  const Layer = nn[module as keyof typeof nn] as unknown as new (...args: unknown[]) => Network;
  return new Layer(...args, kwargs).double();
}

function call(c: Case, net: Network): { leaves: Tensor[]; results: Tensor[] } {
  const x = wave(c.shape, 0.1).requires_grad_();
  const leaves = [x];
  const given = c.lengths === null ? x : rnn.pack_padded_sequence(x, c.lengths, { enforce_sorted: false });
  const args: unknown[] = [given];
  if (c.states) {
    torch.manual_seed(3);
    const found = torch.no_grad(() => net(given));
    const last = flat(c.module.endsWith("Cell") ? found : (found as unknown[])[1]);
    const first = last.map((s, i) => wave(s.shape, 1 + i).requires_grad_());
    leaves.push(...first);
    args.push(first.length > 1 ? first : first[0]);
  }
  torch.manual_seed(3);
  return { leaves, results: flat(net(...args)) };
}

for (const c of golden.networks) {
  const name = `${c.module}(${c.args}, ${JSON.stringify(c.kwargs)}) of ${c.lengths ?? c.shape}${c.states ? " with states" : ""}`;
  test(name, () => {
    const net = build(c);
    assert.equal(String(net), c.repr);
    assert.deepEqual(Object.keys(net.state_dict()), c.keys);
    const { leaves, results } = call(c, net);
    assert.equal(results.length, c.outputs.length);
    results.forEach((y, i) => {
      close(y, c.outputs[i], `output ${i}`);
    });
    const losses = results.map((y, i) => y.mul(wave(y.shape, 2 + i)).sum());
    const loss = losses.reduce((a, b) => a.add(b));
    const inputs = [...leaves, ...net.parameters()];
    const gradients = torch.autograd.grad(loss, inputs, { create_graph: false, retain_graph: true });
    gradients.forEach((g, i) => {
      const sums = torch.stack([g.sum(), g.mul(wave(g.shape, 3)).sum()]);
      close(sums, [[2], c.gradients[i]], `gradient ${i}`);
    });
    // With create_graph the gradients come another way.
    const again = torch.autograd.grad(loss, inputs, { create_graph: true });
    again.forEach((g, i) => {
      assert.ok(torch.allclose(g, gradients[i], { rtol: 1e-8, atol: 1e-10 }), `gradient ${i} with create_graph`);
    });
  });
}

test("second derivatives", () => {
  torch.manual_seed(0);
  for (const net of [new nn.LSTM(2, 3), new nn.GRU(2, 3), new nn.RNN(2, 3)]) {
    net.double();
    const x = torch.randn([3, 2, 2], { dtype: torch.float64, requires_grad: true });
    const run = (input: Tensor): Tensor => (net as unknown as (x: Tensor) => [Tensor])(input)[0];
    assert.ok(torch.autograd.gradcheck(run, [x]));
    assert.ok(torch.autograd.gradgradcheck(run, [x]));
  }
});

test("packing and padding", () => {
  const { packing } = golden;
  const x = wave([5, 3, 2], 0);
  const packed = rnn.pack_padded_sequence(x, torch.tensor([3, 5, 2]), { enforce_sorted: false });
  close(packed.data, packing.data, "data");
  close(packed.batch_sizes, packing.batch_sizes, "batch_sizes");
  close(packed.sorted_indices as Tensor, packing.sorted_indices, "sorted_indices");
  close(packed.unsorted_indices as Tensor, packing.unsorted_indices, "unsorted_indices");
  const [padded, lengths] = rnn.pad_packed_sequence(packed, { batch_first: true, padding_value: -1, total_length: 6 });
  close(padded, packing.padded, "padded");
  close(lengths, packing.lengths, "lengths");
  const sequences = [2, 4, 1].map((n) => wave([n, 2], n));
  close(rnn.pad_sequence(sequences), packing.pad_sequence, "pad_sequence");
  const left = rnn.pad_sequence(sequences, { batch_first: true, padding_value: 7, padding_side: "left" });
  close(left, packing.pad_left, "pad_left");
  const again = rnn.pack_sequence(sequences, false);
  close(again.data, packing.pack_sequence, "pack_sequence");
  rnn.unpack_sequence(again).forEach((s, i) => {
    assert.ok(torch.equal(s, sequences[i]));
  });
});

test("wrong arguments", () => {
  const net = new nn.LSTM(4, 3);
  assert.throws(() => net(torch.zeros(2, 2, 5)), /input.size\(-1\) must be equal to input_size. Expected 4, got 5/);
  assert.throws(() => net(torch.zeros(2, 2, 2, 4)), /LSTM: Expected input to be 2D or 3D, got 4D instead/);
  const states = [torch.zeros(1, 3, 3), torch.zeros(1, 2, 3)] as const;
  assert.throws(() => net(torch.zeros(2, 2, 4), states), /Expected hidden\[0\] size \(1, 2, 3\), got \[1, 3, 3\]/);
  assert.throws(() => new nn.GRU(4, 3, { proj_size: 2 } as never), /proj_size argument is only supported for LSTM/);
  assert.throws(() => rnn.pack_padded_sequence(torch.zeros(3, 2, 1), [1, 3]), /must be sorted in decreasing order/);
});
