/** Attention inside windows that are shifted in every second layer: https://arxiv.org/abs/2103.14030, section 3.2. */
import * as F from "../../nn/functional.ts";
import { attentionWeights, weightedValues } from "../../ops/attention.ts";
import { zeros } from "../../ops/creation.ts";
import { tensor } from "../../ops/from-values.ts";
import { cat } from "../../ops/joining.ts";
import { roll } from "../../ops/rearranging.ts";
import type { Tensor } from "../../tensor.ts";

export interface ShiftedWindowOptions {
  /** How far windows are shifted: half their size, or 0. */
  readonly shift_size: readonly number[];
  /** Default 0. */
  readonly attention_dropout?: number;
  /** Default 0. */
  readonly dropout?: number;
  readonly qkv_bias?: Tensor | null;
  readonly proj_bias?: Tensor | null;
  /** Logarithms of the factors of cosines, (heads, 1, 1): version 2. */
  readonly logit_scale?: Tensor | null;
  /** Default true. */
  readonly training?: boolean;
}

/** Masks by sizes, of which a network has few. */
const masks = new Map<string, Tensor>();

/**
 * What is added to scores where a window holds parts of the picture that the shift has brought together: (windows, 1, area,
 * area), -100 between different parts, else 0.
 */
function shiftMask(height: number, width: number, window: readonly number[], shift: readonly number[]): Tensor {
  const key = [height, width, ...window, ...shift].join();
  const known = masks.get(key);
  if (known !== undefined) return known;
  // Each way: all but the last window, the part of the last one that stayed, and the part that came from the other end.
  const band = (i: number, length: number, d: number): number => {
    if (shift[d] === 0 || i < length - window[d]) return 0;
    return i < length - shift[d] ? 1 : 2;
  };
  const area = window[0] * window[1];
  const [rows, columns] = [height / window[0], width / window[1]];
  const values = new Float32Array(rows * columns * area * area);
  const parts = new Int32Array(area);
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      for (let i = 0; i < area; i++) {
        const y = r * window[0] + Math.floor(i / window[1]);
        const x = c * window[1] + (i % window[1]);
        parts[i] = 3 * band(y, height, 0) + band(x, width, 1);
      }
      for (let i = 0; i < area; i++) for (let j = 0; j < area; j++) values[at++] = parts[i] === parts[j] ? 0 : -100;
    }
  }
  const mask = tensor(values).view(rows * columns, 1, area, area);
  mask.storage.kept = true;
  masks.set(key, mask);
  return mask;
}

/** The bias of the projections with that of the keys 0: cosines need none. */
function withoutKeyBias(bias: Tensor): Tensor {
  const [query, key, value] = bias.chunk(3);
  return cat([query, zeros(key.sizes, { dtype: key.dtype }), value]);
}

/**
 * Attention in windows. Input and result (N, H, W, C); weights of the projections (3C, C) and (C, C);
 * `relative_position_bias` (1, heads, area, area) is added to the scores.
 */
export function shifted_window_attention(
  input: Tensor,
  qkv_weight: Tensor,
  proj_weight: Tensor,
  relative_position_bias: Tensor,
  window_size: readonly number[],
  num_heads: number,
  options: ShiftedWindowOptions,
): Tensor {
  const { attention_dropout = 0, dropout = 0, qkv_bias = null, proj_bias = null, logit_scale = null } = options;
  const { training = true } = options;
  const [batch, height, width, channels] = input.sizes;
  const [windowHeight, windowWidth] = window_size;
  const rows = Math.ceil(height / windowHeight);
  const columns = Math.ceil(width / windowWidth);
  const padded = [rows * windowHeight, columns * windowWidth];
  const padding = [0, 0, 0, padded[1] - width, 0, padded[0] - height];
  let x = padding.some((p) => p > 0) ? F.pad(input, padding) : input;
  // A window as large as the picture has nowhere to go.
  const shift = options.shift_size.map((s, d) => (window_size[d] >= padded[d] ? 0 : s));
  const shifted = shift[0] + shift[1] > 0;
  if (shifted) x = roll(x, [-shift[0], -shift[1]], [1, 2]);
  const windows = rows * columns;
  const area = windowHeight * windowWidth;
  x = x
    .view(batch, rows, windowHeight, columns, windowWidth, channels)
    .permute(0, 1, 3, 2, 4, 5)
    .reshape(batch * windows, area, channels);
  const bias = logit_scale !== null && qkv_bias !== null ? withoutKeyBias(qkv_bias) : qkv_bias;
  const features = channels / num_heads;
  // (N, windows, heads, area, features) each, read where the projection has written them.
  const [q, k, v] = F.linear(x, qkv_weight, bias)
    .view(batch, windows, area, 3, num_heads, features)
    .permute(3, 0, 1, 4, 2, 5)
    .unbind(0);
  let mask = relative_position_bias;
  if (shifted) {
    const between = shiftMask(padded[0], padded[1], window_size, shift);
    mask = mask.add(between.dtype === mask.dtype ? between : between.to(mask.dtype));
  }
  let weights: Tensor;
  if (logit_scale === null) {
    weights = attentionWeights(q, k, mask, { scale: features ** -0.5, causal: false, safe: false });
  } else {
    const factor = logit_scale.clamp(null, Math.log(100)).exp();
    const direction = (t: Tensor): Tensor => F.normalize(t, { dim: -1 });
    weights = attentionWeights(direction(q).mul(factor), direction(k), mask, { scale: 1, causal: false, safe: false });
  }
  weights = F.dropout(weights, attention_dropout, training);
  x = weightedValues(weights, v, [0, 1, 3, 2, 4], false)
    .transpose(2, 3)
    .reshape(batch * windows, area, channels);
  x = F.linear(x, proj_weight, proj_bias);
  x = F.dropout(x, dropout, training);
  x = x
    .view(batch, rows, columns, windowHeight, windowWidth, channels)
    .permute(0, 1, 3, 2, 4, 5)
    .reshape(batch, ...padded, channels);
  if (shifted) x = roll(x, shift, [1, 2]);
  return x.narrow(1, 0, height).narrow(2, 0, width).contiguous();
}
