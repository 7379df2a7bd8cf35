/** The custom functions and the hooks of the random programs: the twin of tools/random-programs/functions.py. */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";

export type Tensor = torch.Tensor;
export type Node = NonNullable<Tensor["grad_fn"]>;
type Context = FunctionCtx;
type Gradient = Tensor | null;

/** The log of the running instruction. */
export const running: { events: unknown[] } = { events: [] };

export function short(node: Node | null): string {
  return node === null ? "None" : node.name().replace("torch::autograd::", "");
}

/** Logs what backward is given. */
function note(ctx: Context, ...grads: Gradient[]): void {
  const wants = ctx.needs_input_grad.map((n) => (n ? "y" : "n")).join("");
  running.events.push(`backward ${wants} ${grads.map((g) => (g === null ? "0" : "g")).join("")}`);
}

export const hooks: Record<string, (g: Tensor) => Tensor | null> = {
  record: () => null,
  halve: (g) => g.mul(0.5),
  sine: (g) => g.sin(),
  clone: (g) => g.clone(),
  same: (g) => g,
  zero: (g) => torch.zeros_like(g),
  raise: () => {
    throw new torch.RuntimeError("this hook always fails");
  },
  shape: (g) => g.new_ones([7]),
};

const { Function: Fn } = torch.autograd;

class Square extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    ctx.save_for_backward(x);
    return x.mul(x);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    const [x] = ctx.saved_tensors;
    return g.mul(x).mul(2.5);
  }
}

class Scale extends Fn {
  static forward(ctx: Context, x: Tensor, factor: number): Tensor {
    ctx.factor = factor;
    return x.mul(factor);
  }
  static backward(ctx: Context, g: Tensor): [Tensor, null] {
    note(ctx, g);
    return [g.mul(ctx.factor as number), null];
  }
}

class Product extends Fn {
  static forward(ctx: Context, x: Tensor, y: Tensor): Tensor {
    ctx.save_for_backward(x, y);
    return x.mul(y);
  }
  static backward(ctx: Context, g: Tensor): Gradient[] {
    note(ctx, g);
    const [x, y] = ctx.saved_tensors;
    return [ctx.needs_input_grad[0] ? g.mul(y) : null, ctx.needs_input_grad[1] ? g.mul(x) : null];
  }
}

class SavedResult extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    const y = x.tanh();
    ctx.save_for_backward(y);
    return y;
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    const [y] = ctx.saved_tensors;
    return g.mul(y.mul(y).rsub(1));
  }
}

class Separate extends Fn {
  static forward(x: Tensor, y: Tensor): Tensor {
    return x.mul(2).add(y);
  }
  static setup_context(ctx: Context, [x]: [Tensor, Tensor], output: Tensor): void {
    ctx.save_for_backward(x, output);
  }
  static backward(ctx: Context, g: Tensor): Tensor[] {
    note(ctx, g);
    const [x, out] = ctx.saved_tensors;
    return [g.mul(2).add(x.mul(0)), g.add(out.mul(0))];
  }
}

class Overwrite extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    ctx.mark_dirty(x);
    return x.mul_(0.5);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.mul(0.75);
  }
}

class OverwriteSaved extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    x.sin_();
    ctx.mark_dirty(x);
    ctx.save_for_backward(x);
    return x;
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    const [x] = ctx.saved_tensors;
    return g.mul(x);
  }
}

class OverwriteAndMore extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor[] {
    ctx.mark_dirty(x);
    x.mul_(2);
    return [x, x.mul(3)];
  }
  static backward(ctx: Context, g: Tensor, h: Tensor): Tensor {
    note(ctx, g, h);
    return g.add(h);
  }
}

class OverwriteSecond extends Fn {
  static forward(ctx: Context, x: Tensor, y: Tensor): Tensor {
    ctx.mark_dirty(y);
    return y.add_(x);
  }
  static backward(ctx: Context, g: Tensor): Tensor[] {
    note(ctx, g);
    return [g.mul(0.5), g.mul(1.5)];
  }
}

class Secretly extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    x.mul_(0.5);
    return x.clone();
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.mul(0.5);
  }
}

class DirtyNotReturned extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    ctx.mark_dirty(x);
    x.mul_(0.5);
    return x.clone();
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g;
  }
}

class FlatView extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    ctx.shape = x.shape;
    return x.view(-1);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.reshape(ctx.shape as number[]).mul(2);
  }
}

