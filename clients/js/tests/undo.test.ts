import { describe, expect, test } from "vitest";
import { DocumentSession } from "../src/document.js";
import { Delta, textOf } from "../src/ot/index.js";
import { TypingGroups, UndoHistory } from "../src/undo.js";
import { Random, randomDelta } from "./random.js";

/** A document as it is shown, and its history. */
class Shown {
  readonly history: UndoHistory;

  constructor(public document = Delta.EMPTY, maxSteps = 100) {
    this.history = new UndoHistory(maxSteps);
  }

  edit(delta: Delta, group: string | null = null): void {
    this.history.record(delta, this.document, group);
    this.document = delta.applyTo(this.document);
  }

  receive(delta: Delta): void {
    this.history.carry(delta);
    this.document = delta.applyTo(this.document);
  }

  undo(): boolean {
    return this.follow(this.history.undo(this.document));
  }

  redo(): boolean {
    return this.follow(this.history.redo(this.document));
  }

  private follow(delta: Delta | null): boolean {
    if (delta !== null) this.document = delta.applyTo(this.document);
    return delta !== null;
  }
}

const at = (retain: number, op: object): Delta => Delta.of([...(retain > 0 ? [{ retain }] : []), op as { insert: string }]);

describe("undo", () => {
  test("leaves what others inserted inside", () => {
    const shown = new Shown();
    shown.edit(Delta.text("mine"));
    shown.receive(at(2, { insert: "THEIRS" }));
    shown.undo();
    expect(textOf(shown.document)).toBe("THEIRS");
    shown.redo();
    expect(textOf(shown.document)).toBe("miTHEIRSne");
  });

  test("leaves the format that others changed since", () => {
    const shown = new Shown(Delta.text("abc"));
    shown.edit(at(0, { retain: 3, attributes: { bold: true, font: "serif" } }));
    shown.receive(at(1, { retain: 1, attributes: { bold: 2 } }));
    shown.undo();
    expect(shown.document.ops).toEqual([{ insert: "a" }, { insert: "b", attributes: { bold: 2 } }, { insert: "c" }]);
  });

  test("restores formats and embeds", () => {
    const document = Delta.of([{ insert: "a", attributes: { bold: true } }, { insert: { image: "x" } }, { insert: "😀" }]);
    const shown = new Shown(document);
    shown.edit(at(0, { delete: 4 }));
    shown.undo();
    expect(shown.document.equals(document)).toBe(true);
  });

  test("passes over a step of which others left nothing", () => {
    const shown = new Shown(Delta.text("x"));
    shown.edit(Delta.text("a"));
    shown.edit(at(2, { insert: "b" }));
    shown.receive(at(2, { delete: 1 }));
    expect([shown.undo(), textOf(shown.document), shown.history.canUndo]).toEqual([true, "x", false]);
  });

  test("takes edits of one group as one step", () => {
    const shown = new Shown();
    [..."word"].forEach((letter, index) => shown.edit(at(index, { insert: letter }), "typing"));
    shown.edit(at(4, { insert: "!" }));
    shown.undo();
    expect(textOf(shown.document)).toBe("word");
    shown.undo();
    expect(textOf(shown.document)).toBe("");
  });

  test("forgets the oldest steps", () => {
    const shown = new Shown(Delta.EMPTY, 3);
    [..."abcde"].forEach((letter) => shown.edit(Delta.text(letter)));
    while (shown.undo());
    expect(textOf(shown.document)).toBe("ba");
  });

  test("is carried over however many others' changes", () => {
    const shown = new Shown();
    [..."abc"].forEach((letter) => shown.edit(Delta.text(letter)));
    for (let index = 0; index < 300; index += 1) shown.receive(at(Math.min(index, 2), { insert: "." }));
    while (shown.undo());
    expect(textOf(shown.document)).toBe(".".repeat(300));
  });

  test("of random edits down and up again meets the same states", () => {
    const random = Random.seeded();
    for (let round = 0; round < 300; round += 1) {
      const shown = new Shown(randomDelta(random, Delta.EMPTY));
      const first = shown.document;
      for (let count = random.below(6); count > 0; count -= 1) shown.edit(randomDelta(random, shown.document));
      const down = [shown.document];
      while (shown.undo()) down.push(shown.document);
      expect(shown.document.equals(first)).toBe(true);
      for (const state of down.reverse().slice(1)) expect([shown.redo(), shown.document.equals(state)]).toEqual([true, true]);
      expect(shown.redo()).toBe(false);
    }
  });
});

test("a pause begins a group", () => {
  const groups = new TypingGroups(500);
  expect([0, 400, 800, 1_300, 1_400].map((now) => groups.at(now))).toEqual([1, 1, 1, 2, 2]);
});

test("a document undoes offline too, and shows it", () => {
  const document = new DocumentSession("notes");
  document.edit(Delta.text("ab"), null, 0);
  document.edit(at(2, { insert: "c" }), null, 0);
  expect(document.undo(0)).toEqual([{ kind: "show", document: "notes", delta: at(2, { delete: 1 }) }]);
  expect([textOf(document.content), document.history.canRedo]).toEqual(["ab", true]);
  document.redo(0);
  expect([textOf(document.content), document.redo(0)]).toEqual(["abc", []]);
});
