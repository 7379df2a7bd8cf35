/**
 * Places boxes in layers, as Sugiyama, Tagawa and Toda do (Methods for Visual Understanding of Hierarchical System
 * Structures, 1981): layers by longest paths, an order within layers that crosses few arrows (barycenters), then
 * coordinates that make arrows straight.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Link {
  readonly from: number;
  readonly to: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** The middle of each box. */
  readonly boxes: readonly Point[];
  /** For each link the points it passes to the top of a box, from another box or from where it leaves a link of that. */
  readonly routes: readonly (readonly Point[])[];
}

const GAP = 22;
/** Links that pass a layer need less room than boxes. */
const LINK_GAP = 14;
const LAYER_GAP = 30;
const MARGIN = 16;
const ORDER_SWEEPS = 12;
const POSITION_SWEEPS = 60;
/** Links are led around boxes, the shortest first, until so many places are taken; the others are drawn straight. */
const MOST_PASSING = 20_000;

/** A box, or the place where a long link passes a layer. */
interface Place {
  readonly width: number;
  readonly height: number;
  readonly passing: boolean;
  readonly above: Place[];
  readonly below: Place[];
  layer: number;
  /** How many boxes the longest way from the top to here has, up to a limit. */
  depth: number;
  x: number;
  order: number;
}

/** Layers from the top: each box stands right above the highest of those that it leads to. */
function assignLayers(count: number, links: readonly Link[]): number[] {
  const targets: number[][] = Array.from({ length: count }, () => []);
  const sources: number[][] = Array.from({ length: count }, () => []);
  const open = new Array<number>(count).fill(0);
  for (const { from, to } of links) {
    targets[from].push(to);
    sources[to].push(from);
    open[from]++;
  }
  const fromBottom = new Array<number>(count).fill(0);
  const ready: number[] = [];
  for (let i = 0; i < count; i++) if (open[i] === 0) ready.push(i);
  let deepest = 0;
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    for (const target of targets[i]) fromBottom[i] = Math.max(fromBottom[i], fromBottom[target] + 1);
    deepest = Math.max(deepest, fromBottom[i]);
    for (const source of sources[i]) if (--open[source] === 0) ready.push(source);
  }
  return fromBottom.map((n) => deepest - n);
}

function newPlace(size: Size, layer: number, passing: boolean): Place {
  return { width: size.width, height: size.height, passing, above: [], below: [], layer, depth: 0, x: 0, order: 0 };
}

function connect(a: Place, b: Place): void {
  a.below.push(b);
  b.above.push(a);
}

/** Depth first from the bottom: what belongs together starts side by side. */
function initialOrder(layers: Place[][]): void {
  const seen = new Set<Place>();
  const result: Place[][] = layers.map(() => []);
  for (const root of [...layers].reverse().flat()) {
    const stack = [root];
    for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      result[place.layer].push(place);
      for (let i = place.above.length - 1; i >= 0; i--) stack.push(place.above[i]);
    }
  }
  result.forEach((layer, i) => {
    layers[i] = layer;
  });
  number(layers);
}

function number(layers: readonly Place[][]): void {
  for (const layer of layers) {
    layer.forEach((place, i) => {
      place.order = i;
    });
  }
}

/** How many pairs of links between neighbouring layers cross: inversions, counted in a Fenwick tree. */
function crossings(layers: readonly Place[][]): number {
  let total = 0;
  for (let i = 0; i + 1 < layers.length; i++) {
    const size = layers[i + 1].length;
    const tree = new Int32Array(size + 1);
    let inserted = 0;
    for (const place of layers[i]) {
      const ends = place.below.map((b) => b.order).sort((a, b) => a - b);
      for (const end of ends) {
        let notRight = 0;
        for (let k = end + 1; k > 0; k -= k & -k) notRight += tree[k];
        total += inserted - notRight;
      }
      for (const end of ends) {
        for (let k = end + 1; k <= size; k += k & -k) tree[k]++;
        inserted++;
      }
    }
  }
  return total;
}

