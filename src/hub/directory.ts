/** Where downloaded files are kept: the rules of `torch.hub`, so that Python and JavaScript share them. */
import { hasFiles } from "../serialization/source.ts";

type Environment = Readonly<Record<string, string | undefined>>;

let directory: string | null = null;
let warned = false;

const environment = (): Environment => (hasFiles() ? process.env : {});
const onWindows = (): boolean => hasFiles() && process.platform === "win32";

/** Python's `os.path.join` of a folder and a name. */
export function joinPath(folder: string, name: string): string {
  if (folder === "" || folder.endsWith("/") || (onWindows() && folder.endsWith("\\"))) return folder + name;
  return folder + (onWindows() ? "\\" : "/") + name;
}

/** Python's `os.path.expanduser`, but for the folders of other users. */
export function expandUser(path: string): string {
  if (!/^~(?=[/\\]|$)/.test(path)) return path;
  const { HOME, USERPROFILE } = environment();
  const home = onWindows() ? USERPROFILE : (HOME ?? systemHome());
  if (home === undefined) return path;
  return home.replace(/\/+$/, "") + path.slice(1) || "/";
}

/** The home folder in the system's table of users. */
function systemHome(): string | undefined {
  try {
    return process.getBuiltinModule?.("node:os").userInfo().homedir;
  } catch {
    return undefined;
  }
}

/**
 * The folder of `torch.hub`: what `set_dir` said, else `hub` in $TORCH_HOME, in $XDG_CACHE_HOME/torch or in
 * ~/.cache/torch. In a browser it is the beginning of a name in the Cache API.
 */
export function get_dir(): string {
  const { TORCH_HUB, TORCH_HOME, XDG_CACHE_HOME } = environment();
  if (TORCH_HUB && !warned) {
    warned = true;
    console.warn("UserWarning: TORCH_HUB is deprecated, please use env TORCH_HOME instead");
  }
  if (directory !== null) return directory;
  if (!hasFiles()) return "torch/hub";
  const home = TORCH_HOME ?? joinPath(XDG_CACHE_HOME ?? "~/.cache", "torch");
  return joinPath(expandUser(home), "hub");
}

/** Sets the folder for downloaded files. */
export function set_dir(d: string): void {
  if (typeof d !== "string") throw new TypeError("set_dir(): argument 'd' must be str");
  directory = expandUser(d);
}
