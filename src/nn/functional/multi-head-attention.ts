/** Multi-head attention (Vaswani et al., 2017): projections, attention of each head, and the projection back. */
import { bool as BOOL, type DType } from "../../dtype.ts";
import { AssertionError, RuntimeError } from "../../errors.ts";
import { attentionWeights, weightedValues } from "../../ops/attention.ts";
import { zeros, zeros_like } from "../../ops/creation.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { dropout as dropoutOp } from "../../ops/dropout.ts";
import { cat } from "../../ops/joining.ts";
import { sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { attention } from "./attention.ts";
import { linear } from "./linear.ts";
import { pad } from "./pad.ts";

const size = (shape: readonly number[]): string => `torch.Size(${shapeText(shape)})`;
const tuple = (shape: readonly number[]): string => `(${shape.join(", ")})`;

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

const warned = new Set<string>();

/** A bool mask as one that is added: -inf where it is true. Other masks are floats already. */
export function canonicalMask(
  mask: Tensor | null,
  name: string,
  target: DType,
  other: { readonly dtype: DType | null; readonly name: string } | null = null,
): Tensor | null {
  if (mask === null) return null;
  const float = mask.dtype.is_floating_point;
  assert(float || mask.dtype === BOOL, `only bool and floating types of ${name} are supported`);
  if (other !== null && other.dtype !== null && other.dtype !== mask.dtype) {
    const text = `Support for mismatched ${name} and ${other.name} is deprecated. Use same type for both instead.`;
    if (!warned.has(text)) console.warn(`UserWarning: ${text}`);
    warned.add(text);
  }
  return float ? mask : zeros_like(mask, { dtype: target }).masked_fill_(mask, Number.NEGATIVE_INFINITY);
}

/** What `multiHeadAttention` computes with. */
export interface MultiHeadArguments {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly embed_dim_to_check: number;
  readonly num_heads: number;
  /** (3E, E); null where the three projections have weights of their own. */
  readonly in_proj_weight: Tensor | null;
  readonly in_proj_bias: Tensor | null;
  readonly bias_k: Tensor | null;
  readonly bias_v: Tensor | null;
  readonly add_zero_attn: boolean;
  readonly dropout_p: number;
  readonly out_proj_weight: Tensor;
  readonly out_proj_bias: Tensor | null;
  readonly training: boolean;
  readonly key_padding_mask: Tensor | null;
  readonly need_weights: boolean;
  readonly attn_mask: Tensor | null;
  readonly use_separate_proj_weight: boolean;
  readonly q_proj_weight: Tensor | null;
  readonly k_proj_weight: Tensor | null;
  readonly v_proj_weight: Tensor | null;
  readonly static_k: Tensor | null;
  readonly static_v: Tensor | null;
  readonly average_attn_weights: boolean;
  readonly is_causal: boolean;
}

function checkShapes({ query, key, value, key_padding_mask, attn_mask, num_heads }: MultiHeadArguments): boolean {
  const rank = query.sizes.length;
  assert(
    rank === 2 || rank === 3,
    `query should be unbatched 2D or batched 3D tensor but received ${rank}-D query tensor`,
  );
  const kind = rank === 3 ? "For batched (3-D)" : "For unbatched (2-D)";
  assert(
    key.sizes.length === rank && value.sizes.length === rank,
    `${kind} \`query\`, expected \`key\` and \`value\` to be ${rank}-D but found ${key.sizes.length}-D and ${value.sizes.length}-D tensors respectively`,
  );
  const padding = key_padding_mask?.sizes.length ?? rank - 1;
  assert(
    padding === rank - 1,
    `${kind} \`query\`, expected \`key_padding_mask\` to be \`None\` or ${rank - 1}-D but found ${padding}-D tensor instead`,
  );
  if (attn_mask !== null) {
    const found = attn_mask.sizes.length;
    assert(
      found === 2 || found === 3,
      `${kind} \`query\`, expected \`attn_mask\` to be \`None\`, 2-D or 3-D but found ${found}-D tensor instead`,
    );
    if (rank === 2 && found === 3) {
      const expected = [num_heads, query.sizes[0], key.sizes[0]];
      assert(
        sameShape(attn_mask.sizes, expected),
        `Expected \`attn_mask\` shape to be ${tuple(expected)} but got ${size(attn_mask.sizes)}`,
      );
    }
  }
  return rank === 3;
}

function projectApart(a: MultiHeadArguments): Tensor[] {
  const { query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias } = a;
  const weights = [q_proj_weight, k_proj_weight, v_proj_weight];
  const biases = in_proj_bias === null ? [null, null, null] : in_proj_bias.chunk(3);
  const features = query.sizes[2];
  return [query, key, value].map((x, i) => {
    const weight = weights[i];
    const letter = "qkv"[i];
    assert(weight !== null, `use_separate_proj_weight is True but ${letter}_proj_weight is None`);
    const expected = [features, x.sizes[2]];
    assert(
      sameShape(weight.sizes, expected),
      `expecting ${["query", "key", "value"][i]} weights shape of ${tuple(expected)}, but got ${size(weight.sizes)}`,
    );
    return linear(x, weight, biases[i]);
  });
}

/** Query, key and value by one weight (3E, E), in as few products as there are different inputs. */
function projectPacked({ query, key, value, in_proj_weight, in_proj_bias }: MultiHeadArguments): Tensor[] {
  assert(in_proj_weight !== null, "use_separate_proj_weight is False but in_proj_weight is None");
  if (key === value && query === key) return linear(query, in_proj_weight, in_proj_bias).chunk(3, -1);
  const features = query.sizes[2];
  const parts = key === value ? [features, 2 * features] : [features, features, features];
  const weights = in_proj_weight.split_with_sizes(parts);
  const biases = in_proj_bias?.split_with_sizes(parts);
  const project = (x: Tensor, i: number): Tensor => linear(x, weights[i], biases?.[i] ?? null);
  if (key === value) return [project(query, 0), ...project(key, 1).chunk(2, -1)];
  return [query, key, value].map(project);
}

/** The mask of all heads: (L, S), or one for each sample and head (B·H, L, S). */
function checkedMask(mask: Tensor | null, batch: number, heads: number, rows: number, columns: number): Tensor | null {
  if (mask === null) return null;
  const flat = mask.sizes.length === 2;
  const expected = flat ? [rows, columns] : [batch * heads, rows, columns];
  if (!sameShape(mask.sizes, expected)) {
    throw new RuntimeError(
      `The shape of the ${flat ? 2 : 3}D attn_mask is ${size(mask.sizes)}, but should be ${tuple(expected)}.`,
    );
  }
  return flat ? mask : mask.view(batch, heads, rows, columns);
}

/** Extends keys and values by what the options add, and the masks with them. Heads have the shape (B, H, S, E / H). */
function extend(x: Tensor, bias: Tensor | null, zeroRow: boolean): Tensor {
  const [batch, heads, , width] = x.sizes;
  const rows = [x];
  if (bias !== null) rows.push(bias.view(1, heads, 1, width).expand(batch, -1, -1, -1));
  if (zeroRow) rows.push(zeros([batch, heads, 1, width], { dtype: x.dtype }));
  return rows.length === 1 ? x : cat(rows, 2);
}

function staticHeads(name: string, x: Tensor, batch: number, heads: number, width: number): Tensor {
  assert(x.sizes[0] === batch * heads, `expecting ${name}.size(0) of ${batch * heads}, but got ${x.sizes[0]}`);
  assert(x.sizes[2] === width, `expecting ${name}.size(2) of ${width}, but got ${x.sizes[2]}`);
  return x.view(batch, heads, x.sizes[1], width);
}

/**
 * The function behind `multi_head_attention_forward` and the layer. Inputs are (L, N, E), or (N, L, E) with `batchFirst`,
 * which spares the layer two transpositions; without a batch (L, E).
 */
export function multiHeadAttention(given: MultiHeadArguments, batchFirst: boolean): [Tensor, Tensor | null] {
  const isBatched = checkShapes(given);
  let a = given;
  let first = batchFirst;
  if (!isBatched) {
    const query = a.query.unsqueeze(0);
    const key = a.key === a.query ? query : a.key.unsqueeze(0);
    const value = a.value === a.key ? key : a.value.unsqueeze(0);
    a = { ...a, query, key, value, key_padding_mask: a.key_padding_mask?.unsqueeze(0) ?? null };
    first = true;
  }
  const { query, key, value, num_heads: heads, need_weights } = a;
  const [batchDim, rowDim] = first ? [0, 1] : [1, 0];
  const batch = query.sizes[batchDim];
  const rows = query.sizes[rowDim];
  const features = query.sizes[2];
  const other = { dtype: a.attn_mask?.dtype ?? null, name: "attn_mask" };
  let padding = canonicalMask(a.key_padding_mask, "key_padding_mask", query.dtype, other);
  if (a.is_causal && a.attn_mask === null) {
    throw new RuntimeError(
      "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method `generate_square_subsequent_mask` to create this mask.",
    );
  }
  // The hint spares the mask where nothing else needs it.
  const causal = a.is_causal && padding === null && !need_weights;
  let mask = causal ? null : canonicalMask(a.attn_mask, "attn_mask", query.dtype);
  assert(
    features === a.embed_dim_to_check,
    `was expecting embedding dimension of ${a.embed_dim_to_check}, but got ${features}`,
  );
  const width = Math.floor(features / heads);
  assert(width * heads === features, `embed_dim ${features} not divisible by num_heads ${heads}`);
  if (a.use_separate_proj_weight) {
    const lead = (x: Tensor): number[] => [x.sizes[rowDim], x.sizes[batchDim]];
    assert(
      sameShape(lead(key), lead(value)),
      `key's sequence and batch dims ${size(lead(key))} do not match value's ${size(lead(value))}`,
    );
  } else {
    assert(
      sameShape(key.sizes, value.sizes),
      `key shape ${size(key.sizes)} does not match value shape ${size(value.sizes)}`,
    );
  }
  const projected = a.use_separate_proj_weight ? projectApart(a) : projectPacked(a);
  mask = checkedMask(mask, batch, heads, rows, key.sizes[rowDim]);
  assert(a.bias_k === null || a.bias_v !== null, "bias_k is set but bias_v is None");
  assert(a.bias_v === null || a.bias_k !== null, "bias_v is set but bias_k is None");
  if (a.bias_k !== null) {
    assert(a.static_k === null, "bias cannot be added to static key.");
    assert(a.static_v === null, "bias cannot be added to static value.");
  }
  // Heads are slices of the projections, (N, H, L, E / H), read where they lie.
  const split = (x: Tensor): Tensor => x.view(x.sizes[0], x.sizes[1], heads, width).permute(batchDim, 2, rowDim, 3);
  const q = split(projected[0]);
  let k = a.static_k === null ? split(projected[1]) : staticHeads("static_k", a.static_k, batch, heads, width);
  let v = a.static_v === null ? split(projected[2]) : staticHeads("static_v", a.static_v, batch, heads, width);
  k = extend(k, a.bias_k, a.add_zero_attn);
  v = extend(v, a.bias_v, a.add_zero_attn);
  const added = (a.bias_k === null ? 0 : 1) + (a.add_zero_attn ? 1 : 0);
  if (added > 0) {
    mask = mask === null ? null : pad(mask, [0, added]);
    padding = padding === null ? null : pad(padding, [0, added]);
  }
  const columns = k.sizes[2];
  if (padding !== null) {
    assert(padding.sizes[0] === batch, `Expected key_padded_mask.shape[0] to be ${batch}, but got ${padding.sizes[0]}`);
    assert(
      padding.sizes[1] === columns,
      `Expected key_padded_mask.shape[1] to be ${columns}, but got ${padding.sizes[1]}`,
    );
    const each = padding.view(batch, 1, 1, columns);
    mask = mask === null ? each : mask.add(each);
  }
  const dropout = a.training ? a.dropout_p : 0;
  // Whatever the order of the dimensions, PyTorch's output is (L, N, E) in memory, in whose order later dropout draws. So
  // are the heads of the result, which makes joining them a view.
  const order = [2, 0, 1, 3];
  let joined: Tensor;
  let weights: Tensor | null = null;
  if (need_weights) {
    weights = attentionWeights(q, k, mask, { scale: Math.sqrt(1 / width), causal: false, safe: false });
    if (weights.dtype !== q.dtype) weights = weights.to(q.dtype);
    if (dropout > 0) weights = dropoutOp(weights, dropout, true);
    joined = weightedValues(weights, v, order, false);
    if (a.average_attn_weights) weights = weights.mean(1);
  } else {
    joined = attention(q, k, v, { mask, dropout, causal, scale: null, gqa: false, order });
  }
  joined = joined.permute(2, 0, 1, 3).reshape(rows, batch, features);
  let output = linear(joined, a.out_proj_weight, a.out_proj_bias);
  if (first) output = output.transpose(0, 1);
  return isBatched ? [output, weights] : [output.squeeze(0), weights?.squeeze(0) ?? null];
}

const SIGNATURE =
  "multi_head_attention_forward(Tensor query, Tensor key, Tensor value, int embed_dim_to_check, int num_heads, Tensor? in_proj_weight, Tensor? in_proj_bias, Tensor? bias_k, Tensor? bias_v, bool add_zero_attn, float dropout_p, Tensor out_proj_weight, Tensor? out_proj_bias, bool training=True, Tensor? key_padding_mask=None, bool need_weights=True, Tensor? attn_mask=None, bool use_separate_proj_weight=False, Tensor? q_proj_weight=None, Tensor? k_proj_weight=None, Tensor? v_proj_weight=None, Tensor? static_k=None, Tensor? static_v=None, bool average_attn_weights=True, bool is_causal=False)";

/** Keyword arguments of `multi_head_attention_forward`: those that PyTorch gives a default. */
export type MultiHeadAttentionOptions = Partial<
  Pick<
    MultiHeadArguments,
    | "training"
    | "key_padding_mask"
    | "need_weights"
    | "attn_mask"
    | "use_separate_proj_weight"
    | "q_proj_weight"
    | "k_proj_weight"
    | "v_proj_weight"
    | "static_k"
    | "static_v"
    | "average_attn_weights"
    | "is_causal"
  >
>;

/**
 * Multi-head attention with all its tensors as arguments: `nn.MultiheadAttention` describes them. Gives the output (L, N, E) and
 * the weights, (N, L, S), or (N, H, L, S) if not averaged, or null. Inputs may lack N.
 */
export function multi_head_attention_forward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  embed_dim_to_check: number,
  num_heads: number,
  in_proj_weight: Tensor | null,
  in_proj_bias: Tensor | null,
  bias_k: Tensor | null,
  bias_v: Tensor | null,
  add_zero_attn: boolean,
  dropout_p: number,
  out_proj_weight: Tensor,
  out_proj_bias: Tensor | null,
  ...options: (MultiHeadAttentionOptions | boolean | Tensor | null)[]
): [Tensor, Tensor | null] {
  const values = bindNamed(SIGNATURE, [
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    ...options,
  ]);
  return multiHeadAttention(values as unknown as MultiHeadArguments, false);
}
