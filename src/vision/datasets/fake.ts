/** Pictures of noise: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FakeData.html */
import { IndexError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { randint, randn } from "../../ops/random.ts";
import { Generator } from "../../random/generator.ts";
import type { Image } from "../image.ts";
import { to_pil_image } from "../transforms/functional/values.ts";
import { VisionDataset } from "./vision.ts";

export interface FakeDataOptions<I = Image, T = number> {
  /** How many pictures. Default 1000. */
  readonly size?: number;
  /** Channels, height and width. Default (3, 224, 224). */
  readonly image_size?: readonly [channels: number, height: number, width: number];
  /** Default 10. */
  readonly num_classes?: number;
  readonly transform?: ((image: Image) => I) | null;
  readonly target_transform?: ((target: number) => T) | null;
  /** Added to the place of a picture, which is the seed it is drawn from. Default 0. */
  readonly random_offset?: number;
}

/** Pictures of noise with random targets, to try things out; the same ones each time, torchvision's. */
export class FakeData<I = Image, T = number> extends VisionDataset<[image: I, target: T]> {
  readonly size: number;
  readonly image_size: readonly [channels: number, height: number, width: number];
  readonly num_classes: number;
  readonly random_offset: number;

  constructor(options?: FakeDataOptions<I, T>);
  constructor(size: number, options?: FakeDataOptions<I, T>);
  constructor(
    size: number,
    image_size: readonly [channels: number, height: number, width: number],
    options?: FakeDataOptions<I, T>,
  );
  constructor(
    size: number,
    image_size: readonly [channels: number, height: number, width: number],
    num_classes: number,
    options?: FakeDataOptions<I, T>,
  );
  constructor(...args: unknown[]) {
    const o = bindNamed(
      "FakeData.__init__(int size=1000, any image_size=None, int num_classes=10, any? transform=None, any? target_transform=None, int random_offset=0)",
      args,
    ) as unknown as Required<FakeDataOptions>;
    super(null, { transform: o.transform, target_transform: o.target_transform });
    this.size = o.size;
    this.image_size = o.image_size ?? [3, 224, 224];
    this.num_classes = o.num_classes;
    this.random_offset = o.random_offset;
  }

  override get length(): number {
    return this.size;
  }

  override get(index: number): [image: I, target: T] {
    if (index >= this.size) throw new IndexError(`${this.constructor.name} index out of range`);
    const generator = new Generator().manual_seed(index + this.random_offset);
    const image = to_pil_image(randn([...this.image_size], { generator }));
    const target = randint(0, this.num_classes, [1], { generator }).item();
    return this.transformed(image, target) as [I, T];
  }
}
