/**
 * Lowering of transcendental functions. In float32 the usual ones become primitive operations, without branches, so
 * that every backend agrees and can vectorize; results are within 2 ulp of the rounded exact value, whether a backend
 * fuses `fma` or not. All others become a `host` node: a call of `hostFunctions` (special.ts) in float64.
 *
 * The code relies on IEEE rounding: a backend must not reassociate. It may compute only one side of a `select` whose
 * condition is the same for all lanes, which pays in sin, cos and tan (arguments beyond 10^5 take the long way).
 */
import { Expr, type FunctionName, rewrite } from "./expr.ts";
import { type Decomposition, inF64 } from "./math/build.ts";
import { erf, erfc64 } from "./math/erf.ts";
import { exp, exp2, expm1, sigmoid, tanh } from "./math/exp.ts";
import { acos, asin, atan, atan2 } from "./math/inverse-trig.ts";
import { log, log1p, log2, log10 } from "./math/log.ts";
import { acosh, asinh, atanh, cosh, hypot, nextafter, pow, sinh } from "./math/power.ts";
import { cos, sin, tan } from "./math/trig.ts";

const float32Decompositions: Partial<Record<FunctionName, Decomposition>> = {
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc: inF64(erfc64),
  sigmoid,
  pow,
  atan2,
  hypot,
  nextafter,
};

/** Rewrites the `function` nodes of `e` into primitive operations and `host` nodes (whose operands are f64). */
export function lower(e: Expr): Expr {
  return rewrite(e, (node) => (node.op === "function" ? lowerFunction(node) : node));
}

function lowerFunction(node: Expr): Expr {
  const name = node.name as FunctionName;
  const [x, y] = node.args as [Expr, Expr];
  const decomposition =
    node.type === "f32" ? float32Decompositions[name] : name === "nextafter" ? nextafter : undefined;
  if (decomposition) return decomposition(x, y);
  const args = node.args.map((a) => a.cast("f64"));
  return new Expr("host", "f64", args, { name }).cast(node.type);
}

/** Whether `name` in float32 needs no call to the host. */
export function hasDecomposition(name: FunctionName): boolean {
  return name in float32Decompositions;
}
