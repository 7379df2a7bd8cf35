/** Scaled dot-product attention: https://pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html */
import { bool as BOOL, cppTypeName, float32, scalarTypeName } from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { attentionWeights, weightedValues } from "../../ops/attention.ts";
import { memoryOrder, type Order } from "../../ops/attention-product.ts";
import { zeros } from "../../ops/creation.ts";
import { bind } from "../../ops/define/schema.ts";
import { dropout as dropoutOp } from "../../ops/dropout.ts";
import { broadcastShapes, normalizeDim, numelOf, type Shape, sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of `scaled_dot_product_attention`. */
export interface AttentionOptions {
  /** Broadcasts to (…, L, S): bool, where true takes part, or a float that is added to the scores. */
  readonly attn_mask?: Tensor | null;
  /** The probability of a weight to be dropped. Default 0. */
  readonly dropout_p?: number;
  /** Query i sees keys 0…i. Default false. */
  readonly is_causal?: boolean;
  /** The factor of the scores. Default 1/√E. */
  readonly scale?: number | null;
  /** Query may have a multiple of the heads of key and value. Default false. */
  readonly enable_gqa?: boolean;
}

function checkInputs(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null): void {
  if (q.dtype !== k.dtype || q.dtype !== v.dtype) {
    throw new RuntimeError(
      `Expected query, key, and value to have the same dtype, but got query.dtype: ${cppTypeName(q.dtype)} key.dtype: ${cppTypeName(k.dtype)} and value.dtype: ${cppTypeName(v.dtype)} instead.`,
    );
  }
  if (q.sizes.length < 2 || k.sizes.length < 2 || v.sizes.length < 2) {
    throw new RuntimeError(
      `Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ${q.sizes.length} key.dim: ${k.sizes.length} and value.dim: ${v.sizes.length} instead.`,
    );
  }
  if (mask !== null && mask.dtype !== BOOL && mask.dtype !== float32 && mask.dtype !== q.dtype) {
    throw new RuntimeError(
      `Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ${cppTypeName(mask.dtype)} and  query.dtype: ${cppTypeName(q.dtype)} instead.`,
    );
  }
  if (!q.dtype.is_floating_point) {
    throw new RuntimeError(`expected scalar type Float but found ${scalarTypeName(q.dtype)}`);
  }
}

/** Throws unless (…, m, k) and (…, k2, n) can be multiplied; returns the shape of the product. */
function productShape(a: Shape, b: Shape): Shape {
  const [m, k] = a.slice(-2);
  const [k2, n] = b.slice(-2);
  if (a.length === 2 && b.length === 2) {
    if (k !== k2) throw new RuntimeError(`mat1 and mat2 shapes cannot be multiplied (${m}x${k} and ${k2}x${n})`);
    return [m, n];
  }
  // PyTorch computes with four dimensions, which the positions in its messages show.
  const batch = (s: Shape): Shape => (s.length === 3 ? [1, s[0]] : s.slice(0, -2));
  const all = broadcastShapes(batch(a), batch(b));
  if (k !== k2) {
    const count = all.reduce((p, s) => p * s, 1);
    throw new RuntimeError(
      `Expected size for first two dimensions of batch2 tensor to be: [${count}, ${k}] but got: [${count}, ${k2}].`,
    );
  }
  return [...all, m, n];
}

/** Splits the heads into groups that share a head of key and value: (…, H, L, E) becomes (…, groups, H / groups, L, E). */
function groupHeads(x: Tensor, groups: number): Tensor {
  return x.unflatten(-3, [groups, x.sizes[x.sizes.length - 3] / groups]);
}

/**
 * Attention where heads of the query share those of key and value, without repeating these: they broadcast over one
 * dimension more.
 */
function groupedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | null,
  attend: (q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null) => Tensor,
): Tensor {
  for (const x of [q, k, v]) normalizeDim(-3, x.sizes.length);
  const heads = (x: Tensor): number => x.sizes[x.sizes.length - 3];
  const all = heads(q);
  if (all % heads(k) !== 0 || all % heads(v) !== 0) {
    throw new RuntimeError("Number of heads in key and value must divide the number of heads in ");
  }
  if (heads(k) !== heads(v)) {
    const repeat = (x: Tensor): Tensor => x.repeat_interleave(all / heads(x), -3);
    return attend(q, repeat(k), repeat(v), mask);
  }
  const groups = heads(k);
  if (groups === all) return attend(q, k, v, mask);
  let grouped = mask;
  if (mask !== null && mask.sizes.length > 2) {
    grouped = heads(mask) === 1 ? mask.unsqueeze(-3) : heads(mask) === all ? groupHeads(mask, groups) : mask;
  }
  return attend(groupHeads(q, groups), k.unsqueeze(-3), v.unsqueeze(-3), grouped).flatten(-4, -3);
}

