/** The binary kind: two tensors, or a tensor and a number, with broadcasting and promotion. */
import type { DType } from "../../dtype.ts";
import type { ComputeType, Expr } from "../../ir/expr.ts";
import { Tensor } from "../../tensor.ts";
import { type GradientFormula, PointwiseOp, type PromoteRule } from "./pointwise.ts";
import type { Operand } from "./promote.ts";
import { bind } from "./schema.ts";
import type { OutOption } from "./unary.ts";

/** A function of two tensors (or numbers), which is also a method, with an in-place form. */
export interface Binary<Options extends object = OutOption> {
  (self: Tensor, other: Operand, options?: Options): Tensor;
  readonly inplace: (self: Tensor, other: Operand, options?: Omit<Options, "out">) => Tensor;
  readonly op: PointwiseOp;
}

export interface BinarySpec {
  readonly kernel: (
    a: Expr,
    b: Expr,
    scalars: Readonly<Record<string, Expr>>,
    info: { readonly dtype: DType; readonly type: ComputeType },
  ) => Expr;
  /** Gradients of both operands: formulas over `context.operand(0)`, `context.operand(1)` and `context.result`. */
  readonly gradients?: readonly [GradientFormula | null, GradientFormula | null];
  /** What each of the two formulas uses. */
  readonly saves?: readonly [readonly (number | "result")[], readonly (number | "result")[]];
  readonly promote?: PromoteRule;
  /** Extra named scalars with defaults, keyword arguments of the op, such as `{ alpha: 1 }`. */
  readonly scalars?: Readonly<Record<string, number>>;
  readonly check?: (dtype: DType, name: string) => void;
  /** Looks at the operands before the call (a divisor of 0, an unfit alpha). */
  readonly validate?: (self: Operand, other: Operand, scalars: Readonly<Record<string, number | bigint>>) => void;
  readonly nodeName?: string;
}

/** Declares a binary op. */
export function binary<Options extends object = OutOption>(name: string, spec: BinarySpec): Binary<Options> {
  const names = Object.keys(spec.scalars ?? {});
  const op = new PointwiseOp({
    name,
    operands: 2,
    promote: spec.promote,
    scalars: names,
    kernel: ([a, b], scalars, info) => spec.kernel(a, b, scalars, info),
    gradients: spec.gradients,
    saves: spec.saves ?? [[], []],
    check: spec.check,
    nodeName: spec.nodeName,
  });
  const extra = names.map((n) => `, Scalar ${n}=${spec.scalars?.[n]}`).join("");
  const signature = `${name}(Operand self, Operand other, *${extra}, Tensor? out=None)`;
  const inplaceSignature = `${name}_(Tensor self, Operand other${extra === "" ? "" : `, *${extra}`})`;
  const named = (values: readonly unknown[]): Record<string, number | bigint> =>
    Object.fromEntries(
      names.map((n, i) => [n, typeof values[i] === "boolean" ? Number(values[i]) : (values[i] as number)]),
    );
  const plainScalars = spec.scalars ?? {};
  const direct = names.length === 0 && spec.validate === undefined;
  const call = (self: Operand, other: Operand, options?: Options): Tensor => {
    if (options === undefined && self instanceof Tensor) {
      if (direct && other instanceof Tensor) return op.call2(self, other);
      if (typeof other === "number") {
        spec.validate?.(self, other, plainScalars);
        return op.call([self, other], { scalars: plainScalars });
      }
    }
    const values = bind(signature, [self, other, options]);
    const [a, b] = values as [Operand, Operand];
    const scalars = named(values.slice(2));
    spec.validate?.(a, b, scalars);
    if (!(a instanceof Tensor) && !(b instanceof Tensor)) {
      throw new TypeError(`${name}(): at least one of the arguments must be a Tensor`);
    }
    return op.call([a, b], { scalars, out: values[2 + names.length] as Tensor | null });
  };
  const inplace = (self: Tensor, other: Operand, options?: object): Tensor => {
    const values = bind(inplaceSignature, [self, other, options]);
    const [a, b] = values as [Tensor, Operand];
    const scalars = named(values.slice(2));
    spec.validate?.(a, b, scalars);
    return op.callInplace([a, b], { scalars });
  };
  return Object.assign(call as Binary<Options>, { inplace, op });
}
