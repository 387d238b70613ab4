/**
 * Undo and redo of one replica's own edits, whatever others do in between: `coedit.ot.past.undo` in TypeScript.
 *
 * A stack of inverses is a chain: the top one fits the document that is shown, each other one the document after those
 * above it. What others do is carried down the chain, as the first of every transform: so an inverse deletes nothing
 * that they inserted, and formats nothing that they formatted since. See "Undo" in `libs/coedit/ot/README.md`.
 */

import { type Delta, isInsert, opLength, transform } from "./ot/index.js";

export const MAX_STEPS = 100;
/** How much deleted text all steps together may hold, in code units; the newest is kept however large it is. */
export const MAX_UNITS = 1_000_000;
/** What one step may owe before it is carried on: bounds memory, and spreads the work. */
const MAX_OWED = 64;

/** Edits in a row of one group are one step; null is a step of its own. */
export type Group = string | number | null;

/**
 * The newest own edits of a replica, as deltas that undo or redo them.
 *
 * Its owner tells it of every change of the shown document, in order: `record` for own edits, `carry` for others'. A
 * delta that `undo` or `redo` returned is applied as an own edit that is not recorded.
 */
export class UndoHistory {
  private done: Steps;
  private undone: Steps;

  constructor(private readonly maxSteps: number = MAX_STEPS) {
    this.done = new Steps(maxSteps);
    this.undone = new Steps(maxSteps);
  }

  /** Whether anything of an own edit is left to undo; formats may turn out to change nothing any more. */
  get canUndo(): boolean {
    return this.done.settledTop() !== null;
  }

  get canRedo(): boolean {
    return this.undone.settledTop() !== null;
  }

  /** An own edit of the document `before`; what was undone cannot be redone now. */
  record(delta: Delta, before: Delta, group: Group = null): void {
    if (this.maxSteps === 0) return;
    const inverse = delta.invert(before);
    if (inverse.isEmpty) return;
    this.undone = new Steps(this.maxSteps);
    this.done.push(inverse, group);
  }

  /** What others did to the shown document. */
  carry(shown: Delta): void {
    if (shown.isEmpty) return;
    this.done.carry(shown);
    this.undone.carry(shown);
  }

  /** What undoes the newest step on the shown `document`; steps of which others have left nothing are passed over. */
  undo(document: Delta): Delta | null {
    return step(this.done, this.undone, document);
  }

  /** What takes back the newest undo on the shown `document`. */
  redo(document: Delta): Delta | null {
    return step(this.undone, this.done, document);
  }

  /** The document was replaced by one that does not continue it. */
  clear(): void {
    this.done = new Steps(this.maxSteps);
    this.undone = new Steps(this.maxSteps);
  }
}

/** Numbers bursts of typing: edits with shorter pauses between them share a number. */
export class TypingGroups {
  private last = -Infinity;
  private number = 0;

  constructor(private readonly pauseMs: number = 500) {}

  /** The group of an edit made now, by a clock of the caller's that never goes back. */
  at(now: number): number {
    if (now - this.last >= this.pauseMs) this.number += 1;
    this.last = now;
    return this.number;
  }
}

function step(source: Steps, target: Steps, document: Delta): Delta | null {
  for (let delta = source.pop(); delta !== null; delta = source.pop()) {
    if (delta.applyTo(document).equals(document)) continue;
    // Taken from the document as it is now: what others deleted meanwhile does not come back with it.
    target.push(delta.invert(document), null);
    return delta;
  }
  return null;
}

interface Step {
  delta: Delta;
  group: Group;
  /** What others did to the document that `delta` fits, in order, one by one. */
  owed: Delta[];
}

/** A chain of deltas, the last of which fits the shown document. */
class Steps {
  private readonly steps: Step[] = [];

  constructor(private readonly maxSteps: number) {}

  carry(shown: Delta): void {
    this.steps.at(-1)?.owed.push(shown);
    for (let index = this.steps.length - 1; index >= 0 && this.steps[index]!.owed.length > MAX_OWED; index -= 1) {
      this.settle(index);
    }
  }

  push(delta: Delta, group: Group): void {
    const top = group === null ? null : this.settledTop();
    // Both are known only here, so they may be composed.
    if (top !== null && top.group === group) top.delta = delta.compose(top.delta);
    else this.steps.push({ delta, group, owed: [] });
    this.forgetOldest();
  }

  pop(): Delta | null {
    const top = this.settledTop();
    if (top === null) return null;
    this.steps.pop();
    // What is typed after an undo is a step of its own.
    const next = this.steps.at(-1);
    if (next !== undefined) next.group = null;
    return top.delta;
  }

  /** The newest step that is not empty, carried over all that it owed; drops those above it. */
  settledTop(): Step | null {
    for (let top = this.steps.at(-1); top !== undefined; top = this.steps.at(-1)) {
      this.settle(this.steps.length - 1);
      if (!top.delta.isEmpty) return top;
    }
    return null;
  }

  /** Carries the step over what it owes; the one below owes it then, as it reads after this one. */
  private settle(index: number): void {
    const step = this.steps[index]!;
    const below = this.steps[index - 1]?.owed;
    for (const others of step.owed) {
      const [passed, delta] = transform(others, step.delta);
      step.delta = delta;
      if (!passed.isEmpty) below?.push(passed);
    }
    step.owed = [];
    if (step.delta.isEmpty) this.steps.splice(index, 1);
  }

  private forgetOldest(): void {
    let excess = Math.max(0, this.steps.length - this.maxSteps);
    let units = this.steps.slice(excess).reduce((sum, { delta }) => sum + insertedUnits(delta), 0);
    while (units > MAX_UNITS && excess < this.steps.length - 1) {
      units -= insertedUnits(this.steps[excess]!.delta);
      excess += 1;
    }
    this.steps.splice(0, excess);
  }
}

function insertedUnits(delta: Delta): number {
  return delta.ops.reduce((sum, op) => sum + (isInsert(op) ? opLength(op) : 0), 0);
}
