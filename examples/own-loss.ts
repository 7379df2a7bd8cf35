/** A loss function is any function from (output, target) to a number. Run: npm run example own-loss */
import * as torch from "kindling";
import * as nn from "kindling/nn";

/** Mean of log(cosh(error)): like the squared error near zero, like the absolute error far from it. */
function logCosh(output: torch.Tensor, target: torch.Tensor): torch.Tensor {
  return output.sub(target).cosh().log().mean();
}

/** The same as a module, which can have settings: the pinball loss, whose minimum is a quantile. */
class PinballLoss extends nn.Module {
  quantile: number;

  constructor(quantile: number) {
    super();
    this.quantile = quantile;
  }

  override forward(output: torch.Tensor, target: torch.Tensor): torch.Tensor {
    const error = target.sub(output);
    return torch.maximum(error.mul(this.quantile), error.mul(this.quantile - 1)).mean();
  }
}

torch.manual_seed(0);
const net = new nn.Linear(10, 1);
const input = torch.randn(16, 10);
const target = torch.randn(16, 1);

for (const [name, criterion] of [
  ["squared error", new nn.MSELoss()],
  ["log cosh", logCosh],
  ["pinball, 90 %", new PinballLoss(0.9)],
] as const) {
  net.zero_grad(); // clear the gradients of the loss before
  const loss = criterion(net(input), target);
  loss.backward();
  console.log(
    `${name.padEnd(14)} ${(loss.item() as number).toFixed(4)}  gradient of the bias:`,
    net.bias?.grad?.tolist(),
  );
}
