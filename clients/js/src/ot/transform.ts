import { transformAttributes } from "./attributes.js";
import type { Builder } from "./builder.js";
import { Delta } from "./delta.js";
import { OpReader } from "./reader.js";
import { attributesOf, isDelete, isInsert, opLength } from "./types.js";

/**
 * Both deltas, each carried over the other: `[first over second, second over first]`.
 *
 * For every document `d` that both fit, with `[f, s] = transform(first, second)`:
 *
 *     s.applyTo(first.applyTo(d))  equals  f.applyTo(second.applyTo(d))      (TP1)
 *
 * Where both insert at one place, the first's insert comes first; where both set an attribute, the first's wins.
 *
 * Source: Ressel et al., CSCW 1996 (TP1); Nichols et al., UIST 1995 (one server, one order).
 */
export function transform(first: Delta, second: Delta): [Delta, Delta] {
  if (first.isEmpty || second.isEmpty) return [first, second];
  let secondOverFirst = Delta.EMPTY;
  const firstOverSecond = Delta.build((left) => {
    secondOverFirst = Delta.build((right) => walk(first, second, left, right));
  });
  return [firstOverSecond, secondOverFirst];
}

function walk(first: Delta, second: Delta, left: Builder, right: Builder): void {
  const [a, b] = [new OpReader(first.ops), new OpReader(second.ops)];
  while (!a.done || !b.done) {
    if (a.next !== undefined && isInsert(a.next)) {
      right.retain(opLength(a.next));
      left.push(a.take());
    } else if (b.next !== undefined && isInsert(b.next)) {
      left.retain(opLength(b.next));
      right.push(b.take());
    } else {
      walkRange(a, b, left, right);
    }
  }
}

/** Both pass or remove the same stretch of the document. */
function walkRange(a: OpReader, b: OpReader, left: Builder, right: Builder): void {
  const length = Math.min(a.remaining, b.remaining);
  const [ours, theirs] = [a.take(length), b.take(length)];
  if (isDelete(ours)) {
    if (!isDelete(theirs)) left.push(ours);
  } else if (isDelete(theirs)) {
    right.push(theirs);
  } else {
    left.retain(length, attributesOf(ours));
    right.retain(length, transformAttributes(attributesOf(ours), attributesOf(theirs)));
  }
}
