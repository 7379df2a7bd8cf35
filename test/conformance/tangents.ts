/**
 * Forward mode against reverse mode, of golden calls in float64. The two multiply with the same Jacobian J from either side:
 * v · (J t) = (vᵀ J) · t. Nested either way round they give the same second derivative.
 */

import { grad } from "../../src/autograd/backward.ts";
import { dual_level, make_dual, unpack_dual } from "../../src/autograd/forward-ad.ts";
import type { Tensor } from "../../src/tensor.ts";
import type { GoldenOp, Sample } from "./golden.ts";
import {
  type Body,
  callOnLeaves,
  excludedInputs,
  type Form,
  formsOf,
  irregular,
  type Leaves,
  outsideDomain,
} from "./gradients.ts";
import type { Api } from "./target.ts";

export interface TangentFailure {
  sample: Sample;
  form: Form;
  message: string;
  cause: unknown;
}

export interface TangentReport {
  checks: number;
  failures: TangentFailure[];
}

const TOLERANCE = 1e-8;

/** What is an error in PyTorch too: forward mode where the gradient is of something else, or cannot be differentiated. */
const unsupported = /^Trying to use forward AD with _ctc_loss |^scatter_reduce\(\): Double backward is unsupported/;

function direction(like: Tensor, seed: number): Tensor {
  const values = Array.from({ length: like.numel() }, (_, i) => irregular(i * 7 + seed) - 0.45);
  return like
    .detach()
    .new_tensor(values)
    .reshape([...like.shape]);
}

const dot = (a: Tensor, b: Tensor): number => Number(a.detach().mul(b.detach()).sum().item());
const size = (a: Tensor, b: Tensor): number => Number(a.detach().mul(b.detach()).abs().sum().item());
const isDifferentiable = (t: Tensor): boolean => t.is_floating_point() && t.requires_grad;
const tangentOf = (t: Tensor): Tensor | null => unpack_dual(t).tangent;

function compare(what: string, forward: number, backward: number, scale: number): void {
  const same = Math.abs(forward - backward) <= TOLERANCE * (1 + scale) || Object.is(forward, backward);
  if (!same) throw new Error(`${what}: ${forward} by forward mode, ${backward} by reverse mode`);
}

/** Compares the first derivatives along one direction. Throws where they differ. */
export function checkTangents(body: Body, leaves: Leaves): void {
  const tangents = leaves.map((t, i) => direction(t, 3 + 11 * i));
  const outputs = body(...leaves);
  const wanted = outputs.map(isDifferentiable);
  const weights = outputs.map((t, i) => (wanted[i] ? direction(t, 5 + 13 * i) : null));
  const given = weights.filter((w) => w !== null);
  let backward = 0;
  let scale = 0;
  if (given.length > 0) {
    const grads = grad(
      outputs.filter((_, i) => wanted[i]),
      leaves,
      { grad_outputs: given, allow_unused: true },
    );
    grads.forEach((g, i) => {
      if (g === null) return;
      backward += dot(g, tangents[i]);
      scale += size(g, tangents[i]);
    });
  }
  const forward = dual_level(() => {
    const results = body(...leaves.map((t, i) => make_dual(t.detach(), tangents[i])));
    return results.reduce((sum, t, i) => {
      const tangent = tangentOf(t);
      const weight = weights[i];
      if (tangent === null) return sum;
      if (!t.is_floating_point()) throw new Error(`output ${i} has no gradient, but a tangent`);
      if (tangent.dtype !== t.dtype) throw new Error(`a tangent of ${tangent.dtype} for an output of ${t.dtype}`);
      return weight === null ? sum : sum + dot(tangent, weight);
    }, 0);
  });
  compare("v·Jt", forward, backward, scale);
}

/** Compares the second derivatives along one direction: forward over reverse, and reverse over forward. */
export function checkSecondTangents(body: Body, leaves: Leaves): void {
  const tangents = leaves.map((t, i) => direction(t, 3 + 11 * i));
  const weightsOf = (outputs: readonly Tensor[]): Tensor[] => outputs.map((t, i) => direction(t, 5 + 13 * i));
  const [over, under] = dual_level(() => {
    const duals = leaves.map((t, i) => make_dual(t, tangents[i]));
    const outputs = body(...duals).filter(isDifferentiable);
    if (outputs.length === 0) return [[], []];
    const grad_outputs = weightsOf(outputs);
    const grads = grad(outputs, duals, { grad_outputs, create_graph: true, allow_unused: true });
    const through = outputs.map(tangentOf);
    const roots = through.flatMap((t, i) => (t?.requires_grad ? [[t, grad_outputs[i]]] : []));
    const none = leaves.map(() => null);
    const second =
      roots.length === 0
        ? none
        : grad(
            roots.map(([t]) => t),
            leaves,
            { grad_outputs: roots.map(([, w]) => w), allow_unused: true },
          );
    return [grads.map((g) => (g === null ? null : tangentOf(g))), second];
  });
  leaves.forEach((leaf, i) => {
    const zero = leaf.detach().mul(0);
    const [forward, backward] = [over[i] ?? zero, under[i] ?? zero];
    const probe = direction(leaf, 17 + i);
    compare(`Hessian, input ${i}`, dot(forward, probe), dot(backward, probe), size(backward, probe));
  });
}

/** Checks samples of an op, and other forms of the first ones. */
export function checkForwardMode(api: Api, golden: GoldenOp, samples: readonly Sample[], others = 1): TangentReport {
  const report: TangentReport = { checks: 0, failures: [] };
  samples.forEach((sample, i) => {
    const exceptions = excludedInputs(golden, sample);
    const excluded = exceptions.flatMap(([, inputs]) => inputs);
    for (const form of formsOf(sample, i < others)) {
      for (const check of i < others && form === "call" ? [checkTangents, checkSecondTangents] : [checkTangents]) {
        report.checks++;
        try {
          const { body, leaves } = callOnLeaves(api, golden, sample, form, excluded);
          if (leaves.length === 0 || outsideDomain(body, leaves)) continue;
          check(body, leaves);
        } catch (cause) {
          if (exceptions.some(([e]) => e.order === 1) || unsupported.test((cause as Error).message)) continue;
          const message = `${(cause as Error).name}: ${(cause as Error).message}`;
          report.failures.push({ sample, form, message, cause });
        }
      }
    }
  });
  return report;
}
