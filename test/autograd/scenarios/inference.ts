/** Inference mode: twins of tools/golden-autograd/inference.py. */
import * as torch from "../../../src/index.ts";
import { attempt, custom, edges, f32, type Log, leaf, node, type Scenarios, type Tensor } from "./common.ts";

const { inference_mode } = torch;
const modes = (): unknown[] => [torch.is_grad_enabled(), torch.is_inference_mode_enabled()];
const about = (t: Tensor): unknown[] => [t.is_inference(), t.requires_grad, t._is_view(), t.is_leaf];
const inference = (values: number[]): Tensor => inference_mode(() => f32(values));

export const scenarios: Scenarios = {
  nesting_with_grad_modes(log: Log) {
    inference_mode(() => {
      log(modes());
      torch.enable_grad(() => {
        log(modes());
        torch.no_grad(() => log(modes()));
      });
      inference_mode(false, () => {
        log(modes());
        torch.no_grad(() => log(modes()));
        using _ = inference_mode({ mode: true });
        log(modes());
      });
      torch.set_grad_enabled(true);
      log(modes());
    });
    log(modes());
    torch.no_grad(() => {
      {
        using _ = inference_mode({ mode: false });
        log(modes());
      }
      log(modes());
    });
  },
  what_is_an_inference_tensor(log: Log) {
    const [p, n] = [leaf(1, 2, 3), f32([1, 2, 3])];
    inference_mode(() => {
      for (const t of [
        f32([1]),
        p.mul(2),
        n.add(1),
        p.clone(),
        torch.zeros(2, { requires_grad: true }),
        torch.empty(2),
        n.to(torch.float64),
      ]) {
        log(about(t));
      }
      log("aliases");
      for (const t of [
        n.view(3, 1),
        n.narrow(0, 1, 2),
        n.detach(),
        p.detach(),
        p.view(1, 3),
        n.reshape(3),
        n.contiguous(),
        n.t(),
        p.data,
      ]) {
        log(about(t));
      }
    });
    log(torch.is_inference(n), torch.is_inference(inference([1])));
  },
  aliases_of_inference_tensors(log: Log) {
    const w = inference([1, 2, 3]);
    const inside = inference_mode(() => [w.view(3, 1), w.select(0, 0), w.detach()]);
    for (const t of [
      ...inside,
      w.view(3, 1),
      w.narrow(0, 1, 2),
      w.detach(),
      w.data,
      w.clone(),
      w.add(0),
      w.to(torch.float64),
      w.contiguous(),
      w.float(),
    ]) {
      log(about(t));
    }
  },
  nothing_is_recorded_inside(log: Log) {
    const p = leaf(1, 2);
    const made: Tensor[] = [];
    inference_mode(() => {
      made.push(p.mul(3));
      torch.enable_grad(() => {
        made.push(p.mul(3));
        made.push(torch.ones(2, { requires_grad: true }));
        made.push(made[2].mul(2));
      });
      log(attempt(() => made[0].sum().backward()));
    });
    for (const t of made) log(about(t), node(t));
  },
  reading_outside(log: Log) {
    const [w, n, p] = [inference([1, 2]), f32([3, 4]), leaf(5, 6)];
    log(w.add(n), about(w.add(n)), w.mul(2).is_inference(), w.sum().item(), w.tolist());
    const s = w.add(p);
    log(s, node(s), edges(s));
    s.sum().backward();
    log(p.grad, p.grad?.is_inference());
    const c = torch.cat([w, p]);
    c.sum().backward();
    log(node(c), p.grad);
  },
  saving_for_backward(log: Log) {
    const [w, p] = [inference([1, 2]), leaf(5, 6)];
    log(attempt(() => w.mul(p)));
    log(attempt(() => p.mul(w)));
    log(attempt(() => torch.where(w.gt(1), p, p.mul(w))));
    log(attempt(() => torch.nn.functional.linear(w, p)));
    log(attempt(() => p.exp().mul_(w)));
    log(attempt(() => p.pow(2).add(w).requires_grad));
    torch.no_grad(() => log(w.mul(p).requires_grad));
    const c = w.clone();
    c.mul(p).sum().backward();
    log(p.grad, c.is_inference());
  },
  saving_in_a_custom_function(log: Log) {
    const apply = custom(
      (ctx, x: Tensor, y: Tensor) => {
        ctx.save_for_backward(x, y);
        return x.mul(y);
      },
      (ctx, g: Tensor) => {
        const [x, y] = ctx.saved_tensors as Tensor[];
        return [g.mul(y), g.mul(x)];
      },
    );
    const [w, p] = [inference([1, 2]), leaf(5, 6)];
    log(attempt(() => apply(w, p)));
    inference_mode(() => log(about(apply(w, p))));
    log(about(apply(w.clone(), p)));
  },
  no_version_counter(log: Log) {
    const [w, n] = [inference([1, 2]), f32([1, 2])];
    log(attempt(() => w._version));
    const v = inference_mode(() => {
      log(
        attempt(() => w._version),
        attempt(() => w.view(2, 1)._version),
      );
      const view = n.view(2, 1);
      n.add_(1);
      view.mul_(2);
      log(n._version, view._version, n);
      return view;
    });
    log(n._version, v._version);
  },
  changes_outside(log: Log) {
    const [n, p] = [f32([1, 2]), leaf(1, 2)];
    for (const change of [
      (w: Tensor) => w.add_(1),
      (w: Tensor) => w.zero_(),
      (w: Tensor) => w.copy_(n),
      (w: Tensor) => w.view(2, 1).mul_(2),
      (w: Tensor) => w.select(0, 0).fill_(2),
      (w: Tensor) => w.add_(p),
      (w: Tensor) => w.requires_grad_(),
      (w: Tensor) => w.requires_grad_(false),
      (w: Tensor) => torch.add(n, n, { out: w }),
      (w: Tensor) => w.uniform_(),
      (w: Tensor) => w.unsqueeze_(0),
    ]) {
      log(attempt(() => change(inference([1, 2]))));
    }
    torch.no_grad(() => {
      log(attempt(() => inference([1, 2]).add_(1)));
      log(attempt(() => inference([1, 2]).requires_grad_()));
    });
  },
  a_detached_inference_tensor(log: Log) {
    let w = inference([1, 2]);
    const d = w.detach();
    log(
      about(d),
      attempt(() => d._version),
      d.mul_(2).tolist(),
      w.tolist(),
      attempt(() => d.view(2, 1).add_(1)),
    );
    log(
      attempt(() => d.mul(leaf(1, 2))),
      attempt(() => d.requires_grad_()),
    );
    w = inference([1, 2]);
    log(
      attempt(() => w.data.mul_(2)),
      attempt(() => w.data._version),
      w,
    );
    const e = inference_mode(() => w.detach());
    log(
      about(e),
      attempt(() => e.mul_(2)),
    );
  },
  changes_inside(log: Log) {
    const [w, n, p] = [inference([1, 2]), f32([1, 2]), leaf(1, 2)];
    inference_mode(() => {
      w.add_(1);
      w.mul_(n);
      w.copy_(p);
      log(w, w, w);
      w.requires_grad_();
      log(about(w), n.add_(w), about(n));
      log(p.add_(1), p._version, about(p));
      w.index_put_([0], 7);
      log(w, torch.add(n, n, { out: n }));
    });
    log(
      attempt(() => w.requires_grad),
      attempt(() => w.add_(n)),
    );
  },
  changes_of_normal_tensors_by_inference_tensors(log: Log) {
    const [w, n, p] = [inference([1, 2]), f32([3, 4]), leaf(5, 6)];
    n.add_(w);
    log(n, n.is_inference());
    n.copy_(w);
    torch.add(w, w, { out: n });
    log(n, n, about(n));
    const y = p.mul(1);
    y.add_(w);
    log(y, node(y));
    y.select(0, 0).copy_(w.select(0, 1));
    log(y, node(y));
    y.sum().backward();
    log(p.grad);
  },
  views_made_inside(log: Log) {
    const p = leaf(1, 2).mul(1);
    const v = inference_mode(() => {
      const view = p.view(2, 1);
      log(about(view));
      view.add_(1);
      return view;
    });
    log(
      attempt(() => about(v)),
      attempt(() => v.add_(1)),
    );
    const w = inference_mode(() => p.view(2, 1));
    log(
      about(w),
      attempt(() => w.add_(1)),
    );
    const q = leaf(1, 2).mul(1);
    const u = inference_mode(() => q.narrow(0, 0, 1));
    q.mul_(2);
    log(attempt(() => u.grad_fn));
    const t = torch.no_grad(() => q.narrow(0, 0, 1));
    q.mul_(2);
    log(attempt(() => t.grad_fn));
    const n = f32([1, 2]);
    const m = inference_mode(() => n.narrow(0, 0, 1));
    m.add_(4);
    log(
      n,
      about(m),
      attempt(() => m.mul_(leaf(3))),
    );
  },
  views_of_views(log: Log) {
    const p = leaf(1, 2, 3).mul(1);
    const v = inference_mode(() => p.view(3, 1));
    const u = v.index([new torch.Slice(null, 2)]);
    log(
      about(u),
      attempt(() => u.add_(1)),
    );
    const w = inference([1, 2, 3]);
    const x = inference_mode(() => w.narrow(0, 1, 2));
    const y = x.narrow(0, 1, 1);
    log(
      about(x),
      about(y),
      attempt(() => y.add_(1)),
    );
    inference_mode(() => {
      log(about(y.add_(10)));
    });
  },
  leaves_made_inside(log: Log) {
    const w = inference_mode(() => f32([1, 2]).requires_grad_());
    const layer = inference_mode(() => {
      const made = new torch.nn.Linear(2, 1, { bias: false });
      made.weight.fill_(0.5);
      return made;
    });
    log(about(w), about(layer.weight), layer.weight instanceof torch.nn.Parameter);
    log(about(w.exp()), about(w.view(2, 1)), about(w.mul(inference([1, 2]))));
    const s = w.add(f32([1, 2]));
    log(about(s), node(s), edges(s));
    s.sum().backward();
    log(w.grad, w.grad?.is_inference());
    let out = layer(f32([1, 2]).view(1, 2));
    log(out, about(out));
    out = torch.addmm(f32([1]), f32([1, 2]).view(1, 2), layer.weight.view(2, 1));
    log(about(out));
    log(
      attempt(() => torch.maximum(f32([0, 3]), w)),
      attempt(() => w.sum().backward()),
    );
    log(attempt(() => layer(leaf(1, 2).view(1, 2))));
    torch.no_grad(() => log(attempt(() => layer.weight.mul_(2))));
  },
  modules_inside(log: Log) {
    const layer = new torch.nn.BatchNorm1d(2);
    const [mean, count] = [layer.running_mean as Tensor, layer.num_batches_tracked as Tensor];
    const weight = layer.weight as Tensor;
    const x = f32([1, 2, 3, 6]).view(2, 2);
    const y = inference_mode(() => layer(x));
    log(about(y), about(mean), mean, count.item());
    log(about(weight), weight._version);
    const z = layer(x);
    log(about(z), node(z));
    z.square().sum().backward();
    log(layer.bias?.grad);
    log(attempt(() => layer(y)));
  },
  an_optimizer_step_inside(log: Log) {
    const p = leaf(1, 2);
    const opt = new torch.optim.SGD([p], { lr: 0.5, momentum: 0.5 });
    p.mul(p).sum().backward();
    inference_mode(() => opt.step());
    log(p, about(p), p._version);
    p.grad = null;
    p.mul(p).sum().backward();
    log(attempt(() => opt.step()));
  },
  backward_inside(log: Log) {
    const p = leaf(2, 3);
    let y = p.pow(3).sum();
    inference_mode(() => {
      y.backward();
      log(p.grad, p.grad?.is_inference(), about(p));
    });
    p.grad = null;
    y = p.pow(3).sum();
    const [g] = inference_mode(() => torch.autograd.grad(y, p, { create_graph: true }));
    log(g, about(g));
    log(attempt(() => g.mul(p).sum().backward()));
  },
  wrapped_in_inference_mode(log: Log) {
    const p = leaf(2, 3);
    const f = inference_mode()((x: Tensor) => x.mul(2));
    const g = inference_mode({ mode: false })((x: Tensor) => x.mul(2));
    log(about(f(p)), about(g(p)), modes());
    inference_mode(() => log(about(f(p)), about(g(p)), modes()));
    log(about(g(f(p))));
    const h = inference_mode()((x: Tensor) => [about(g(x)), about(x.add(1))]);
    log(h(p));
  },
  a_cached_inference_result(log: Log) {
    const w = leaf(1, -1);
    const features = inference_mode(() => f32([1, 2, 3, 4]).view(2, 2).mul(2));
    log(attempt(() => features.mul(w).sum()));
    features.clone().mul(w).sum().backward();
    log(w.grad);
    const same = inference_mode(false, () => {
      log(attempt(() => features.mul(w).sum()));
      return features.add(0);
    });
    same.mul(w).sum().backward();
    log(w.grad, same.is_inference());
  },
  normal_tensors_made_inside_inference_mode_false(log: Log) {
    const a = inference_mode(() => {
      const inner = inference_mode(false, () => {
        const x = f32([1, 2]).requires_grad_();
        const b = x.mul(x).sum();
        log(about(x), about(b), node(b));
        b.backward();
        return x;
      });
      log(inner.grad, inner.grad?.is_inference(), about(inner.view(2, 1)));
      log(inner.grad?.mul(2).is_inference());
      return inner;
    });
    log(
      attempt(() => a.grad?.add_(1)),
      a._version,
    );
  },
};
