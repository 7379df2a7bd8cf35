/**
 * The types of custom functions. Nothing here runs: the compiler checks it, and complains of an `@ts-expect-error` above a
 * line that it finds nothing wrong with.
 */
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
type Ctx<Fields extends object = Record<string, unknown>> = torch.autograd.FunctionCtx<Fields>;

/** Fails to compile unless the two types are the same. */
function same<A, B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never): void {}

declare const x: Tensor;

/** With the context in forward. */
class Scale extends torch.autograd.Function {
  static forward(ctx: Ctx<{ scale: number }>, input: Tensor, scale: number, label = "none"): Tensor {
    ctx.scale = scale;
    ctx.save_for_backward(input, null);
    same<typeof label, string>(true);
    // @ts-expect-error: the field is a number
    ctx.scale = "large";
    // @ts-expect-error: there is no such field
    ctx.factor = 2;
    // @ts-expect-error: only tensors are saved
    ctx.save_for_backward(scale);
    // @ts-expect-error: a boolean is meant
    ctx.set_materialize_grads("no");
    return input.mul(scale);
  }
  static backward(ctx: Ctx<{ scale: number }>, grad: Tensor): (Tensor | null)[] {
    return [grad.mul(ctx.scale), null, null];
  }
}

export function contextInForward(): void {
  const y = Scale.apply(x, 2);
  same<typeof y, Tensor>(true);
  Scale.apply(x, 2, "label");
  // @ts-expect-error: the second argument is a number
  Scale.apply(x, "2");
  // @ts-expect-error: it is missing
  Scale.apply(x);
  // @ts-expect-error: the context is not given by the caller
  Scale.apply(y.grad_fn, x, 2);
  // @ts-expect-error: the result is a tensor
  const text: string = Scale.apply(x, 2);
  void text;
}

/** With a context of its own, several outputs, and named saved tensors. */
class Divide extends torch.autograd.Function {
  static override readonly generate_vmap_rule = true;
  static forward(a: Tensor, b: Tensor, rounding: "floor" | null): readonly [Tensor, Tensor, string] {
    return [a.div(b), a.fmod(b), rounding ?? ""];
  }
  static setup_context(
    ctx: Ctx<{ rounding: "floor" | null }>,
    inputs: readonly [Tensor, Tensor, "floor" | null],
    output: readonly [Tensor, Tensor, string],
  ): void {
    ctx.rounding = inputs[2];
    ctx.save_for_backward(inputs[1], output[0]);
  }
  static vjp(ctx: Ctx<{ saved_tensors: [Tensor, Tensor] }>, grad: Tensor): readonly (Tensor | null)[] {
    const saved = ctx.saved_tensors;
    same<(typeof saved)[1], Tensor>(true);
    return [grad.div(saved[0]), null, null];
  }
  static jvp(_: Ctx, a: Tensor, b: Tensor): readonly (Tensor | null)[] {
    return [a.add(b), null, null];
  }
}

export function contextApart(): void {
  const [quotient, rest, text] = Divide.apply(x, x, "floor");
  same<typeof quotient, Tensor>(true);
  same<typeof rest, Tensor>(true);
  same<typeof text, string>(true);
  // @ts-expect-error: no such rounding
  Divide.apply(x, x, "ceil");
  // @ts-expect-error: three outputs
  Divide.apply(x, x, null)[3];
}

class NoForward extends torch.autograd.Function {
  static backward(_: Ctx, grad: Tensor): Tensor {
    return grad;
  }
}

class InstanceForward extends torch.autograd.Function {
  forward(input: Tensor): Tensor {
    return input;
  }
}

/** `inputs` are not what forward takes. */
class OtherInputs extends torch.autograd.Function {
  static forward(input: Tensor, scale: number): Tensor {
    return input.mul(scale);
  }
  static setup_context(ctx: Ctx, inputs: [Tensor, string], _: Tensor): void {
    ctx.text = inputs[1];
  }
}

/** `output` is not what forward returns. */
class OtherOutput extends torch.autograd.Function {
  static forward(input: Tensor): Tensor {
    return input;
  }
  static setup_context(ctx: Ctx, _: [Tensor], output: [Tensor, Tensor]): void {
    ctx.save_for_backward(...output);
  }
}

export function misuse(): void {
  // @ts-expect-error: there is no forward
  NoForward.apply(x);
  // @ts-expect-error: forward must be static
  InstanceForward.apply(x);
  // @ts-expect-error: setup_context expects other inputs
  OtherInputs.apply(x, 2);
  // @ts-expect-error: setup_context expects another output
  OtherOutput.apply(x);
  // @ts-expect-error: which function?
  torch.autograd.Function.apply(x);
  // @ts-expect-error: without its class the types are not known
  const apply = Scale.apply(x, 2) && Scale.apply.call(undefined, x, 2);
  void apply;
}

/** A field that no type names is unknown; the node of a result has its context's. */
class Untyped extends torch.autograd.Function {
  static forward(ctx: Ctx, input: Tensor): Tensor {
    ctx.anything = 5;
    // @ts-expect-error: what it is must be asked first
    ctx.anything.toFixed();
    return input;
  }
  static backward = torch.autograd.once_differentiable((ctx: Ctx, grad: Tensor) => {
    same<typeof grad, Tensor>(true);
    return grad.mul(Number(ctx.anything));
  });
}

export function fields(): number {
  const node = Untyped.apply(x).grad_fn as Ctx<{ anything: number }>;
  same<typeof node.needs_input_grad, readonly boolean[]>(true);
  return node.anything + node.saved_tensors.length + node.next_functions.length;
}

/** Generic functions keep what they know of their arguments. */
class First extends torch.autograd.InplaceFunction {
  static forward(_: Ctx, ...tensors: Tensor[]): [Tensor, number] {
    return [tensors[0], tensors.length];
  }
}

export function variadic(): void {
  const [first, count] = First.apply(x, x, x);
  same<typeof first, Tensor>(true);
  same<typeof count, number>(true);
  // @ts-expect-error: tensors only
  First.apply(x, 3);
}
