import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

type Row = [m: number, n: number, k: number, form: string, seed: number, error: number];
const rows = JSON.parse(readFileSync(new URL("golden-products.json", import.meta.url), "utf8")) as Row[];

const operand = (form: string | undefined, rows: number, columns: number) =>
  form === "T" ? torch.randn(columns, rows).t() : torch.randn(rows, columns);

test("products lose at most twice as much to rounding as PyTorch's", () => {
  for (const [m, n, k, form, seed, bound] of rows) {
    torch.manual_seed(seed);
    const a = operand(form[0], m, k);
    const b = operand(form[1], k, n);
    const exact = a.double().mm(b.double());
    const off = a.mm(b).double().sub(exact).square().mean().sqrt();
    const error = Number(off.div(exact.square().mean().sqrt()).item());
    assert.ok(error <= 2 * bound, `${m}×${n}×${k} ${form}: ${error}, PyTorch ${bound}`);
    assert.ok(error > 0, "float32 rounds");
  }
});

test("float64 products are those of exact sums", () => {
  // Whole numbers whose sums are exact in float64 and not in float32.
  torch.manual_seed(1);
  for (const [m, n, k] of [
    [50, 70, 90],
    [1, 300, 500],
    [7, 9, 400],
  ] as const) {
    const a = torch.randint(-99999, 99999, [m, k]);
    const b = torch.randint(-99999, 99999, [k, n]);
    assert.ok(torch.equal(a.double().mm(b.double()), a.mm(b).double()));
  }
});

test("out takes the result where it lies", () => {
  torch.manual_seed(2);
  const a = torch.randn(9, 40);
  const b = torch.randn(40, 21);
  const expected = a.mm(b);
  const storage = torch.full([21, 9], 7.5);
  torch.mm(a, b, { out: storage.t() });
  assert.ok(torch.equal(storage.t(), expected));
  // What shares memory with an operand is read before it is written.
  const square = torch.randn(12, 12);
  const product = square.mm(square);
  const copy = square.clone();
  assert.ok(torch.equal(torch.mm(copy, copy, { out: copy }), product));
  const other = square.clone();
  other.addmm_(other, other.t(), { beta: 0.5 });
  assert.ok(torch.equal(other, torch.addmm(square, square, square.t(), { beta: 0.5 })));
  const stack = torch.randn(3, 4, 5);
  const out = torch.empty(3, 4, 4);
  torch.bmm(stack, stack.transpose(1, 2), { out });
  assert.ok(torch.equal(out, stack.bmm(stack.transpose(1, 2))));
  const added = torch.zeros(3, 4, 4);
  added.baddbmm_(stack, stack.transpose(1, 2));
  assert.ok(torch.allclose(added, out));
});

test("products of 8-bit integers", () => {
  const a = torch.tensor([[100, -128, 127], [255 - 256, 3, 0]], { dtype: torch.int8 }); // biome-ignore format: a matrix
  const b = torch.tensor([[127, -1], [-128, 2], [127, 127]], { dtype: torch.int8 }); // biome-ignore format: a matrix
  const product = torch._int_mm(a, b);
  assert.equal(product.dtype, torch.int32);
  assert.deepEqual(product.tolist(), [
    [100 * 127 + 128 * 128 + 127 * 127, -100 - 256 + 127 * 127],
    [-127 - 384, 1 + 6],
  ]);
  torch.manual_seed(3);
  const x = torch.randint(0, 256, [40, 300]).to(torch.uint8);
  const y = torch.randint(-128, 128, [300, 50]).to(torch.int8);
  assert.ok(torch.equal(torch._int_mm(x, y).double(), x.double().mm(y.double())));
  assert.throws(
    () => torch._int_mm(y, x),
    /Expected mat2 dtype to be of type int8 but got unsigned char|needs to match/,
  );
  assert.throws(() => torch._int_mm(x.float(), y), /Expected self dtype to be int8 or uint8 but got float/);
});

test("a product with its activation", () => {
  torch.manual_seed(4);
  const [bias, a, b] = [torch.randn(21), torch.randn(7, 30), torch.randn(30, 21)];
  const sum = torch.addmm(bias, a, b, { beta: 2, alpha: 0.5 });
  assert.ok(torch.equal(torch._addmm_activation(bias, a, b, { beta: 2, alpha: 0.5 }), sum.relu()));
  const gelu = torch._addmm_activation(bias, a, b, { beta: 2, alpha: 0.5, use_gelu: true });
  assert.ok(torch.equal(gelu, torch.nn.functional.gelu(sum)));
  bias.requires_grad_();
  const [g] = torch.autograd.grad(torch._addmm_activation(bias, a, b).sum(), [bias]);
  assert.ok(torch.equal(g as torch.Tensor, torch.addmm(bias, a, b).gt(0).sum(0).float()));
});
