import { composeAttributes, invertAttributes, sameJson } from "./attributes.js";
import { Builder } from "./builder.js";
import { DeltaError } from "./errors.js";
import { OpReader } from "./reader.js";
import { type Insert, type Op, attributesOf, isDelete, isInsert, isRetain, opLength, withAttributes } from "./types.js";

/** A change of a whole document, or a document itself (inserts only). An immutable value in normal form. */
export class Delta {
  static readonly EMPTY = new Delta([]);

  /** Units of the document that the delta reads: the shortest document that it fits. */
  readonly baseLength: number;
  /** By how many units the document grows; negative when it shrinks. */
  readonly lengthChange: number;

  private constructor(readonly ops: readonly Op[]) {
    let [base, change] = [0, 0];
    for (const op of ops) {
      const length = opLength(op);
      if (isInsert(op)) change += length;
      else base += length;
      if (isDelete(op)) change -= length;
    }
    this.baseLength = base;
    this.lengthChange = change;
  }

  /** What `build` pushes, in normal form. */
  static build(build: (ops: Builder) => void): Delta {
    const builder = new Builder();
    build(builder);
    const ops = builder.finish();
    return ops.length === 0 ? Delta.EMPTY : new Delta(ops);
  }

  static of(ops: Iterable<Op>): Delta {
    return Delta.build((builder) => {
      for (const op of ops) builder.push(op);
    });
  }

  static text(text: string): Delta {
    return Delta.build((builder) => builder.insert(text));
  }

  get isEmpty(): boolean {
    return this.ops.length === 0;
  }

  get isDocument(): boolean {
    return this.ops.every(isInsert);
  }

  /** This delta, then `next`, as one. */
  compose(next: Delta): Delta {
    if (this.isEmpty) return next;
    if (next.isEmpty) return this;
    const [first, second] = [new OpReader(this.ops), new OpReader(next.ops)];
    return Delta.build((out) => {
      while (!first.done || !second.done) composeStep(first, second, out);
    });
  }

  /**
   * The document after this delta.
   *
   * @throws DeltaError `length-mismatch` past the end, `split-surrogate` inside a pair, `invalid-delta` when
   * `document` is none.
   */
  applyTo(document: Delta): Delta {
    this.checkFits(document);
    return document.compose(this);
  }

  /**
   * What takes this delta back: `delta.invert(d).applyTo(delta.applyTo(d))` is `d`.
   *
   * @throws DeltaError as `applyTo`.
   */
  invert(document: Delta): Delta {
    this.checkFits(document);
    const base = new OpReader(document.ops);
    return Delta.build((out) => {
      for (const op of this.ops) {
        if (isInsert(op)) out.delete(opLength(op));
        else invertRange(op, base, out);
      }
    });
  }

  /**
   * Where `position` is after this delta.
   *
   * An insert exactly there pushes it on, unless `stays`. A position inside of deleted text moves to its start.
   */
  transformPosition(position: number, stays: boolean): number {
    let [offset, result] = [0, position];
    for (const op of this.ops) {
      if (offset > result) break;
      const length = opLength(op);
      if (isDelete(op)) {
        result -= Math.min(length, result - offset);
        continue;
      }
      if (isInsert(op) && (offset < result || !stays)) result += length;
      offset += length;
    }
    return result;
  }

  equals(other: Delta): boolean {
    return (
      this.ops.length === other.ops.length &&
      this.ops.every((op, index) => sameOp(op, other.ops[index]))
    );
  }

  toJSON(): readonly Op[] {
    return this.ops;
  }

  private checkFits(document: Delta): void {
    if (!document.isDocument) throw new DeltaError("invalid-delta", "a document holds inserts only");
    if (this.baseLength > document.lengthChange) {
      const lengths = `reads ${this.baseLength} units, the document has ${document.lengthChange}`;
      throw new DeltaError("length-mismatch", `the delta ${lengths}`);
    }
  }
}

function composeStep(first: OpReader, second: OpReader, out: Builder): void {
  if (second.next !== undefined && isInsert(second.next)) {
    out.push(second.take());
    return;
  }
  if (first.next !== undefined && isDelete(first.next)) {
    out.push(first.take());
    return;
  }
  const length = Math.min(first.remaining, second.remaining);
  const [before, after] = [first.take(length), second.take(length)];
  if (isDelete(before)) return;
  if (isRetain(after)) {
    const keepNull = isRetain(before);
    out.push(withAttributes(before, composeAttributes(before.attributes, after.attributes, keepNull)));
  } else if (isRetain(before)) {
    out.push(after);
  }
}

function invertRange(op: Op, base: OpReader, out: Builder): void {
  let left = opLength(op);
  while (left > 0) {
    const before = base.take(left) as Insert;
    const length = opLength(before);
    if (isDelete(op)) out.push(before);
    else out.retain(length, invertAttributes(attributesOf(op), before.attributes));
    left -= length;
  }
}

function sameOp(a: Op, b: Op | undefined): boolean {
  if (b === undefined || !sameJson(attributesOf(a), attributesOf(b))) return false;
  if (isInsert(a)) return isInsert(b) && sameJson(a.insert, b.insert);
  return isInsert(b) ? false : isDelete(a) === isDelete(b) && opLength(a) === opLength(b);
}