function sortByBarycenter(layer: Place[], side: "above" | "below"): void {
  const center = new Map<Place, number>();
  for (const place of layer) {
    const neighbours = place[side];
    let sum = 0;
    for (const n of neighbours) sum += n.order;
    center.set(place, neighbours.length === 0 ? place.order : sum / neighbours.length);
  }
  layer.sort((a, b) => (center.get(a) as number) - (center.get(b) as number) || a.order - b.order);
  layer.forEach((place, i) => {
    place.order = i;
  });
}

function reduceCrossings(layers: Place[][]): void {
  let best = crossings(layers);
  let kept = layers.map((layer) => [...layer]);
  for (let sweep = 0; sweep < ORDER_SWEEPS && best > 0; sweep++) {
    if (sweep % 2 === 0) for (let i = layers.length - 2; i >= 0; i--) sortByBarycenter(layers[i], "below");
    else for (let i = 1; i < layers.length; i++) sortByBarycenter(layers[i], "above");
    const now = crossings(layers);
    if (now < best) {
      best = now;
      kept = layers.map((layer) => [...layer]);
    }
  }
  kept.forEach((layer, i) => {
    layers[i] = layer;
  });
  number(layers);
}

function distance(a: Place, b: Place): number {
  return (a.width + b.width) / 2 + (a.passing && b.passing ? LINK_GAP : GAP);
}

/**
 * Moves the places of a layer as near as possible to where they want to be, in their order and with room between them:
 * least squares under order constraints, by pooling adjacent violators (Ayer et al., 1955).
 */
