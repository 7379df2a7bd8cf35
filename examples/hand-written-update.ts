/** Gradient descent without an optimizer: weights = weights - learning rate × gradient. Run: npm run example hand-written-update */
import * as torch from "kindling";
import * as nn from "kindling/nn";

// Points near the line y = 3x - 1.
torch.manual_seed(0);
const x = torch.rand(64, 1);
const y = x.mul(3).sub(1).add(torch.randn(64, 1).mul(0.01));

const net = new nn.Linear(1, 1);
const criterion = new nn.MSELoss();

const learning_rate = 0.5;
for (let step = 0; step <= 200; step++) {
  net.zero_grad();
  const loss = criterion(net(x), y);
  loss.backward();
  for (const f of net.parameters()) {
    f.data.sub_(f.grad!.data.mul(learning_rate));
  }
  if (step % 50 === 0) console.log(`step ${step}: loss ${(loss.item() as number).toFixed(6)}`);
}
const [slope, start] = [net.weight.item(), net.bias!.item()] as number[];
console.log(`found y = ${slope.toFixed(2)}x ${start < 0 ? "-" : "+"} ${Math.abs(start).toFixed(2)}`);
