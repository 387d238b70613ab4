/** Why a delta was refused. The codes are those of `libs/coedit/errors.py`. */
export type DeltaErrorCode =
  | "invalid-delta"
  | "length-mismatch"
  | "split-surrogate"
  | "lone-surrogate"
  | "unsupported-op";

export class DeltaError extends Error {
  override readonly name = "DeltaError";

  constructor(
    readonly code: DeltaErrorCode,
    message: string,
  ) {
    super(message);
  }
}
