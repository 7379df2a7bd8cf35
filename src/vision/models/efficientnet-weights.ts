/** The weights of EfficientNet. */
import { InterpolationMode } from "../transforms/interpolation.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class EfficientNet_B0_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B0_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 256, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 5288548,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(77.692, 93.532),
      _ops: 0.386,
      _file_size: 20.451,
    },
  });
  static readonly DEFAULT = EfficientNet_B0_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B1_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B1_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b1_rwightman-bac287d4.pth",
    transforms: imageClassification({ crop_size: 240, resize_size: 256, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 7794184,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(78.642, 94.186),
      _ops: 0.687,
      _file_size: 30.134,
    },
  });
  static readonly IMAGENET1K_V2 = new EfficientNet_B1_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b1-c27df63c.pth",
    transforms: imageClassification({ crop_size: 240, resize_size: 255, interpolation: InterpolationMode.BILINEAR }),
    meta: {
      ...COMMON_META,
      num_params: 7794184,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-lr-wd-crop-tuning",
      _metrics: imageNetMetrics(79.838, 94.934),
      _ops: 0.687,
      _file_size: 30.136,
    },
  });
  static readonly DEFAULT = EfficientNet_B1_Weights.IMAGENET1K_V2;
}

export class EfficientNet_B2_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B2_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b2_rwightman-c35c1473.pth",
    transforms: imageClassification({ crop_size: 288, resize_size: 288, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 9109994,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(80.608, 95.31),
      _ops: 1.088,
      _file_size: 35.174,
    },
  });
  static readonly DEFAULT = EfficientNet_B2_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B3_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B3_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b3_rwightman-b3899882.pth",
    transforms: imageClassification({ crop_size: 300, resize_size: 320, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 12233232,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(82.008, 96.054),
      _ops: 1.827,
      _file_size: 47.184,
    },
  });
  static readonly DEFAULT = EfficientNet_B3_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B4_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B4_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b4_rwightman-23ab8bcd.pth",
    transforms: imageClassification({ crop_size: 380, resize_size: 384, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 19341616,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(83.384, 96.594),
      _ops: 4.394,
      _file_size: 74.489,
    },
  });
  static readonly DEFAULT = EfficientNet_B4_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B5_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B5_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b5_lukemelas-1a07897c.pth",
    transforms: imageClassification({ crop_size: 456, resize_size: 456, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 30389784,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(83.444, 96.628),
      _ops: 10.266,
      _file_size: 116.864,
    },
  });
  static readonly DEFAULT = EfficientNet_B5_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B6_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B6_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b6_lukemelas-24a108a5.pth",
    transforms: imageClassification({ crop_size: 528, resize_size: 528, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 43040704,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(84.008, 96.916),
      _ops: 19.068,
      _file_size: 165.362,
    },
  });
  static readonly DEFAULT = EfficientNet_B6_Weights.IMAGENET1K_V1;
}

export class EfficientNet_B7_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_B7_Weights({
    url: "https://download.pytorch.org/models/efficientnet_b7_lukemelas-c5b4e57e.pth",
    transforms: imageClassification({ crop_size: 600, resize_size: 600, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 66347960,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v1",
      _metrics: imageNetMetrics(84.122, 96.908),
      _ops: 37.746,
      _file_size: 254.675,
    },
  });
  static readonly DEFAULT = EfficientNet_B7_Weights.IMAGENET1K_V1;
}

/** The second generation halves the size five times before its last stage, and needs more than one pixel there. */
const V2_META = { ...COMMON_META, min_size: [33, 33] } as const;

export class EfficientNet_V2_S_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_V2_S_Weights({
    url: "https://download.pytorch.org/models/efficientnet_v2_s-dd5fe13b.pth",
    transforms: imageClassification({ crop_size: 384, resize_size: 384, interpolation: InterpolationMode.BILINEAR }),
    meta: {
      ...V2_META,
      num_params: 21458488,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v2",
      _metrics: imageNetMetrics(84.228, 96.878),
      _ops: 8.366,
      _file_size: 82.704,
    },
  });
  static readonly DEFAULT = EfficientNet_V2_S_Weights.IMAGENET1K_V1;
}

export class EfficientNet_V2_M_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_V2_M_Weights({
    url: "https://download.pytorch.org/models/efficientnet_v2_m-dc08266a.pth",
    transforms: imageClassification({ crop_size: 480, resize_size: 480, interpolation: InterpolationMode.BILINEAR }),
    meta: {
      ...V2_META,
      num_params: 54139356,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v2",
      _metrics: imageNetMetrics(85.112, 97.156),
      _ops: 24.582,
      _file_size: 208.01,
    },
  });
  static readonly DEFAULT = EfficientNet_V2_M_Weights.IMAGENET1K_V1;
}

export class EfficientNet_V2_L_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new EfficientNet_V2_L_Weights({
    url: "https://download.pytorch.org/models/efficientnet_v2_l-59c71312.pth",
    transforms: imageClassification({
      crop_size: 480,
      resize_size: 480,
      interpolation: InterpolationMode.BICUBIC,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    }),
    meta: {
      ...V2_META,
      num_params: 118515272,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#efficientnet-v2",
      _metrics: imageNetMetrics(85.808, 97.788),
      _ops: 56.08,
      _file_size: 454.573,
    },
  });
  static readonly DEFAULT = EfficientNet_V2_L_Weights.IMAGENET1K_V1;
}
