/** F.affine_grid: the positions that PyTorch computes, and how grid_sample reads them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";

const theta = torch.tensor([
  [
    [1, 0.5, -0.25],
    [0.1, 2, 0.75],
  ],
]);

function near(actual: torch.Tensor, expected: readonly number[]): void {
  const wanted = torch
    .tensor(Float64Array.from(expected))
    .float()
    .reshape([...actual.shape]);
  assert.ok(torch.allclose(actual, wanted, { rtol: 1e-5, atol: 1e-6 }), String(actual));
}

test("affine_grid", () => {
  const edges = [-7 / 6, -0.3166667, -0.5, -0.25, 1 / 6, -0.1833333, -2 / 3, 1.6833333, 0, 1.75, 2 / 3, 1.8166667];
  near(F.affine_grid(theta, [1, 1, 2, 3], false), edges);
  const corners = [-1.75, -1.35, -0.75, -1.25, 0.25, -1.15, -0.75, 2.65, 0.25, 2.75, 1.25, 2.85];
  near(F.affine_grid(theta, [1, 1, 2, 3], true), corners);
  const volume = torch.arange(12).float().reshape(1, 3, 4);
  const cells = [2.5, 2.5, 2.5, 2.5, 6.5, 10.5, 3.5, 7.5, 11.5, 3.5, 11.5, 19.5];
  near(F.affine_grid(volume, [1, 1, 1, 2, 2], false), cells);
});

test("the identity map gives the image back", () => {
  const image = torch.arange(24).float().reshape(1, 2, 3, 4);
  const identity = torch.eye(3).narrow(0, 0, 2).unsqueeze(0);
  for (const align_corners of [false, true]) {
    const grid = F.affine_grid(identity, [1, 2, 3, 4], { align_corners });
    for (const mode of ["bilinear", "nearest", "bicubic"] as const) {
      const result = F.grid_sample(image, grid, { mode, align_corners });
      assert.ok(torch.allclose(result, image, { atol: 1e-4 }), `${mode} ${align_corners}`);
    }
  }
});

test("wrong arguments", () => {
  const x = torch.zeros(1, 2, 4, 5);
  assert.throws(() => F.grid_sample(x, torch.zeros(2, 3, 3, 2)), /expected grid and input to have same batch size/);
  assert.throws(() => F.grid_sample(x, torch.zeros(1, 3, 3, 3)), /expected grid to have size 2 in last dimension/);
  assert.throws(() => F.affine_grid(theta, [1, 1, 3]), /affine_grid only supports 4D and 5D sizes/);
  assert.throws(() => F.affine_grid(theta, [1, 1, 0, 3]), /Expected non-zero, positive output size/);
});
