/** Pictures of histories: what is in them, that they are well formed, and that large ones come in time. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { layOut } from "../../src/utils/viz/layout.ts";

const { make_dot } = torch.utils.viz;

/** The names of elements, after a check that every one is closed in its order. */
function elements(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  for (const [, close, name, rest] of xml.matchAll(/<(\/?)([a-z]+)((?:[^<>"]|"[^"<>]*")*)>/g)) {
    if (close) assert.equal(open.pop(), name);
    else {
      names.push(name);
      if (!rest.endsWith("/")) open.push(name);
    }
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(xml.replace(/<[^<>]*>/g, "").replace(/&(amp|lt|gt|quot|#39);/g, ""), /[<&]/);
  return names;
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

test("leaves with names and shapes, functions, and the result", () => {
  const net = new torch.nn.Linear(3, 2);
  const loss = net(torch.ones(4, 3)).square().mean();
  const graph = make_dot(loss, { params: net.named_parameters() });
  const { source } = graph;
  for (const title of ["AddmmBackward0", "PowBackward0", "MeanBackward0", "TBackward0"]) {
    assert.equal(count(source, `label="${title}"`), 1, title);
  }
  assert.equal(count(source, 'label="AccumulateGrad"'), 2);
  assert.match(source, /label="weight\\n\(2, 3\)" fillcolor="lightblue"/);
  assert.match(source, /label="bias\\n\(2\)" fillcolor="lightblue"/);
  assert.match(source, /label="\(\)" fillcolor="#caff70"/);
  // Nine boxes in a tree have eight arrows.
  assert.equal(count(source, "[label="), 9);
  assert.equal(count(source, " -> "), 8);

  const svg = graph.svg();
  const names = elements(svg);
  assert.equal(names.filter((n) => n === "g").length, 9);
  assert.ok(svg.includes(">weight</text>") && svg.includes(">(2, 3)</text>"));
  elements(graph.html({ title: "a <b> & 'c'" }).replace(/<!doctype html>|<meta [^>]*>|<html [^>]*>|<\/html>/g, ""));
  assert.ok(graph.html({ title: "a <b>" }).includes("<title>a &lt;b&gt;</title>"));
  assert.equal(graph.svg(), svg);
});

test("a tensor that is used twice is one box; several results; a result without history", () => {
  const x = torch.ones(2, { requires_grad: true });
  const shared = x.sin();
  const { source } = make_dot([shared.mul(shared), shared.exp(), torch.ones(3)], { params: { x } });
  assert.equal(count(source, 'label="SinBackward0"'), 1);
  assert.equal(count(source, 'label="x\\n(2)"'), 1);
  assert.equal(count(source, "#caff70"), 2);
  assert.equal(count(source, 'label="(3)" fillcolor="lightblue"'), 1);
});

test("parameters of a module; files", async () => {
  const net = new torch.nn.Linear(3, 2);
  const graph = make_dot(net(torch.ones(4, 3)), { params: net });
  const listed = make_dot(net(torch.ones(4, 3)), { params: [...net.named_parameters()] });
  assert.equal(graph.source, listed.source);
  assert.match(graph.source, /label="bias\\n\(2\)"/);
  const folder = mkdtempSync(join(tmpdir(), "kindling-viz-"));
  try {
    for (const [name, text] of Object.entries({ "a.svg": graph.svg(), "b.html": graph.html(), "c.gv": graph.source })) {
      await graph.save(join(folder, name));
      assert.equal(readFileSync(join(folder, name), "utf8"), text);
    }
    await assert.rejects(graph.save(join(folder, "a.png")), { name: "ValueError", message: /\.svg, \.html, \.dot/ });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("long links are straight where there is room", () => {
  const size = { width: 60, height: 20 };
  const chain = Array.from({ length: 9 }, (_, i) => ({ from: i, to: i + 1 }));
  const { routes } = layOut(Array(10).fill(size), [...chain, { from: 1, to: 8 }, { from: 3, to: 6 }]);
  for (const route of routes.slice(9)) {
    assert.ok(route.length > 4);
    assert.equal(new Set(route.slice(1, -1).map(({ x }) => x)).size, 1);
  }
});

test("names are escaped", () => {
  const x = torch.ones(2, { requires_grad: true });
  const graph = make_dot(x.mul(2), { params: new Map([['<a href="x">&\u0000\\', x]]) });
  assert.ok(graph.source.includes('label="<a href=\\"x\\">&\u0000\\\\\\n(2)"'));
  assert.ok(graph.svg().includes("&lt;a href=&quot;x&quot;&gt;&amp;\ufffd\\</text>"));
  elements(graph.svg());
});

test("what is no tensor is refused", () => {
  assert.throws(() => make_dot(3 as never), TypeError);
  assert.throws(() => make_dot(torch.ones(1), { params: { x: 3 as never } }), /parameter 'x' is .*not a Tensor/);
});

test("deep, wide and tangled histories are drawn", () => {
  const w = torch.ones(3, { requires_grad: true });
  let deep = w.mul(1);
  for (let i = 0; i < 1000; i++) deep = deep.mul(w).sin();
  assert.equal(count(make_dot(deep).svg(), "<g "), 2 + 2001 + 1);
  const many = Array.from({ length: 800 }, () => torch.ones(2, { requires_grad: true }));
  for (let i = 0; i < 400; i++) many.push(many[(i * 7919) % many.length].mul(many[(i * 104_729 + 3) % many.length]));
  // 4,000 functions, each of which is used in one far below.
  let [z, s] = [torch.ones(1, { requires_grad: true }), torch.zeros(1)];
  const terms: torch.Tensor[] = [];
  for (let i = 0; i < 2000; i++) {
    terms.push(z.mul(i));
    if (i % 3 === 2) z = terms[(i * 7919) % i].add(terms[i]);
  }
  for (const term of terms) s = s.add(term);
  const begin = performance.now();
  assert.ok(count(make_dot(s).svg(), "<g ") > 4000);
  assert.ok(performance.now() - begin < 15_000);
  const svg = make_dot(torch.stack(many).sum()).svg();
  assert.equal(count(svg, "<g "), 2 * 800 + 400 + 3);
});

test("layers: links lead downwards, boxes do not overlap, and links that need not cross do not", () => {
  const size = { width: 60, height: 20 };
  const sizes = Array.from({ length: 40 }, (_, i) => ({ width: 30 + ((i * 37) % 90), height: 20 }));
  const links = Array.from({ length: 60 }, (_, i) => ({ from: (i * 13) % 20, to: 20 + ((i * 7) % 20) }));
  links.push({ from: 0, to: 5 }, { from: 5, to: 12 }, { from: 20, to: 30 }, { from: 30, to: 39 });
  const { boxes, routes, width, height } = layOut(sizes, links);
  links.forEach(({ from, to }, i) => {
    assert.ok(boxes[from].y < boxes[to].y);
    for (let k = 1; k < routes[i].length; k++) assert.ok(routes[i][k].y >= routes[i][k - 1].y);
  });
  boxes.forEach((a, i) => {
    assert.ok(a.x - sizes[i].width / 2 >= 0 && a.x + sizes[i].width / 2 <= width && a.y > 0 && a.y < height);
    boxes.forEach((b, j) => {
      if (i < j && a.y === b.y) assert.ok(Math.abs(a.x - b.x) >= (sizes[i].width + sizes[j].width) / 2);
    });
  });
  // Two chains side by side, given in a tangled order: straight when drawn.
  const chains = layOut(Array(6).fill(size), [
    { from: 0, to: 3 },
    { from: 1, to: 2 },
    { from: 3, to: 4 },
    { from: 2, to: 5 },
  ]);
  assert.equal(chains.boxes[0].x, chains.boxes[3].x);
  assert.equal(chains.boxes[3].x, chains.boxes[4].x);
  assert.equal(chains.boxes[1].x, chains.boxes[5].x);
  assert.deepEqual(layOut([], []).boxes, []);
});