/**
 * `softmax(query keyᵀ · scale + mask) value`: query (…, L, E), key (…, S, E) and value (…, S, F) give (…, L, F). Queries
 * that may see no key give 0.
 */
export function scaled_dot_product_attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  attn_mask?: Tensor | null | AttentionOptions,
  dropout_p?: number | AttentionOptions,
  is_causal?: boolean | AttentionOptions,
  options?: AttentionOptions,
): Tensor {
  const [q, k, v, mask, p, causal, scale, gqa] = bind(
    "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)",
    [query, key, value, attn_mask, dropout_p, is_causal, options],
  ) as [Tensor, Tensor, Tensor, Tensor | null, number, boolean, number | null, boolean];
  return attention(q, k, v, { mask, dropout: p, causal, scale, gqa, order: null });
}

/** What `attention` computes with. */
interface AttentionArguments {
  readonly mask: Tensor | null;
  readonly dropout: number;
  readonly causal: boolean;
  readonly scale: number | null;
  readonly gqa: boolean;
  /** How the result's dimensions lie in memory; null for as those of the query do. */
  readonly order: Order;
}

/** `scaled_dot_product_attention` with its arguments bound. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionArguments): Tensor {
  const { mask, dropout: p, causal, scale, gqa, order } = options;
  checkInputs(q, k, v, mask);
  if (causal && mask !== null) {
    throw new RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  }
  const sizes = [...q.sizes.slice(0, -1), v.sizes[v.sizes.length - 1]];
  if (v.count === 0 || numelOf(sizes) === 0) {
    // Without keys or without a result PyTorch looks no further; the inputs have zero gradients.
    const none = q.sum().add(k.sum()).add(v.sum()).mul(0);
    return zeros(sizes, { dtype: q.dtype }).add(none);
  }
  const attend = (q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null): Tensor => {
    const scores = productShape(q.sizes, [
      ...k.sizes.slice(0, -2),
      k.sizes[k.sizes.length - 1],
      k.sizes[k.sizes.length - 2],
    ]);
    productShape(scores, v.sizes);
    if (mask !== null && !sameShape(broadcastShapes(scores, mask.sizes), scores)) {
      const all = broadcastShapes(scores, mask.sizes);
      throw new RuntimeError(
        `output with shape ${shapeText(scores)} doesn't match the broadcast shape ${shapeText(all)}`,
      );
    }
    const width = q.sizes[q.sizes.length - 1];
    const factor = scale ?? (width === 0 ? 1 : 1 / Math.sqrt(width));
    let weights = attentionWeights(q, k, mask, { scale: factor, causal, safe: true });
    if (p > 0) weights = dropoutOp(weights, p, true);
    return weightedValues(weights, v, order ?? memoryOrder(q), takesFlash(q, k, v, mask, p), causal);
  };
  return gqa ? groupedAttention(q, k, v, mask, attend) : attend(q, k, v, mask);
}

/** Whether PyTorch has one op for it: four dimensions, heads of equal width, and nothing unusual. */
function takesFlash(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, dropout: number): boolean {
  const width = q.sizes[3];
  return (
    dropout === 0 &&
    q.sizes.length === 4 &&
    k.sizes.length === 4 &&
    v.sizes.length === 4 &&
    k.sizes[3] === width &&
    v.sizes[3] === width &&
    !(mask?.requires_grad ?? false)
  );
}
