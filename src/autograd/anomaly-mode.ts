/** `torch.autograd.anomaly_mode`. */
export { detect_anomaly, set_detect_anomaly } from "./anomaly.ts";
