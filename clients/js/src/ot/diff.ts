import { sameJson } from "./attributes.js";
import { Delta } from "./delta.js";
import { OpReader } from "./reader.js";
import { type Insert, type Op, attributesOf, isInsert, opLength } from "./types.js";
import { splitsPair } from "./utf16.js";

/**
 * A delta that turns the document `before` into `after`: it replaces all between their common beginning and end.
 *
 * Meant for what happens rarely, when two states share no history: it is not minimal in between.
 */
export function replaceBetween(before: Delta, after: Delta): Delta {
  const [old, fresh] = [unitsOf(before), unitsOf(after)];
  const shorter = Math.min(old.text.length, fresh.text.length);
  let start = 0;
  while (start < shorter && sameUnit(old, start, fresh, start)) start += 1;
  if (splitsPair(old.text, start) || splitsPair(fresh.text, start)) start -= 1;
  let end = 0;
  const ends = [old.text.length, fresh.text.length] as const;
  while (end < shorter - start && sameUnit(old, ends[0] - end - 1, fresh, ends[1] - end - 1)) end += 1;
  if (splitsPair(old.text, ends[0] - end) || splitsPair(fresh.text, ends[1] - end)) end -= 1;
  return Delta.build((out) => {
    out.retain(start).delete(ends[0] - end - start);
    for (const op of slice(after, start, ends[1] - end)) out.push(op);
  });
}

/** The text of a document, with U+FFFC for each embed. */
export function textOf(document: Delta): string {
  return document.ops.map((op) => (isInsert(op) && typeof op.insert === "string" ? op.insert : "\ufffc")).join("");
}

/**
 * A delta in two: `first.compose(rest)` is `delta`, and `first` inserts at most `units` of text.
 *
 * Embeds count one unit, whatever their size.
 */
export function splitInserts(delta: Delta, units: number): [first: Delta, rest: Delta] {
  const reader = new OpReader(delta.ops);
  let [left, passed] = [units, 0];
  const first = Delta.build((out) => {
    while (!reader.done && left > 0) {
      const op = takeInserting(reader, left);
      if (op === null) break;
      if (isInsert(op)) left -= opLength(op);
      if (isInsert(op) || "retain" in op) passed += opLength(op);
      out.push(op);
    }
  });
  const rest = Delta.build((out) => {
    out.retain(passed);
    while (!reader.done) out.push(reader.take());
  });
  return [first, rest];
}

function takeInserting(reader: OpReader, left: number): Op | null {
  const op = reader.next;
  if (op === undefined || !isInsert(op) || typeof op.insert !== "string") return reader.take();
  const at = opLength(op) - reader.remaining;
  const length = splitsPair(op.insert, at + left) ? left - 1 : left;
  return length > 0 ? reader.take(length) : null;
}

interface Units {
  readonly text: string;
  /** For each unit, the op that it is part of. */
  readonly ops: readonly Op[];
}

function unitsOf(document: Delta): Units {
  const ops: Op[] = [];
  for (const op of document.ops) for (let unit = opLength(op); unit > 0; unit -= 1) ops.push(op);
  return { text: textOf(document), ops };
}

function sameUnit(a: Units, at: number, b: Units, other: number): boolean {
  if (a.text.charCodeAt(at) !== b.text.charCodeAt(other)) return false;
  const [left, right] = [a.ops[at] as Insert, b.ops[other] as Insert];
  if (left === right) return true;
  if (!sameJson(attributesOf(left), attributesOf(right))) return false;
  return typeof left.insert === "string" ? typeof right.insert === "string" : sameJson(left.insert, right.insert);
}

function slice(document: Delta, start: number, end: number): Op[] {
  const reader = new OpReader(document.ops);
  const taken: Op[] = [];
  for (let at = 0; at < end; ) {
    const op = reader.take((at < start ? start : end) - at);
    if (at >= start) taken.push(op);
    at += opLength(op);
  }
  return taken;
}
