/** The carets and selections of others, each with a flag that shows its owner's name for a while after it moved. */

import { type Extension, type Range, StateEffect, StateField, type Text } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, WidgetType } from "@codemirror/view";
import type { Participant } from "../src/index.js";
import { flags } from "./flags.js";
import { colourOf } from "./me.js";

const show = StateEffect.define<readonly Participant[]>();

interface Placed {
  readonly clientId: string;
  readonly name: string;
  readonly colour: string;
  readonly anchor: number;
  readonly head: number;
  /** Counts the moves that are its owner's own, each of which shows the flag again. */
  readonly moves: number;
}

interface Carets {
  readonly placed: readonly Placed[];
  readonly decorations: DecorationSet;
}

const field = StateField.define<Carets>({
  create: () => ({ placed: [], decorations: Decoration.none }),
  update(carets, transaction) {
    let { placed } = carets;
    if (transaction.docChanged) placed = placed.map((one) => carried(one, (at) => transaction.changes.mapPos(at, -1)));
    for (const effect of transaction.effects) {
      if (effect.is(show)) placed = place(effect.value, placed, transaction.newDoc);
    }
    return placed === carets.placed ? carets : { placed, decorations: decorate(placed) };
  },
  provide: (self) => EditorView.decorations.from(self, (carets) => carets.decorations),
});

export const remoteCarets: Extension = [field, flags];

/** The effect that shows these participants' carets, positions being those of the present text. */
export function showCarets(participants: readonly Participant[]): StateEffect<readonly Participant[]> {
  return show.of(participants);
}

function carried(one: Placed, map: (at: number) => number): Placed {
  return { ...one, anchor: map(one.anchor), head: map(one.head) };
}

function place(participants: readonly Participant[], before: readonly Placed[], doc: Text): Placed[] {
  return participants.flatMap(({ clientId, name, colour, caret }) => {
    if (caret === null) return [];
    const known = before.find((one) => one.clientId === clientId);
    const [anchor, head] = [Math.min(caret.anchor, doc.length), Math.min(caret.head, doc.length)];
    const moved = known?.head !== head || known.anchor !== anchor;
    const moves = (known?.moves ?? 0) + (moved ? 1 : 0);
    return [{ clientId, name, colour: colourOf(colour, clientId), anchor, head, moves }];
  });
}

function decorate(placed: readonly Placed[]): DecorationSet {
  const ranges = placed.flatMap((one): Range<Decoration>[] => {
    const caret = Decoration.widget({ widget: new CaretWidget(one), side: 1 }).range(one.head);
    if (one.anchor === one.head) return [caret];
    const style = `background-color: color-mix(in srgb, ${one.colour} 24%, transparent)`;
    const [from, to] = [Math.min(one.anchor, one.head), Math.max(one.anchor, one.head)];
    return [Decoration.mark({ class: "remote-selection", attributes: { style } }).range(from, to), caret];
  });
  return Decoration.set(ranges, true);
}

class CaretWidget extends WidgetType {
  constructor(private readonly placed: Placed) {
    super();
  }

  override eq(other: CaretWidget): boolean {
    const [a, b] = [this.placed, other.placed];
    return a.clientId === b.clientId && a.name === b.name && a.colour === b.colour && a.moves === b.moves;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "remote-caret";
    caret.style.setProperty("--colour", this.placed.colour);
    // The name is drawn by the style sheet, so that it is no part of the text that is read out or copied.
    caret.dataset["name"] = this.placed.name;
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}
