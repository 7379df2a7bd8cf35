/**
 * An operation that solves an equation. Where a planet is follows from Kepler's E - e sin E = M, for which there is no
 * formula: Newton's method finds E. Backward needs none of its steps, because the implicit function theorem gives the
 * gradient at the solution: dE/dM = 1 / (1 - e cos E) and dE/de = sin E / (1 - e cos E).
 * Run: npm run example autograd/kepler
 */
import { mkdir } from "node:fs/promises";
import * as torch from "kindling";

/** One step of Newton's method towards E - e sin E = M. */
function newton(E: torch.Tensor, M: torch.Tensor, e: torch.Tensor): torch.Tensor {
  const error = E.sub(e.mul(E.sin())).sub(M);
  return E.sub(error.div(slope(E, e)));
}

function slope(E: torch.Tensor, e: torch.Tensor): torch.Tensor {
  return torch.rsub(e.mul(E.cos()), 1);
}

class Kepler extends torch.autograd.Function {
  static forward(ctx: torch.autograd.FunctionCtx, M: torch.Tensor, e: torch.Tensor): torch.Tensor {
    let E = M;
    for (let i = 0; i < 12; i++) E = newton(E, M, e);
    ctx.save_for_backward(E, e);
    return E;
  }

  static backward(ctx: torch.autograd.FunctionCtx, gradient: torch.Tensor): [torch.Tensor, torch.Tensor] {
    const [E, e] = ctx.saved_tensors;
    const forM = gradient.div(slope(E, e));
    return [forM, forM.mul(E.sin())];
  }
}

// Backward is made of differentiable operations, so it can be differentiated again: both are compared with differences.
const inputs = [
  torch.linspace(0.1, 6, 5, { dtype: torch.float64, requires_grad: true }),
  torch.tensor(0.6, { dtype: torch.float64, requires_grad: true }),
];
const kepler = (M: torch.Tensor, e: torch.Tensor): torch.Tensor => Kepler.apply(M, e);
console.log("gradcheck:", torch.autograd.gradcheck(kepler, inputs));
console.log("gradgradcheck:", torch.autograd.gradgradcheck(kepler, inputs));

// Mercury's distance from the Sun, in units of its mean distance, on 200 nights of one year, with errors of one percent.
torch.manual_seed(0);
const days = torch.rand(200, { dtype: torch.float64 }).mul(365);
const distance = (e: torch.Tensor, period: torch.Tensor, perihelion: torch.Tensor): torch.Tensor => {
  const M = days
    .sub(perihelion)
    .div(period)
    .mul(2 * Math.PI);
  return slope(Kepler.apply(M, e), e);
};
const number = (x: number): torch.Tensor => torch.tensor(x, { dtype: torch.float64 });
const seen = distance(number(0.2056), number(87.969), number(31)).add(
  torch.randn(200, { dtype: torch.float64 }).mul(0.01),
);

// The orbit that fits them best, from a poor guess.
const orbit = [0.05, 84, 25].map((guess) => number(guess).requires_grad_());
const [e, period, perihelion] = orbit;
const optimizer = new torch.optim.Adam([
  { params: [e], lr: 0.01 },
  { params: [period, perihelion], lr: 0.3 },
]);
let loss = number(0);
for (let step = 0; step < 400; step++) {
  optimizer.zero_grad();
  loss = distance(e, period, perihelion).sub(seen).square().mean();
  loss.backward();
  optimizer.step();
}
console.log(`error left: ${(100 * Math.sqrt(loss.item() as number)).toFixed(2)} %`);
console.log(`eccentricity ${(e.item() as number).toFixed(3)}, of Mercury 0.206`);
console.log(`period ${(period.item() as number).toFixed(2)} days, of Mercury 87.97`);

// One node in the history, where the twelve steps would have left all of theirs.
await mkdir("demo-output", { recursive: true });
const graph = torch.utils.viz.make_dot(distance(e, period, perihelion), { params: { e, period, perihelion } });
await graph.save("demo-output/kepler.svg");
console.log("the history of a distance: demo-output/kepler.svg");
