/** What registering a hook gives. */
let count = 0;

/** Removes a hook: by `remove()`, which may be called again, or at the end of the block of a `using` declaration. */
export class RemovableHandle implements Disposable {
  /** Different for every handle; later ones have greater numbers. */
  readonly id: number = count++;
  #remove: (() => void) | null;

  constructor(remove: () => void) {
    this.#remove = remove;
  }

  remove(): void {
    const remove = this.#remove;
    this.#remove = null;
    remove?.();
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}

/** Adds an entry to a list of hooks; the handle takes this one out, even if the list has it twice. */
export function pushRemovable<T>(list: T[], entry: T, position: number = list.length): RemovableHandle {
  list.splice(position, 0, entry);
  return new RemovableHandle(() => {
    const at = list.indexOf(entry);
    if (at >= 0) list.splice(at, 1);
  });
}
