/** How values between pixels are found. */
import { ValueError } from "../../errors.ts";
import { pythonRepr } from "../../print/index.ts";

/** `torchvision.transforms.InterpolationMode`. "box", "hamming" and "lanczos" are for pictures; "nearest-exact" is Pillow's nearest. */
export const InterpolationMode = {
  NEAREST: "nearest",
  NEAREST_EXACT: "nearest-exact",
  BILINEAR: "bilinear",
  BICUBIC: "bicubic",
  BOX: "box",
  HAMMING: "hamming",
  LANCZOS: "lanczos",
} as const;
export type InterpolationMode = (typeof InterpolationMode)[keyof typeof InterpolationMode];

/** Pillow's numbers of the modes, which are accepted too. */
const PILLOW: readonly InterpolationMode[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/** @internal The mode, from its value or Pillow's number. */
export function checkInterpolation(mode: unknown): InterpolationMode {
  if (typeof mode === "number" && PILLOW[mode] !== undefined) return PILLOW[mode];
  if (!(Object.values(InterpolationMode) as unknown[]).includes(mode)) {
    throw new ValueError(
      `Argument interpolation should be an \`InterpolationMode\` or a corresponding Pillow integer constant, but got ${pythonRepr(mode)}.`,
    );
  }
  return mode as InterpolationMode;
}

/** @internal `InterpolationMode.BILINEAR`. */
export function interpolationText(mode: InterpolationMode): string {
  return `InterpolationMode.${mode.toUpperCase().replace("-", "_")}`;
}