class TwoViews extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor[] {
    ctx.shape = x.shape;
    return [x.view(-1), x.unsqueeze(0)];
  }
  static backward(ctx: Context, g: Tensor, h: Tensor): Tensor {
    note(ctx, g, h);
    return g.reshape(ctx.shape as number[]).add(h.squeeze(0));
  }
}

class Same extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x;
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.mul(3);
  }
}

class SameTwice extends Fn {
  static forward(_: Context, x: Tensor, y: Tensor): Tensor[] {
    return [x, x.mul(y)];
  }
  static backward(ctx: Context, g: Tensor, h: Tensor): Tensor[] {
    note(ctx, g, h);
    return [g.add(h), h];
  }
}

class Detached extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x.detach();
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.mul(4);
  }
}

class Several extends Fn {
  static forward(_: Context, x: Tensor, y: Tensor): Tensor[] {
    return [x.add(y), x.sub(y)];
  }
  static backward(ctx: Context, g: Tensor, h: Tensor): Tensor[] {
    note(ctx, g, h);
    return [g.add(h), g.sub(h)];
  }
}

class SeveralOrNone extends Fn {
  static forward(ctx: Context, x: Tensor, y: Tensor): Tensor[] {
    ctx.set_materialize_grads(false);
    return [x.mul(2), y.mul(3)];
  }
  static backward(ctx: Context, g: Gradient, h: Gradient): Gradient[] {
    note(ctx, g, h);
    return [g === null ? null : g.mul(2), h === null ? null : h.mul(3)];
  }
}

class WithIndices extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor[] {
    const y = x.detach().mul(7);
    ctx.mark_non_differentiable(y);
    return [x.mul(2), y];
  }
  static backward(ctx: Context, g: Tensor, h: Tensor): Tensor {
    note(ctx, g, h);
    return g.mul(2);
  }
}

class Once extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    ctx.save_for_backward(x);
    return x.exp();
  }
  static backward: (ctx: Context, g: Tensor) => Tensor = torch.autograd.once_differentiable(
    (ctx: Context, g: Tensor): Tensor => {
      note(ctx, g);
      const [x] = ctx.saved_tensors;
      return g.mul(x.exp());
    },
  );
}

class NoGradient extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(ctx: Context, g: Tensor): null {
    note(ctx, g);
    return null;
  }
}

class TooMany extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(ctx: Context, g: Tensor): Tensor[] {
    note(ctx, g);
    return [g, g];
  }
}

class TooFew extends Fn {
  static forward(_: Context, x: Tensor, y: Tensor): Tensor {
    return x.add(y);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g;
  }
}

class WrongShape extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.new_ones([5, 7]);
  }
}

class Broadcasts extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x
      .unsqueeze(0)
      .expand(2, ...x.shape)
      .contiguous();
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    return g.mul(2);
  }
}

class Failing extends Fn {
  static forward(_: Context, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    throw new torch.ValueError("this backward always fails");
  }
}

class Nested extends Fn {
  static forward(ctx: Context, x: Tensor): Tensor {
    const inner = x.detach().requires_grad_();
    const y = torch.enable_grad(() => inner.sin().mul(inner).sum());
    ctx.x = inner;
    ctx.y = y;
    return y.detach();
  }
  static backward(ctx: Context, g: Tensor): Tensor {
    note(ctx, g);
    const [h] = torch.enable_grad(() => torch.autograd.grad(ctx.y as Tensor, ctx.x as Tensor, { retain_graph: true }));
    return h.mul(g);
  }
}

class Whole extends Fn {
  static forward(_: Context, x: Tensor): [Tensor, number] {
    return [x.mul(2), 5];
  }
  static backward(ctx: Context, g: Tensor, h: Gradient): Tensor {
    note(ctx, g, h);
    return g.mul(2);
  }
}

export const functions: Record<string, { apply(...args: never[]): unknown }> = {
  Square,
  Scale,
  Product,
  SavedResult,
  Separate,
  Overwrite,
  OverwriteSaved,
  OverwriteAndMore,
  OverwriteSecond,
  Secretly,
  DirtyNotReturned,
  FlatView,
  TwoViews,
  Same,
  SameTwice,
  Detached,
  Several,
  SeveralOrNone,
  WithIndices,
  Once,
  NoGradient,
  TooMany,
  TooFew,
  WrongShape,
  Broadcasts,
  Failing,
  Nested,
  Whole,
};