function settle(layer: readonly Place[], wanted: readonly number[], weights: readonly number[]): void {
  const offsets: number[] = [];
  let offset = 0;
  const blocks: { sum: number; weight: number; count: number }[] = [];
  layer.forEach((place, i) => {
    if (i > 0) offset += distance(layer[i - 1], place);
    offsets.push(offset);
    let block = { sum: (wanted[i] - offset) * weights[i], weight: weights[i], count: 1 };
    for (let last = blocks.at(-1); last && last.sum / last.weight >= block.sum / block.weight; last = blocks.at(-1)) {
      block = { sum: last.sum + block.sum, weight: last.weight + block.weight, count: last.count + block.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  let i = 0;
  for (const { sum, weight, count } of blocks) {
    for (let k = 0; k < count; k++, i++) layer[i].x = sum / weight + offsets[i];
  }
}

/** Where more is above, there is the trunk: what branches off gives way to it. */
const TRUNK = 12;

function pull(a: Place, b: Place): number {
  // Long links are to be straight: their inner parts pull harder.
  const straight = a.passing && b.passing ? 8 : 1;
  return straight * (1 + Math.min(a.depth, b.depth) ** 2);
}

function assignPositions(layers: readonly Place[][]): void {
  for (const layer of layers) {
    for (const place of layer)
      for (const n of place.above) place.depth = Math.min(TRUNK, Math.max(place.depth, n.depth + 1));
  }
  for (const layer of layers)
    settle(
      layer,
      layer.map(() => 0),
      layer.map(() => 1),
    );
  for (let sweep = 0; sweep < POSITION_SWEEPS; sweep++) {
    const down = sweep % 2 === 1;
    // At first only the layer before counts; in the end both, which evens out.
    const both = sweep >= POSITION_SWEEPS - 6;
    const order = down ? layers : [...layers].reverse();
    for (const layer of order) {
      const wanted: number[] = [];
      const weights: number[] = [];
      for (const place of layer) {
        const neighbours = both ? [...place.above, ...place.below] : down ? place.above : place.below;
        let sum = 0;
        let weight = 0;
        for (const n of neighbours) {
          const w = pull(n, place);
          sum += w * n.x;
          weight += w;
        }
        wanted.push(weight === 0 ? place.x : sum / weight);
        weights.push(weight === 0 ? 0.1 : weight);
      }
      settle(layer, wanted, weights);
    }
  }
}

/** Where a passing place may be without touching its neighbours in the layer. */
function room(place: Place, layer: readonly Place[]): [from: number, to: number] {
  const left = layer[place.order - 1];
  const right = layer[place.order + 1];
  return [
    left === undefined ? -Infinity : left.x + distance(left, place),
    right === undefined ? Infinity : right.x - distance(place, right),
  ];
}

/** Makes a long link of as few straight pieces as there is room for. */
function straighten(stem: readonly Place[], layers: readonly Place[][]): void {
  const passing = stem.filter((place) => place.passing);
  for (let begin = 0; begin < passing.length; ) {
    let [from, to] = [-Infinity, Infinity];
    let end = begin;
    let sum = 0;
    for (; end < passing.length; end++) {
      const [left, right] = room(passing[end], layers[passing[end].layer]);
      // The first fits where it is, but for rounding.
      if (end > begin && Math.max(from, left) > Math.min(to, right)) break;
      from = Math.max(from, left);
      to = Math.min(to, right);
      sum += passing[end].x;
    }
    const x = Math.min(Math.max(sum / (end - begin), from), Math.max(from, to));
    for (; begin < end; begin++) passing[begin].x = x;
  }
}

/** Places boxes of the given sizes so that links lead downwards. Links must not form a circle. */
export function layOut(sizes: readonly Size[], links: readonly Link[]): Layout {
  if (sizes.length === 0) return { width: 2 * MARGIN, height: 2 * MARGIN, boxes: [], routes: [] };
  const layerOf = assignLayers(sizes.length, links);
  const depth =
    Math.max(
      ...layerOf.slice(0, 1),
      layerOf.reduce((a, b) => Math.max(a, b), 0),
    ) + 1;
  const layers: Place[][] = Array.from({ length: depth }, () => []);
  const boxes = sizes.map((size, i) => {
    const place = newPlace(size, layerOf[i], false);
    layers[place.layer].push(place);
    return place;
  });
  const spanOf = ({ from, to }: Link): number => layerOf[to] - layerOf[from];
  // Links of one box share the places that they pass: they are one stem, from which one after another branches off.
  const stems = new Map<number, Place[]>();
  let places = MOST_PASSING;
  const shortestFirst = links.map((_, i) => i).sort((i, j) => spanOf(links[i]) - spanOf(links[j]) || i - j);
  const passing: Place[][] = links.map(() => []);
  for (const i of shortestFirst) {
    const { from, to } = links[i];
    const stem = stems.get(from) ?? [boxes[from]];
    stems.set(from, stem);
    const drawn = stem.length;
    const missing = layerOf[to] - layerOf[from] - drawn;
    if (missing > places) continue;
    places -= Math.max(0, missing);
    for (let layer = layerOf[from] + stem.length; layer < layerOf[to]; layer++) {
      const place = newPlace({ width: 2, height: 0 }, layer, true);
      layers[layer].push(place);
      connect(stem[stem.length - 1], place);
      stem.push(place);
    }
    connect(stem[layerOf[to] - layerOf[from] - 1], boxes[to]);
    passing[i] = stem.slice(drawn - 1, layerOf[to] - layerOf[from]);
  }
  initialOrder(layers);
  reduceCrossings(layers);
  assignPositions(layers);
  number(layers);
  for (const stem of stems.values()) straighten(stem, layers);

  let left = Infinity;
  let right = -Infinity;
  const middle: number[] = [];
  const heights: number[] = [];
  let y = MARGIN;
  for (const layer of layers) {
    let height = 0;
    for (const place of layer) {
      left = Math.min(left, place.x - place.width / 2);
      right = Math.max(right, place.x + place.width / 2);
      height = Math.max(height, place.height);
    }
    middle.push(y + height / 2);
    heights.push(height);
    y += height + LAYER_GAP;
  }
  const at = (place: Place): Point => ({ x: place.x - left + MARGIN, y: middle[place.layer] });
  const routes = links.map(({ from, to }, i) => {
    const points: Point[] = [];
    if (passing[i].length === 0) {
      const start = at(boxes[from]);
      points.push({ x: start.x, y: start.y + boxes[from].height / 2 });
    }
    passing[i].forEach((place, k) => {
      const { x, y: center } = at(place);
      if (!place.passing) points.push({ x, y: center + place.height / 2 });
      else {
        // A passing link stays straight beside the boxes of a layer.
        const half = heights[place.layer] / 2;
        if (k > 0) points.push({ x, y: center - half });
        points.push({ x, y: center + half });
      }
    });
    const end = at(boxes[to]);
    points.push({ x: end.x, y: end.y - boxes[to].height / 2 });
    return points;
  });
  return { width: right - left + 2 * MARGIN, height: y - LAYER_GAP + MARGIN, boxes: boxes.map(at), routes };
}
