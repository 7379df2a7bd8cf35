/** The weights of RegNet. */
import { InterpolationMode } from "../transforms/interpolation.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;

export class RegNet_Y_400MF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_400MF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_400mf-c65dace8.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 4344144,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(74.046, 91.716),
      _ops: 0.402,
      _file_size: 16.806,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_400MF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_400mf-e6988f5f.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 4344144,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(75.804, 92.742),
      _ops: 0.402,
      _file_size: 16.806,
    },
  });
  static readonly DEFAULT = RegNet_Y_400MF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_800MF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_800MF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_800mf-1b27b58c.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 6432512,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(76.42, 93.136),
      _ops: 0.834,
      _file_size: 24.774,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_800MF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_800mf-58fc7688.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 6432512,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(78.828, 94.502),
      _ops: 0.834,
      _file_size: 24.774,
    },
  });
  static readonly DEFAULT = RegNet_Y_800MF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_1_6GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_1_6GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_1_6gf-b11a554e.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 11202430,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(77.95, 93.966),
      _ops: 1.612,
      _file_size: 43.152,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_1_6GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_1_6gf-0d7bc02a.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 11202430,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(80.876, 95.444),
      _ops: 1.612,
      _file_size: 43.152,
    },
  });
  static readonly DEFAULT = RegNet_Y_1_6GF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_3_2GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_3_2GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_3_2gf-b5a9779c.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 19436338,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#medium-models",
      _metrics: imageNetMetrics(78.948, 94.576),
      _ops: 3.176,
      _file_size: 74.567,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_3_2GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_3_2gf-9180c971.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 19436338,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(81.982, 95.972),
      _ops: 3.176,
      _file_size: 74.567,
    },
  });
  static readonly DEFAULT = RegNet_Y_3_2GF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_8GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_8GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_8gf-d0d0e4a8.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 39381472,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#medium-models",
      _metrics: imageNetMetrics(80.032, 95.048),
      _ops: 8.473,
      _file_size: 150.701,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_8GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_8gf-dc2b1b54.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 39381472,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(82.828, 96.33),
      _ops: 8.473,
      _file_size: 150.701,
    },
  });
  static readonly DEFAULT = RegNet_Y_8GF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_16GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_16gf-9e6ed7dd.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 83590140,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#large-models",
      _metrics: imageNetMetrics(80.424, 95.24),
      _ops: 15.912,
      _file_size: 319.49,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_16gf-3e4a00f9.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 83590140,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(82.886, 96.328),
      _ops: 15.912,
      _file_size: 319.49,
    },
  });
  static readonly IMAGENET1K_SWAG_E2E_V1 = new RegNet_Y_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_16gf_swag-43afe44d.pth",
    transforms: imageClassification({ crop_size: 384, resize_size: 384, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 83590140,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(86.012, 98.054),
      _ops: 46.735,
      _file_size: 319.49,
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new RegNet_Y_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_16gf_lc_swag-f3ec0043.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 83590140,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(83.976, 97.244),
      _ops: 15.912,
      _file_size: 319.49,
    },
  });
  static readonly DEFAULT = RegNet_Y_16GF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_32GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_Y_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_32gf-4dee3f7a.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 145046770,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#large-models",
      _metrics: imageNetMetrics(80.878, 95.34),
      _ops: 32.28,
      _file_size: 554.076,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_Y_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_32gf-8db6d4b5.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 145046770,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(83.368, 96.498),
      _ops: 32.28,
      _file_size: 554.076,
    },
  });
  static readonly IMAGENET1K_SWAG_E2E_V1 = new RegNet_Y_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_32gf_swag-04fdfa75.pth",
    transforms: imageClassification({ crop_size: 384, resize_size: 384, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 145046770,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(86.838, 98.362),
      _ops: 94.826,
      _file_size: 554.076,
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new RegNet_Y_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_32gf_lc_swag-e1583746.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 145046770,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(84.622, 97.48),
      _ops: 32.28,
      _file_size: 554.076,
    },
  });
  static readonly DEFAULT = RegNet_Y_32GF_Weights.IMAGENET1K_V2;
}

