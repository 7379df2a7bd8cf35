/** Anomaly mode: twins of tools/golden-autograd/anomaly.py. */
import * as torch from "../../../src/index.ts";
import { attempt, f32, type Log, leaf, type Node, node, type Scenarios, type Tensor } from "./common.ts";

const { detect_anomaly, set_detect_anomaly } = torch.autograd;
const switches = (): unknown[] => [torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()];

/** The result of f() and the first lines of the warnings that it gave. */
function reported(f: () => unknown): unknown[] {
  const { warn } = console;
  const texts: string[] = [];
  console.warn = (text: string) =>
    texts.push(
      text
        .replace(/^\w+Warning: /, "")
        .trim()
        .split("\n")[0],
    );
  try {
    const result = attempt(f);
    return [result, texts.filter((text) => !text.includes("has been enabled"))];
  } finally {
    console.warn = warn;
  }
}

const detecting =
  (f: () => unknown, options: { check_nan?: boolean } = {}) =>
  () =>
    detect_anomaly(options, f);

export const scenarios: Scenarios = {
  switches_and_scopes(log: Log) {
    log(switches());
    reported(() =>
      detect_anomaly(() => {
        log(switches());
        set_detect_anomaly(false, () => log(switches()));
        {
          using _ = detect_anomaly({ check_nan: false });
          log(switches());
        }
        log(switches());
      }),
    );
    log(switches());
    {
      using _ = set_detect_anomaly(true, false);
      log(switches());
      set_detect_anomaly(true, { check_nan: true }, () => log(switches()));
    }
    log(switches());
    set_detect_anomaly(true);
    log(switches());
    set_detect_anomaly(false);
    log(switches());
    torch.autograd.anomaly_mode.detect_anomaly(() => torch.no_grad(() => log(switches(), torch.is_grad_enabled())));
  },
  wrong_switches(log: Log) {
    const wrong = set_detect_anomaly as unknown as (mode: number) => void;
    log((attempt(() => wrong(1)) as string).split(":")[0], switches());
  },
  nan_from_an_operation(log: Log) {
    const x = leaf(4, -1);
    log(reported(detecting(() => x.sqrt().sum().backward())), x.grad);
    log(reported(detecting(() => torch.autograd.grad(x.log().mul(2).pow(2).sum(), x))));
    log(reported(detecting(() => x.exp().mul(0).div(0).sum().backward())), x.grad);
  },
  nan_in_the_second_output(log: Log) {
    const [a, b] = [leaf(1, 0), leaf(0, 0)];
    log(reported(detecting(() => a.div(b).sum().backward())));
    log(reported(detecting(() => b.mul(torch.atan2(a, b)).sum().backward())));
    log(a.grad, b.grad);
  },
  where_hides_a_nan(log: Log) {
    const x = leaf(0, 1);
    torch.where(x.gt(0), x.sqrt(), torch.zeros(2)).sum().backward();
    log(x.grad);
    const safe = () => {
      const z = torch.where(x.gt(0), x, torch.ones(2)).sqrt();
      torch.where(x.gt(0), z, torch.zeros(2)).sum().backward();
    };
    const unsafe = () => torch.where(x.gt(0), x.div(x.detach()).log(), torch.zeros(2)).sum().backward();
    x.grad = null;
    log(reported(detecting(safe)), x.grad);
    log(reported(detecting(unsafe)));
  },
  without_looking_for_nan(log: Log) {
    const x = leaf(4, -1);
    log(reported(detecting(() => x.sqrt().sum().backward(), { check_nan: false })), x.grad);
  },
  forward_outside_of_the_mode(log: Log) {
    const x = leaf(-1);
    const y = x.sqrt().sum();
    log(reported(detecting(() => y.backward())));
    const z = set_detect_anomaly(true, () => x.sqrt().sum());
    log(reported(() => z.backward()));
  },
  changed_in_place(log: Log) {
    const run = () => {
      const x = leaf(1, 2);
      const y = x.exp();
      const z = y.mul(y).sum();
      y.add_(1);
      z.backward();
    };
    log(reported(run));
    log(reported(detecting(run)));
    set_detect_anomaly(true);
    log(reported(run));
    set_detect_anomaly(false);
    const hint = () => {
      try {
        run();
      } catch (error) {
        return (error as Error).message.split("Hint: ")[1];
      }
    };
    log(hint());
    let inMode: unknown;
    reported(() => set_detect_anomaly(true, () => (inMode = hint())));
    log(inMode);
  },
  errors_in_a_custom_function(log: Log) {
    class Fails extends torch.autograd.Function {
      static forward(_ctx: unknown, x: Tensor): Tensor {
        return x.mul(2);
      }
      static backward(): Tensor {
        throw new torch.RuntimeError("no gradient today");
      }
    }
    class Spoils extends torch.autograd.Function {
      static forward(_ctx: unknown, x: Tensor, y: Tensor): Tensor {
        return x.mul(y);
      }
      static backward(_ctx: unknown, g: Tensor): [Tensor, Tensor] {
        return [g, g.mul(NaN)];
      }
    }
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    log(reported(detecting(() => Fails.apply(x).sum().backward())));
    log(reported(detecting(() => Spoils.apply(x, y).sum().backward())));
    log(x.grad, y.grad);
  },
  hooks_and_nan(log: Log) {
    const x = leaf(1, 2);
    const byHook = (where: (y: Tensor) => unknown) => () => {
      x.grad = null;
      const y = x.mul(3);
      where(y);
      y.mul(2).sum().backward();
    };
    log(reported(detecting(byHook((y) => y.register_hook((g) => g.mul(NaN))))));
    log(reported(detecting(byHook(() => x.register_hook((g) => g.mul(NaN)).remove()))), x.grad);
    const spoil = (y: Tensor) =>
      (y.grad_fn as Node).register_hook(([g]) => [(g as Tensor).mul(NaN), null].slice(0, edges));
    // PyTorch's node has an edge for the number, which ours has not.
    const edges = (x.mul(3).grad_fn as Node).next_functions.length;
    log(reported(detecting(byHook(spoil))));
    const raising = () => {
      throw new torch.ValueError("from a hook");
    };
    log(reported(detecting(byHook((y) => y.register_hook(raising)))));
    const handle = x.register_hook((g) => g.mul(NaN));
    log(reported(detecting(byHook(() => null))), x.grad);
    handle.remove();
  },
  a_nan_that_comes_in(log: Log) {
    const x = leaf(1, 2);
    log(reported(detecting(() => x.mul(1).sum().backward(torch.tensor(NaN)))));
    log(reported(detecting(() => x.sum().backward(torch.tensor(Infinity)))), x.grad);
    log(reported(detecting(() => x.backward(f32([1, NaN])))), x.grad);
  },
  double_backward(log: Log) {
    const x = leaf(0);
    const run = () => {
      const y = x.pow(1.5).sum();
      const [g] = torch.autograd.grad(y, x, { create_graph: true });
      g.mul(0).add(g.sqrt().mul(0)).sum().backward();
    };
    log(reported(detecting(run)));
    const failsTwice = () => {
      const w = leaf(1, 2);
      const [g] = torch.autograd.grad(w.exp().mul(w).sum(), w, { create_graph: true });
      const h = g.mul(g);
      g.add_(1);
      h.sum().backward();
    };
    log(reported(detecting(failsTwice)));
  },
  third_order(log: Log) {
    const run = () => {
      const x = leaf(0);
      const y = x.pow(2.5);
      const [g] = torch.autograd.grad(y, x, { create_graph: true });
      const [h] = torch.autograd.grad(g, x, { create_graph: true });
      const [k] = torch.autograd.grad(h, x, { create_graph: true });
      log(g, h, k);
      k.mul(0).backward();
    };
    log(reported(detecting(run)));
  },
  metadata_of_nodes(log: Log) {
    const metadata = (t: Tensor) => (t.grad_fn as Node).metadata;
    const x = leaf(1, 2);
    log(Object.keys(metadata(x.mul(2))).sort());
    set_detect_anomaly(true, () => {
      const y = x.exp();
      log(Object.keys(metadata(y)).sort(), Array.isArray(metadata(y).traceback_));
      metadata(y).mine = 5;
      log(Object.keys(metadata(y)).sort());
      const [g] = torch.autograd.grad(y.mul(y).sum(), x, { create_graph: true });
      log(node(g), Object.keys(metadata(g)).sort(), (metadata(g).parent_ as Node).name());
    });
  },
  modes_of_hooks_in_anomaly(log: Log) {
    const seen: unknown[] = [];
    const x = leaf(1, 2);
    const run = () => {
      const y = x.mul(2);
      y.register_hook(() => {
        seen.push([torch.is_anomaly_enabled(), torch.is_grad_enabled()]);
      });
      y.sum().backward();
    };
    set_detect_anomaly(true, run);
    run();
    log(seen, x.grad);
  },
  backward_within_backward(log: Log) {
    const x = leaf(-1);
    const run = () => {
      const y = x.mul(1);
      y.register_hook(() => {
        torch.enable_grad(() => {
          torch.autograd.grad(x.detach().requires_grad_().sqrt().sum(), x, { allow_unused: true });
          x.detach().requires_grad_().sqrt().sum().backward();
        });
      });
      y.sum().backward();
    };
    log(reported(detecting(run)));
  },
};
