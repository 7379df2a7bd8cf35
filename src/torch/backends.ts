/** Settings of the engine, as `torch.backends`. */
import { ValueError } from "../errors.ts";
import { type WinogradMode, winogradMode } from "../ops/winograd.ts";

/** Which values a setting may have. */
const MODES: readonly WinogradMode[] = ["f2", "f4", "off"];

/** Settings of Kindling's own engine. */
export interface KindlingBackend {
  /**
   * By which of Winograd's algorithms convolutions of float32 images with 3 × 3 filters and stride 1 are computed, where it is
   * faster: "f2", F(2 × 2, 3 × 3), the default, is about as accurate as the plain sum; "f4", F(4 × 4, 3 × 3), multiplies half as
   * often again and has errors ten times as large; "off" is the plain sum. Setting another value throws ValueError.
   */
  winograd: WinogradMode;
  /** Runs `body` with other settings, which are put back when it returns or throws. */
  flags<R>(settings: { readonly winograd?: WinogradMode }, body: () => R): R;
}

export interface Backends {
  readonly kindling: KindlingBackend;
}

export const backends: Backends = Object.freeze({
  kindling: Object.seal({
    get winograd(): WinogradMode {
      return winogradMode();
    },
    set winograd(mode: WinogradMode) {
      if (!MODES.includes(mode))
        throw new ValueError(
          `torch.backends.kindling.winograd is one of ${MODES.map((m) => `"${m}"`).join(", ")}, got ${JSON.stringify(mode) ?? String(mode)}`,
        );
      winogradMode(mode);
    },
    flags<R>(settings: { readonly winograd?: WinogradMode }, body: () => R): R {
      const before = this.winograd;
      for (const name of Object.keys(settings))
        if (name !== "winograd") throw new ValueError(`torch.backends.kindling has no setting "${name}"`);
      if (settings.winograd !== undefined) this.winograd = settings.winograd;
      try {
        return body();
      } finally {
        this.winograd = before;
      }
    },
  }),
});
