/** An operation with a backward of one's own. Run: npm run example custom-function */
import * as torch from "kindling";

/** The Legendre polynomial (5x³ - 3x) / 2, with its derivative 1.5 · (5x² - 1). */
class LegendrePolynomial3 extends torch.autograd.Function {
  static forward(ctx: torch.autograd.FunctionCtx, input: torch.Tensor): torch.Tensor {
    ctx.save_for_backward(input);
    return input.pow(3).mul(5).sub(input.mul(3)).mul(0.5);
  }

  static backward(ctx: torch.autograd.FunctionCtx, gradient: torch.Tensor): torch.Tensor {
    const [input] = ctx.saved_tensors;
    return gradient.mul(input.pow(2).mul(5).sub(1).mul(1.5));
  }
}

/** Rounds, but lets the gradient pass as if it had not: the straight-through estimator. */
class StraightThroughRound extends torch.autograd.Function {
  static forward(_ctx: torch.autograd.FunctionCtx, input: torch.Tensor): torch.Tensor {
    return input.round();
  }

  static backward(_ctx: torch.autograd.FunctionCtx, gradient: torch.Tensor): torch.Tensor {
    return gradient;
  }
}

const x = torch.tensor([-0.5, 0.25, 1.5], { requires_grad: true });
const y = LegendrePolynomial3.apply(x);
console.log("y =", y);
y.sum().backward();
console.log("x.grad =", x.grad);

// gradcheck compares a backward with finite differences, in float64.
const inputs = [torch.tensor([-0.5, 0.25, 1.5], { dtype: torch.float64, requires_grad: true })];
console.log(
  "gradcheck:",
  torch.autograd.gradcheck((t) => LegendrePolynomial3.apply(t), inputs),
);

x.grad = null;
StraightThroughRound.apply(x)
  .mul(torch.tensor([1, 2, 3]))
  .sum()
  .backward();
console.log("through the rounding:", x.grad);
