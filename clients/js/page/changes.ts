/** Between CodeMirror's changes and deltas. Both count UTF-16 code units; an embed is U+FFFC in the editor. */

import type { ChangeSet, ChangeSpec, EditorState, Text, Transaction } from "@codemirror/state";
import { type Caret, Delta, isDelete, isInsert, opLength, splitsPair, withoutLoneSurrogates } from "../src/index.js";

export const EMBED = "\ufffc";

/** What a change of the editor's text is as a delta. */
export function deltaOf(changes: ChangeSet): Delta {
  return Delta.build((out) => {
    let at = 0;
    changes.iterChanges((from, to, _fromAfter, _toAfter, inserted) => {
      out.retain(from - at).insert(inserted.sliceString(0, inserted.length, "\n")).delete(to - from);
      at = to;
    });
  });
}

/** What a delta is as changes of the editor's text; formatting changes no text. */
export function changesOf(delta: Delta): ChangeSpec[] {
  const changes: { from: number; to?: number; insert?: string }[] = [];
  let at = 0;
  for (const op of delta.ops) {
    const length = opLength(op);
    if (isInsert(op)) changes.push({ from: at, insert: typeof op.insert === "string" ? op.insert : EMBED });
    else if (isDelete(op)) changes.push({ from: at, to: at + length });
    if (!isInsert(op)) at += length;
  }
  return changes;
}

/** The place behind the last change of text that `delta` makes, in the text after it; for the caret. */
export function endOf(delta: Delta): { anchor: number } {
  let [at, end] = [0, 0];
  for (const op of delta.ops) {
    if (!isDelete(op)) at += opLength(op);
    if (isInsert(op) || isDelete(op) || op.attributes !== undefined) end = at;
  }
  return { anchor: end };
}

export function caretOf(state: EditorState): Caret {
  const { anchor, head } = state.selection.main;
  return { anchor, head };
}

/**
 * The same change, so moved or widened that it cuts no surrogate pair and inserts no half of one; null when it is fine.
 *
 * Some input methods replace only the unit of an emoji that differs, and scripts may do anything.
 */
export function wholeCharacters(transaction: Transaction): ChangeSpec[] | null {
  const { doc } = transaction.startState;
  let [fine, last] = [true, 0];
  const changes: { from: number; to: number; insert: string }[] = [];
  transaction.changes.iterChanges((from, to, _fromAfter, _toAfter, inserted) => {
    const start = Math.max(last, cutsPair(doc, from) ? from - 1 : from);
    const end = to === from ? start : cutsPair(doc, to) ? to + 1 : to;
    const text = inserted.sliceString(0, inserted.length, "\n");
    const insert = withoutLoneSurrogates(to === from ? text : mended(doc, start, from, text, to, end));
    fine &&= start === from && end === to && insert === text;
    changes.push({ from: start, to: end, insert });
    last = end;
  });
  return fine ? null : changes;
}

/** If the halves that are left and the inserted ones make whole characters again, they stay; otherwise they go. */
function mended(doc: Text, start: number, from: number, text: string, to: number, end: number): string {
  const whole = doc.sliceString(start, from, "\n") + text + doc.sliceString(to, end, "\n");
  return withoutLoneSurrogates(whole) === whole ? whole : text;
}

function cutsPair(doc: Text, at: number): boolean {
  return at > 0 && at < doc.length && splitsPair(doc.sliceString(at - 1, at + 1, "\n"), 1);
}
