/** The binary kind: two tensors, or a tensor and a number, with broadcasting and promotion. */
import type { Expr } from "../../ir/expr.ts";
import { Tensor } from "../../tensor.ts";
import {
  type GradientFormula,
  type KernelInfo,
  PointwiseOp,
  type PointwiseSpec,
  type PromoteRule,
} from "./pointwise.ts";
import type { Operand } from "./promote.ts";
import { bind } from "./schema.ts";
import type { OutOption } from "./unary.ts";

/** A function of two tensors (or numbers), which is also a method. */
export interface BinaryFunction<Options extends object = OutOption> {
  (self: Operand, other: Operand, options?: Options): Tensor;
  readonly op: PointwiseOp;
}

/** The same with an in-place form. */
export interface Binary<Options extends object = OutOption> extends BinaryFunction<Options> {
  readonly inplace: (self: Tensor, other: Operand, options?: Omit<Options, "out">) => Tensor;
}

export interface BinarySpec
  extends Pick<PointwiseSpec, "scalars" | "check" | "guard" | "nodeName" | "overload" | "keepsNumbers"> {
  readonly kernel: (a: Expr, b: Expr, scalars: Readonly<Record<string, Expr>>, info: KernelInfo) => Expr;
  /** Gradients of both operands: formulas over `context.operand(0)`, `context.operand(1)` and `context.result`. */
  readonly gradients?: readonly [GradientFormula | null, GradientFormula | null];
  /** What each of the two formulas uses. */
  readonly saves?: readonly [readonly (number | "result")[], readonly (number | "result")[]];
  readonly promote?: PromoteRule;
  /** Neither operand may be a number. */
  readonly tensorsOnly?: boolean;
  /** The first operand may not be a number. */
  readonly tensorFirst?: boolean;
}

/** Declares a binary op. Its scalars are keyword arguments, such as `{ alpha: 1 }`. */
export function binary<Options extends object = OutOption>(name: string, spec: BinarySpec): Binary<Options> {
  const names = Object.keys(spec.scalars ?? {});
  const op = new PointwiseOp({
    ...spec,
    name,
    operands: 2,
    kernel: ([a, b], scalars, info) => spec.kernel(a, b, scalars, info),
    saves: spec.saves ?? [[], []],
  });
  const extra = names.map((n) => `, Scalar ${n}=${spec.scalars?.[n]}`).join("");
  const kind = spec.tensorsOnly ? "Tensor" : "Operand";
  const first = spec.tensorFirst ? "Tensor" : kind;
  const signature = `${name}(${first} input, ${kind} other, *${extra}, Tensor? out=None)`;
  const inplaceSignature = `${name}_(Tensor self, ${kind} other${extra === "" ? "" : `, *${extra}`})`;
  const named = (values: readonly unknown[]): Record<string, number | bigint> =>
    Object.fromEntries(
      names.map((n, i) => [n, typeof values[i] === "boolean" ? Number(values[i]) : (values[i] as number)]),
    );
  const call = (self: Operand, other: Operand, options?: Options): Tensor => {
    if (options === undefined && self instanceof Tensor) {
      if (other instanceof Tensor) return op.call2(self, other);
      if (typeof other === "number" && !spec.tensorsOnly) return op.callNumber(self, other);
    }
    const values = bind(signature, [self, other, options]);
    const [a, b] = values as [Operand, Operand];
    const scalars = named(values.slice(2));
    if (!(a instanceof Tensor) && !(b instanceof Tensor)) {
      throw new TypeError(`${name}(): at least one of the arguments must be a Tensor`);
    }
    return op.call([a, b], { scalars, out: values[2 + names.length] as Tensor | null });
  };
  const inplace = (self: Tensor, other: Operand, options?: object): Tensor => {
    if (options === undefined && self instanceof Tensor) {
      if (other instanceof Tensor) return op.callInplace2(self, other);
      if (typeof other === "number" && !spec.tensorsOnly) return op.callInplaceNumber(self, other);
    }
    const values = bind(inplaceSignature, [self, other, options]);
    const [a, b] = values as [Tensor, Operand];
    return op.callInplace([a, b], { scalars: named(values.slice(2)) });
  };
  return Object.assign(call as Binary<Options>, { inplace, op });
}
