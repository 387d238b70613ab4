/** The laws of undo, as in `tests/property/test_undo_laws.py`: every character is the only one of its kind, and known by its author. */

import { expect, test } from "vitest";
import { Delta, type Json, type Op, attributesOf, isDelete, isInsert, isRetain, opLength, textOf } from "../src/ot/index.js";
import { UndoHistory } from "../src/undo.js";
import { Random, randomDelta } from "./random.js";

type Author = "mine" | "theirs";
type Setter = Author | "undone";
type Formats = { readonly [name: string]: Json };

const ROUNDS = 1_000;
const NAMES = ["bold", "size"] as const;
const VALUES: readonly Json[] = [null, true, 1, "", { w: 1 }];

/** A shown document that two edit, one of whom can undo. */
class World {
  document = Delta.EMPTY;
  readonly history = new UndoHistory();
  private readonly author = new Map<string, Author>();
  private readonly deletedByOthers = new Set<string>();
  /** Who set an attribute of a character, newest last; behind the others, what was set and is undone. */
  private readonly setters = new Map<string, Setter[]>();
  private written = 0;

  constructor(private readonly random: Random) {
    this.document = Delta.text(this.write("theirs", 8));
  }

  edit(author: Author, group: string | null = null): void {
    const delta = this.delta(author);
    if (author === "theirs") {
      this.history.carry(delta);
      for (const character of this.touched(delta, isDelete)) this.deletedByOthers.add(character);
    } else {
      this.history.record(delta, this.document, group);
      if (!this.history.canRedo) this.forgetUndone();
    }
    for (const [character, name] of this.setBy(delta)) this.settersOf(character, name).push(author);
    this.document = delta.applyTo(this.document);
  }

  undo(): boolean {
    const delta = this.history.undo(this.document);
    if (delta === null) return false;
    for (const character of this.touched(delta, isDelete)) expect(this.author.get(character)).toBe("mine");
    for (const [character, name] of this.changedBy(delta)) checkUndone(this.settersOf(character, name));
    this.document = delta.applyTo(this.document);
    return true;
  }

  redo(): boolean {
    const delta = this.history.redo(this.document);
    if (delta === null) return false;
    for (const [character, name] of this.changedBy(delta)) checkRedone(this.settersOf(character, name));
    this.document = delta.applyTo(this.document);
    return true;
  }

  /** What others wrote and did not delete: what is left when all that is mine is undone. */
  get othersText(): string[] {
    const written = [...this.author].filter(([, author]) => author === "theirs").map(([character]) => character);
    return written.filter((character) => !this.deletedByOthers.has(character)).sort();
  }

  private delta(author: Author): Delta {
    const characters = [...textOf(this.document)];
    const start = this.random.below(characters.length + 1);
    const range = characters.slice(start, start + 1 + this.random.below(4)).join("");
    const kind = range === "" ? 0 : this.random.below(4);
    const retain = characters.slice(0, start).join("").length;
    return Delta.of([{ retain }, this.change(author, kind, range.length)]);
  }

  private change(author: Author, kind: number, length: number): Op {
    if (kind === 3) return { delete: length };
    const attributes = { [this.random.pick(NAMES)]: this.random.pick(VALUES) };
    if (kind === 2) return { retain: length, attributes };
    return { insert: this.write(author, 1 + this.random.below(3)) };
  }

  /** Fresh characters, in turn of one code unit and of two. */
  private write(author: Author, count: number): string {
    const characters = Array.from({ length: count }, () => {
      this.written += 1;
      return String.fromCodePoint((this.written % 2 === 0 ? 0x4e00 : 0x1f300) + this.written);
    });
    for (const character of characters) this.author.set(character, author);
    return characters.join("");
  }

  private forgetUndone(): void {
    for (const [key, setters] of this.setters) this.setters.set(key, setters.filter((setter) => setter !== "undone"));
  }

  private settersOf(character: string, name: string): Setter[] {
    const key = character + name;
    if (!this.setters.has(key)) this.setters.set(key, []);
    return this.setters.get(key)!;
  }

