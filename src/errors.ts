/**
 * The error classes of the public API. They carry Python's names, because PyTorch's documentation and a
 * user's experience name them so.
 */

/** A wrong state or wrong shapes: PyTorch's `RuntimeError`. */
export class RuntimeError extends Error {
  override name = "RuntimeError";
}

/** An argument of the right type with an unusable value: Python's `ValueError`. */
export class ValueError extends Error {
  override name = "ValueError";
}

/** A dimension or an index outside its range: Python's `IndexError`. */
export class IndexError extends RangeError {
  override name = "IndexError";
}

/** A key that is not there: Python's `KeyError`. */
export class KeyError extends Error {
  override name = "KeyError";
}

/** A file or folder that is not there: Python's `FileNotFoundError`. */
export class FileNotFoundError extends Error {
  override name = "FileNotFoundError";
}

/** Something PyTorch has and Kindling does not have (yet); the message gives the reason. */
export class NotImplementedError extends Error {
  override name = "NotImplementedError";
}

/** A condition that PyTorch's Python code asserts: Python's `AssertionError`. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** A checkpoint that cannot be read: damaged, or with something other than data in it. Python's `pickle.UnpicklingError`. */
export class UnpicklingError extends Error {
  override name = "UnpicklingError";
}

// Python's `TypeError` is JavaScript's own.
