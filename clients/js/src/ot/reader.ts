import { DeltaError } from "./errors.js";
import { type Op, isDelete, isInsert, isRetain, opLength, withAttributes } from "./types.js";
import { splitsPair } from "./utf16.js";

/** Reads ops in pieces of any length; past the end there is an endless plain retain. */
export class OpReader {
  private index = 0;
  private offset = 0;

  constructor(private readonly ops: readonly Op[]) {}

  get done(): boolean {
    return this.index >= this.ops.length;
  }

  /** The op that the next `take` takes from, whole. */
  get next(): Op | undefined {
    return this.ops[this.index];
  }

  /** Units left of the present op; Infinity past the end. */
  get remaining(): number {
    const op = this.ops[this.index];
    return op === undefined ? Infinity : opLength(op) - this.offset;
  }

  /**
   * Up to `length` units of the present op.
   *
   * @throws DeltaError `split-surrogate` when the piece would begin or end inside a pair.
   */
  take(length: number = Infinity): Op {
    const op = this.ops[this.index];
    if (op === undefined) return { retain: length };
    const start = this.offset;
    const end = Math.min(start + length, opLength(op));
    this.advanceTo(end, op);
    return start === 0 && end === opLength(op) ? op : piece(op, start, end);
  }

  private advanceTo(end: number, op: Op): void {
    if (end === opLength(op)) {
      this.index += 1;
      this.offset = 0;
    } else {
      this.offset = end;
    }
  }
}

function piece(op: Op, start: number, end: number): Op {
  if (isDelete(op)) return { delete: end - start };
  if (isRetain(op)) return withAttributes({ retain: end - start }, op.attributes);
  if (!isInsert(op) || typeof op.insert !== "string") return op;
  if (splitsPair(op.insert, start) || splitsPair(op.insert, end)) {
    throw new DeltaError("split-surrogate", "an op begins or ends inside a surrogate pair");
  }
  return withAttributes({ insert: op.insert.slice(start, end) }, op.attributes);
}
