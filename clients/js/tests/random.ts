/** Seeded randomness for tests; the seed is printed, and taken from COEDIT_SEED when that is set. */

import { Delta, type Op, splitsPair } from "../src/ot/index.js";

export class Random {
  constructor(private state: number) {}

  static seeded(): Random {
    const seed = Number(process.env["COEDIT_SEED"] ?? Date.now() % 2 ** 31);
    console.log(`COEDIT_SEED=${seed}`);
    return new Random(seed);
  }

  /** From 0 to below 1. Source: mulberry32, T. Ettinger. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const TEXTS = ["a", "bc", "\n", "\r\n", "é", "😀", "👩‍💻", "xyz"] as const;

/** A small delta that fits `document` and cuts no pair. */
export function randomDelta(random: Random, document: Delta): Delta {
  const units = document.ops.map((op) => ("insert" in op && typeof op.insert === "string" ? op.insert : "\ufffc")).join("");
  const ops: Op[] = [];
  let at = 0;
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    let end = at + random.below(Math.min(6, units.length - at + 1));
    if (splitsPair(units, end)) end += 1;
    if (end > at) ops.push(randomRange(random, end - at));
    at = end;
    if (random.below(2) === 0) ops.push(randomInsert(random));
  }
  return Delta.of(ops);
}

function randomRange(random: Random, length: number): Op {
  const kind = random.below(4);
  if (kind === 0) return { delete: length };
  if (kind === 1) return { retain: length, attributes: { [random.pick(["bold", "size"])]: random.pick([null, true, 2]) } };
  return { retain: length };
}

function randomInsert(random: Random): Op {
  if (random.below(8) === 0) return { insert: { image: random.pick(["a.png", "b.png"]) } };
  const text = { insert: random.pick(TEXTS) };
  return random.below(3) === 0 ? { ...text, attributes: { bold: true } } : text;
}
