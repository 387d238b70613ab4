import { EditorState, type TransactionSpec } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import { changesOf, deltaOf, wholeCharacters } from "../page/changes.js";
import { Delta, textOf } from "../src/ot/index.js";
import { Random, randomDelta } from "./random.js";

const separator = EditorState.lineSeparator.of("\n");

function stateOf(text: string): EditorState {
  return EditorState.create({ doc: text, extensions: separator });
}

function textIn(state: EditorState): string {
  return state.doc.sliceString(0, state.doc.length, "\n");
}

/** The text after a change by the user, as the editor lets it through. */
function edited(text: string, spec: TransactionSpec): string {
  const state = stateOf(text);
  const transaction = state.update(spec);
  const whole = wholeCharacters(transaction);
  return textIn(whole === null ? transaction.state : state.update({ changes: whole }).state);
}

test("editor and document hold the same text through random deltas, line ends and all, in both directions", () => {
  const random = Random.seeded();
  for (let round = 0; round < 300; round += 1) {
    let document = randomDelta(random, Delta.EMPTY);
    let state = stateOf(textOf(document));
    for (let step = 0; step < 8; step += 1) {
      const delta = randomDelta(random, document);
      const transaction = state.update({ changes: changesOf(delta) });
      const plain = Delta.text(textIn(state));
      expect(textOf(deltaOf(transaction.changes).applyTo(plain))).toBe(textIn(transaction.state));
      [document, state] = [delta.applyTo(document), transaction.state];
      expect(textIn(state)).toBe(textOf(document));
    }
  }
});

describe("a surrogate pair is never cut", () => {
  test.each<[string, TransactionSpec, string]>([
    ["deleting half of it deletes all of it", { changes: { from: 2, to: 3 } }, "ab"],
    ["inserting inside of it inserts before it", { changes: { from: 2, insert: "x" } }, "ax😀b"],
    ["an input method that replaces only the second half gets its character", { changes: { from: 2, to: 3, insert: "\ude01" } }, "a😁b"],
    ["half a pair that is inserted becomes U+FFFD", { changes: { from: 0, insert: "\ud83d" } }, "\ufffda😀b"],
    ["what is fine passes as it is", { changes: { from: 1, to: 3, insert: "🎉" } }, "a🎉b"],
  ])("%s", (_, spec, after) => {
    expect(edited("a😀b", spec)).toBe(after);
  });
});