  private touched(delta: Delta, isKind: (op: Op) => boolean): string[] {
    return reads(this.document, delta).flatMap(([op, character]) => (isKind(op) ? [character] : []));
  }

  private setBy(delta: Delta): [character: string, name: string][] {
    return reads(this.document, delta).flatMap(([op, character]) =>
      isRetain(op) ? Object.keys(op.attributes ?? {}).map((name): [string, string] => [character, name]) : [],
    );
  }

  private changedBy(delta: Delta): [character: string, name: string][] {
    const [before, after] = [formats(this.document), formats(delta.applyTo(this.document))];
    const value = (of: Map<string, Formats>, character: string, name: string): string =>
      JSON.stringify(of.get(character)?.[name]);
    return this.setBy(delta).filter(([character, name]) => value(before, character, name) !== value(after, character, name));
  }
}

/** Only what one set oneself is undone, and only if nobody set it since. */
function checkUndone(setters: Setter[]): void {
  const newest = setters.findLastIndex((setter) => setter !== "undone");
  expect(setters[newest]).toBe("mine");
  setters[newest] = "undone";
}

/** Only what was undone is redone, and only if nobody set it since. */
function checkRedone(setters: Setter[]): void {
  const oldestUndone = setters.findLastIndex((setter) => setter !== "undone") + 1;
  expect(setters[oldestUndone]).toBe("undone");
  setters[oldestUndone] = "mine";
}

/** The characters of the document with the ops that read them. */
function reads(document: Delta, delta: Delta): [op: Op, character: string][] {
  const found: [Op, string][] = [];
  const text = textOf(document);
  let at = 0;
  for (const op of delta.ops) {
    if (isInsert(op)) continue;
    for (const character of text.slice(at, at + opLength(op))) found.push([op, character]);
    at += opLength(op);
  }
  return found;
}

function formats(document: Delta): Map<string, Formats> {
  const pairs = document.ops.flatMap((op) =>
    isInsert(op) && typeof op.insert === "string"
      ? [...op.insert].map((character): [string, Formats] => [character, attributesOf(op) ?? {}])
      : [],
  );
  return new Map(pairs);
}

test("undo right after an edit is identity, and redo after it restores, embeds and attributes included", () => {
  const random = Random.seeded();
  for (let round = 0; round < ROUNDS; round += 1) {
    const history = new UndoHistory();
    const start = randomDelta(random, Delta.EMPTY);
    const document = randomDelta(random, start).applyTo(start);
    const edit = randomDelta(random, document);
    const after = edit.applyTo(document);
    history.record(edit, document);
    const undone = (history.undo(after) ?? Delta.EMPTY).applyTo(after);
    expect(undone.toJSON()).toEqual(document.toJSON());
    expect((history.redo(undone) ?? Delta.EMPTY).applyTo(undone).toJSON()).toEqual(after.toJSON());
  }
});

test("undo deletes nothing that others wrote, and neither undo nor redo formats what others formatted since", () => {
  const random = Random.seeded();
  let checked = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const world = new World(random);
    for (let step = random.below(14); step > 0; step -= 1) {
      const kind = random.below(6);
      if (kind < 2) world.edit("mine", kind === 0 ? "typing" : null);
      else if (kind < 4) world.edit("theirs");
      else if (kind === 4 ? world.undo() : world.redo()) checked += 1;
    }
    while (world.undo()) checked += 1;
  }
  expect(checked).toBeGreaterThan(ROUNDS);
});

test("undo of all removes all that is mine, and returns all that is not", () => {
  const random = Random.seeded();
  for (let round = 0; round < ROUNDS; round += 1) {
    const world = new World(random);
    for (let step = random.below(14); step > 0; step -= 1) {
      if (random.below(2) === 0) world.edit("theirs");
      else world.edit("mine", random.pick([null, "typing"]));
    }
    const left = world.othersText;
    while (world.undo());
    expect([...textOf(world.document)].sort()).toEqual(left);
  }
});
