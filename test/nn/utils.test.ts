/** nn.utils. What is expected was computed by PyTorch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { nn } = torch;
const { utils } = nn;

function parameters(): torch.nn.Parameter[] {
  const made = [[2, 3], [4], [2]].map((shape) => new nn.Parameter(torch.zeros(shape)));
  made[0].grad = torch.tensor([-2, -1, 0, 1, 2, 3]).float().view(2, 3);
  made[1].grad = torch.tensor([3, -4, 0.5, 1]);
  return made;
}

function close(got: torch.Tensor | null, expected: number): void {
  assert.ok(got?.allclose(torch.tensor(expected).float(), { rtol: 1e-6 }), `${got} is not ${expected}`);
}

test("clip_grad_norm_", () => {
  for (const [order, norm, first] of [
    [2, 6.726812362670898, 0.6689645648002625],
    [1, 17.5, 0.2571428120136261],
    [Number.POSITIVE_INFINITY, 4, 1.124999761581421],
    [3, 5.156704425811768, 0.872650146484375],
    [0.5, 143.9912567138672, 0.031251899898052216],
  ]) {
    const given = parameters();
    close(utils.clip_grad_norm_(given, 1.5, order), norm);
    close(given[1].grad?.select(0, 0) ?? null, first);
    const same = parameters();
    utils.clip_grad_norm_(same, { max_norm: 1.5, norm_type: order } as never);
    assert.ok(same[0].grad?.equal(given[0].grad as torch.Tensor));
    assert.equal(given[2].grad, null);
  }
  const given = parameters();
  utils.clip_grad_norm_(given, 100);
  assert.deepEqual(given[1].grad?.tolist(), [3, -4, 0.5, 1]);
  assert.equal(utils.clip_grad_norm_([], 1).item(), 0);
  utils.clip_grad_norm_(given[1], 1);
  close(given[1].grad?.norm() ?? null, 1);
  given[1].grad?.fill_(Number.NaN);
  assert.throws(() => utils.clip_grad_norm_(given, 1, { error_if_nonfinite: true }), {
    name: "RuntimeError",
    message:
      "The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`",
  });
  // From a generator, as `net.parameters()` is one.
  const net = new nn.Linear(2, 1);
  net(torch.ones(1, 2)).sum().backward();
  close(utils.clip_grad_norm_(net.parameters(), 0.1), Math.sqrt(3));
  close(utils.get_total_norm([...net.parameters()].map((p) => p.grad as torch.Tensor)), 0.1);
});

test("clip_grad_value_ and get_total_norm", () => {
  const given = parameters();
  utils.clip_grad_value_(given, 1.25);
  assert.deepEqual(given[0].grad?.tolist(), [
    [-1.25, -1, 0],
    [1, 1.25, 1.25],
  ]);
  assert.deepEqual(given[1].grad?.tolist(), [1.25, -1.25, 0.5, 1]);
  assert.equal(utils.get_total_norm([torch.ones(4), torch.ones(5)]).item(), 3);
  assert.equal(utils.get_total_norm([]).item(), 0);
});

test("parameters_to_vector and back", () => {
  const net = new nn.Linear(2, 3);
  const vector = utils.parameters_to_vector(net.parameters());
  assert.deepEqual(vector.shape, [9]);
  vector.sum().backward();
  assert.deepEqual(net.bias?.grad?.tolist(), [1, 1, 1]);
  const held = net.weight;
  utils.vector_to_parameters(torch.arange(9).float(), net.parameters());
  assert.equal(net.weight, held);
  assert.deepEqual(net.weight.tolist(), [
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  assert.deepEqual(net.bias?.tolist(), [6, 7, 8]);
  assert.ok(net.weight.requires_grad && net.weight.is_leaf);
  assert.throws(() => utils.vector_to_parameters(3 as never, net.parameters()), {
    name: "TypeError",
    message: "expected torch.Tensor, but got: number",
  });
});
