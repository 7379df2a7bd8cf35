/** Tensors from values, ranges and samples. Expected values were computed with PyTorch 2.14. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

test("dtypes that values call for", () => {
  const dtypeOf = (data: torch.TensorData, options = {}): string => torch.tensor(data, options).dtype.name;
  assert.equal(dtypeOf([1, 2]), "int64");
  assert.equal(dtypeOf([1, 2.5]), "float32");
  assert.equal(dtypeOf([true, false]), "bool");
  assert.equal(dtypeOf([true, 2]), "int64");
  assert.equal(dtypeOf(3n), "int64");
  assert.equal(dtypeOf([]), "float32");
  assert.equal(dtypeOf(new Float64Array(2)), "float64");
  assert.equal(dtypeOf(new BigInt64Array(2)), "int64");
  assert.equal(dtypeOf([1, 2], { requires_grad: true }), "float32");
  assert.equal(dtypeOf([torch.tensor(1), torch.tensor(2.5)]), "float32");
  assert.deepEqual(torch.tensor([[], []]).shape, [2, 0]);
  assert.deepEqual(torch.tensor([new Float32Array([1, 2]), new Float32Array([3, 4])]).tolist(), [
    [1, 2],
    [3, 4],
  ]);
});

test("values that cannot be tensors", () => {
  assert.throws(() => torch.tensor([[1, 2], [3]]), {
    name: "ValueError",
    message: "expected sequence of length 2 at dim 1 (got 1)",
  });
  assert.throws(() => torch.tensor([300], { dtype: torch.uint8 }), {
    message: "value cannot be converted to type uint8 without overflow",
  });
  assert.throws(() => torch.tensor(["a"] as never), { name: "ValueError", message: "too many dimensions 'str'" });
  assert.throws(() => torch.tensor(null as never), { message: "Could not infer dtype of NoneType" });
  assert.throws(() => torch.tensor([2n ** 63n]), { message: "Overflow when unpacking long long" });
  assert.throws(() => torch.tensor([1], { dtpe: torch.int8 } as never), /did you mean 'dtype'/);
  assert.deepEqual(torch.tensor([-1], { dtype: torch.uint8 }).tolist(), [255]);
});

test("frombuffer copies", () => {
  const bytes = new Uint8Array([1, 0, 2, 0, 3, 0]);
  const x = torch.frombuffer(bytes, { dtype: torch.int16, offset: 2 });
  bytes.fill(9);
  assert.deepEqual(x.tolist(), [2, 3]);
  assert.throws(() => torch.frombuffer(new Uint8Array(3), { dtype: torch.int16 }), {
    name: "ValueError",
    message: "buffer length (3 bytes) after offset (0 bytes) must be a multiple of element size (2)",
  });
});

test("samples follow PyTorch's generator", () => {
  torch.manual_seed(0);
  assert.equal(String(torch.rand(2, 3)), "tensor([[0.4963, 0.7682, 0.0885],\n        [0.1320, 0.3074, 0.6341]])");
  const seeded = (make: () => torch.Tensor): unknown => {
    torch.manual_seed(0);
    return make().tolist();
  };
  assert.deepEqual(
    seeded(() => torch.randperm(5)),
    [4, 0, 1, 3, 2],
  );
  assert.deepEqual(
    seeded(() => torch.randint(10, [2])),
    [4, 9],
  );
  assert.deepEqual(
    seeded(() => torch.multinomial(torch.ones(5), 3)),
    [2, 4, 1],
  );
  assert.deepEqual(
    seeded(() => torch.dropout(torch.ones(3), 0.5, true)),
    [0, 0, 2],
  );
  assert.deepEqual(
    seeded(() => torch.zeros(3).random_()),
    [8325664, 12888472, 1484222],
  );
  // Samples fill memory in order: those of a transposed tensor are transposed.
  const plain = seeded(() => torch.rand(2, 3));
  assert.deepEqual(
    seeded(() => torch.rand_like(torch.zeros(2, 3).t()).t()),
    plain,
  );
  const generator = new torch.Generator().manual_seed(0);
  assert.deepEqual(torch.zeros(2, 3).uniform_({ generator }).tolist(), plain);
});

test("a refused sample leaves its tensor and the version alone", () => {
  const x = torch.zeros(3);
  assert.throws(() => x.normal_(0, -1), { message: "normal expects std >= 0.0, but found std -1" });
  assert.throws(() => x.uniform_(2, 1));
  assert.deepEqual(x.tolist(), [0, 0, 0]);
  assert.equal(x._version, 0);
});

test("linspace and arange round as PyTorch's kernels", () => {
  // At these places adding steps naively, without the kernels' groups and fused multiply-adds, differs in the last bit.
  const range = torch.arange(0.1, 7.3, 0.1).tolist() as number[];
  assert.deepEqual([range[11], range[17], range[18]], [1.1999999284744263, 1.8000000715255737, 1.9000000953674316]);
  const points = torch.linspace(0.1, 7.3, 50).tolist() as number[];
  assert.deepEqual([points[5], points[11], points[13]], [0.8346939086914062, 1.7163265943527222, 2.010204315185547]);
  assert.deepEqual(torch.linspace(0, 10, 5, { dtype: torch.int64 }).tolist(), [0, 2, 5, 7, 10]);
  assert.deepEqual(torch.arange(1, 5, 2.5).tolist(), [1, 3.5]);
  assert.throws(() => torch.arange(5, 0, 1), { message: "upper bound and lower bound inconsistent with step sign" });
});
