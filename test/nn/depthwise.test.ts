/** Depthwise convolutions against one dense convolution for each channel: values and both gradients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";

interface Case {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: number;
  readonly dilation: number;
  readonly size: readonly [number, number];
}

function* cases(): Generator<Case> {
  for (const kernel of [
    [1, 3],
    [3, 3],
    [5, 2],
    [7, 5],
  ] as const)
    for (const stride of [
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 2],
    ] as const)
      for (const dilation of [1, 2])
        for (const padding of [0, 1, 3])
          for (const size of [
            [3, 4],
            [7, 7],
            [16, 45],
          ] as const)
            if (size.every((s, d) => s + 2 * padding >= dilation * ((kernel[d] as number) - 1) + 1))
              yield { kernel, stride, padding, dilation, size };
}

const CHANNELS = 3;

function check(dtype: torch.dtype, tolerance: number, biased: boolean): void {
  for (const { kernel, stride, padding, dilation, size } of cases()) {
    const x = torch.randn([2, CHANNELS, ...size], { dtype, requires_grad: true });
    const w = torch.randn([CHANNELS, 1, ...kernel], { dtype, requires_grad: true });
    const bias = biased ? torch.randn([CHANNELS], { dtype }) : null;
    const y = F.conv2d(x, w, bias, stride, padding, dilation, CHANNELS);
    const channel = (c: number): torch.Tensor => {
      const own = bias === null ? null : bias.narrow(0, c, 1);
      return F.conv2d(x.narrow(1, c, 1), w.narrow(0, c, 1), own, stride, padding, dilation);
    };
    const expected = torch.cat([0, 1, 2].map(channel), 1);
    const g = torch.randn(y.shape, { dtype });
    const got = [y, ...torch.autograd.grad(y, [x, w], g)];
    const wanted = [expected, ...torch.autograd.grad(expected, [x, w], g)];
    for (const [i, what] of ["output", "gradient of the input", "gradient of the weight"].entries()) {
      const [a, b] = [got[i] as torch.Tensor, wanted[i] as torch.Tensor];
      const error = a.detach().sub(b.detach()).abs().max().item() as number;
      const scale = Math.max(1, b.detach().abs().max().item() as number);
      const where = JSON.stringify({ kernel, stride, padding, dilation, size });
      assert.ok(error <= tolerance * scale, `${what} with ${where}: differs by ${error} of ${scale}`);
    }
  }
}

test("depthwise convolutions: float32", () => {
  torch.manual_seed(0);
  check(torch.float32, 2e-5, true);
});

test("depthwise convolutions: float64", () => {
  torch.manual_seed(1);
  check(torch.float64, 1e-12, false);
});
