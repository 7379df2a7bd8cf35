import assert from "node:assert/strict";
import { test } from "node:test";
import { expandUser, get_dir, set_dir } from "../../src/hub/directory.ts";

// TORCH_HOME, XDG_CACHE_HOME, HOME, set_dir, and what torch.hub.get_dir() of PyTorch 2.14 gives for them.
const cases: [string | null, string | null, string, string | null, string][] = [
  [null, null, "/home/ann", null, "/home/ann/.cache/torch/hub"],
  [null, "/var/cache", "/home/ann", null, "/var/cache/torch/hub"],
  ["/data/torch", "/var/cache", "/home/ann", null, "/data/torch/hub"],
  ["~/t", null, "/home/ann/", null, "/home/ann/t/hub"],
  ["", null, "/home/ann", null, "hub"],
  [null, "", "/home/ann", null, "torch/hub"],
  ["/data/", null, "/home/ann", null, "/data/hub"],
  [null, "~/c/", "/home/ann", null, "/home/ann/c/torch/hub"],
  ["rel", null, "/", null, "rel/hub"],
  [null, null, "/", null, "/.cache/torch/hub"],
  ["~", null, "/", null, "/hub"],
  ["x", null, "/home/ann", "~/weights", "/home/ann/weights"],
  ["x", null, "/home/ann", "w", "w"],
];

test("get_dir follows PyTorch's rules", { skip: process.platform === "win32" }, () => {
  const before = { ...process.env };
  try {
    for (const [torchHome, xdg, home, set, expected] of cases) {
      for (const [name, value] of Object.entries({ TORCH_HOME: torchHome, XDG_CACHE_HOME: xdg, HOME: home })) {
        if (value === null) delete process.env[name];
        else process.env[name] = value;
      }
      if (set !== null) set_dir(set);
      assert.equal(get_dir(), expected);
    }
    delete process.env.HOME;
    assert.match(expandUser("~/x"), /^\/.*\/x$/, "the home folder comes from the system where HOME is not set");
    assert.equal(expandUser("~ann/x"), "~ann/x");
    assert.equal(expandUser("a~"), "a~");
  } finally {
    process.env = before;
  }
});
