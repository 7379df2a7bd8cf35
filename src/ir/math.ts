/**
 * Lowering of transcendental functions. Every backend runs the same decompositions, so that their results agree.
 * What has no decomposition becomes a `host` node: a call of `hostFunctions` (special.ts) in float64.
 */
import { Expr, rewrite } from "./expr.ts";

/** Rewrites the `function` nodes of `e` into primitive operations and `host` nodes (whose operands are f64). */
export function lower(e: Expr): Expr {
  return rewrite(e, (node) => (node.op === "function" ? host(node) : node));
}

/** A call in float64, with the conversions that float32 needs around it. */
function host(node: Expr): Expr {
  const args = node.args.map((a) => a.cast("f64"));
  return new Expr("host", "f64", args, { name: node.name }).cast(node.type);
}
