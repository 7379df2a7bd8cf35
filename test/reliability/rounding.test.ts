/**
 * The rounding errors of products of matrices and convolutions, forward and backward, are at most twice PyTorch's own on the same
 * inputs (tools/golden-rounding.py): the root of the mean square of the differences from float64, relative to that of the result.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;

interface Golden {
  readonly matmul: readonly {
    readonly sizes: readonly number[];
    readonly transposed: string;
    readonly error: number;
  }[];
  readonly conv2d: readonly {
    readonly name: string;
    readonly input: readonly number[];
    readonly weight: readonly number[];
    readonly options: Readonly<Record<string, number>>;
    /** Of the result and of the gradients to input and weight. */
    readonly errors: readonly number[];
  }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL("rounding.json", import.meta.url), "utf8"));
const FACTOR = 2;

const rms = (x: Tensor): number => x.square().mean().sqrt().item() as number;
const errorOf = (got: Tensor, exact: Tensor): number => rms(got.to(torch.float64).sub(exact)) / rms(exact);

describe("products of matrices", () => {
  for (const { sizes, transposed, error } of golden.matmul) {
    const [m, n, k] = sizes;
    test(`${m} × ${n} × ${k}${transposed && `, ${transposed} transposed`}: PyTorch's error is ${error.toExponential(1)}`, () => {
      torch.manual_seed(0);
      const a = transposed === "a" ? torch.randn(k, m).t() : torch.randn(m, k);
      const b = transposed === "b" ? torch.randn(n, k).t() : torch.randn(k, n);
      const ours = errorOf(a.matmul(b), a.to(torch.float64).matmul(b.to(torch.float64)));
      assert.ok(ours <= FACTOR * error, `ours is ${ours}`);
    });
  }
});

describe("convolutions", () => {
  for (const { name, input, weight, options, errors } of golden.conv2d) {
    test(name, () => {
      torch.manual_seed(0);
      const x = torch.randn([...input]);
      const w = torch.randn([...weight]).mul(0.1);
      const run = (dtype: torch.dtype): Tensor[] => {
        const leaves = [x, w].map((t) => t.to(dtype).detach().clone().requires_grad_());
        const y = torch.nn.functional.conv2d(leaves[0], leaves[1], options);
        torch.manual_seed(1);
        y.backward(torch.randn(y.shape).to(dtype));
        return [y.detach(), ...leaves.map((leaf) => leaf.grad as Tensor)];
      };
      const exact = run(torch.float64);
      run(torch.float32).forEach((got, i) => {
        const ours = errorOf(got, exact[i]);
        const what = ["the result", "the gradient to the input", "the gradient to the weight"][i];
        assert.ok(ours <= FACTOR * errors[i], `the error of ${what} is ${ours}, PyTorch's ${errors[i]}`);
      });
    });
  }
});