export class RegNet_Y_128GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_SWAG_E2E_V1 = new RegNet_Y_128GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_128gf_swag-c8ce3e52.pth",
    transforms: imageClassification({ crop_size: 384, resize_size: 384, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 644812894,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(88.228, 98.682),
      _ops: 374.57,
      _file_size: 2461.564,
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new RegNet_Y_128GF_Weights({
    url: "https://download.pytorch.org/models/regnet_y_128gf_lc_swag-cbe8ce12.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: InterpolationMode.BICUBIC }),
    meta: {
      ...COMMON_META,
      num_params: 644812894,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      _metrics: imageNetMetrics(86.068, 97.844),
      _ops: 127.518,
      _file_size: 2461.564,
    },
  });
  static readonly DEFAULT = RegNet_Y_128GF_Weights.IMAGENET1K_SWAG_E2E_V1;
}

export class RegNet_X_400MF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_400MF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_400mf-adf1edd5.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 5495976,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(72.834, 90.95),
      _ops: 0.414,
      _file_size: 21.258,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_400MF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_400mf-62229a5f.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 5495976,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-fixres",
      _metrics: imageNetMetrics(74.864, 92.322),
      _ops: 0.414,
      _file_size: 21.257,
    },
  });
  static readonly DEFAULT = RegNet_X_400MF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_800MF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_800MF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_800mf-ad17e45c.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 7259656,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(75.212, 92.348),
      _ops: 0.8,
      _file_size: 27.945,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_800MF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_800mf-94a99ebd.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 7259656,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-fixres",
      _metrics: imageNetMetrics(77.522, 93.826),
      _ops: 0.8,
      _file_size: 27.945,
    },
  });
  static readonly DEFAULT = RegNet_X_800MF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_1_6GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_1_6GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_1_6gf-e3633e7f.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 9190136,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#small-models",
      _metrics: imageNetMetrics(77.04, 93.44),
      _ops: 1.603,
      _file_size: 35.339,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_1_6GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_1_6gf-a12f2b72.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 9190136,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe-with-fixres",
      _metrics: imageNetMetrics(79.668, 94.922),
      _ops: 1.603,
      _file_size: 35.339,
    },
  });
  static readonly DEFAULT = RegNet_X_1_6GF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_3_2GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_3_2GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_3_2gf-f342aeae.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 15296552,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#medium-models",
      _metrics: imageNetMetrics(78.364, 93.992),
      _ops: 3.177,
      _file_size: 58.756,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_3_2GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_3_2gf-7071aa85.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 15296552,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(81.196, 95.43),
      _ops: 3.177,
      _file_size: 58.756,
    },
  });
  static readonly DEFAULT = RegNet_X_3_2GF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_8GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_8GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_8gf-03ceed89.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 39572648,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#medium-models",
      _metrics: imageNetMetrics(79.344, 94.686),
      _ops: 7.995,
      _file_size: 151.456,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_8GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_8gf-2b70d774.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 39572648,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(81.682, 95.678),
      _ops: 7.995,
      _file_size: 151.456,
    },
  });
  static readonly DEFAULT = RegNet_X_8GF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_16GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_16gf-2007eb11.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 54278536,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#medium-models",
      _metrics: imageNetMetrics(80.058, 94.944),
      _ops: 15.941,
      _file_size: 207.627,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_16GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_16gf-ba3796d7.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 54278536,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(82.716, 96.196),
      _ops: 15.941,
      _file_size: 207.627,
    },
  });
  static readonly DEFAULT = RegNet_X_16GF_Weights.IMAGENET1K_V2;
}

export class RegNet_X_32GF_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new RegNet_X_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_32gf-9d47f8d0.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      ...COMMON_META,
      num_params: 107811560,
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#large-models",
      _metrics: imageNetMetrics(80.622, 95.248),
      _ops: 31.736,
      _file_size: 412.039,
    },
  });
  static readonly IMAGENET1K_V2 = new RegNet_X_32GF_Weights({
    url: "https://download.pytorch.org/models/regnet_x_32gf-6eb8fdc6.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232 }),
    meta: {
      ...COMMON_META,
      num_params: 107811560,
      recipe: "https://github.com/pytorch/vision/issues/3995#new-recipe",
      _metrics: imageNetMetrics(83.014, 96.288),
      _ops: 31.736,
      _file_size: 412.039,
    },
  });
  static readonly DEFAULT = RegNet_X_32GF_Weights.IMAGENET1K_V2;
}
