/** Shows formatting and embeds that came from richer clients; this editor changes neither. */

import { type Extension, type Range, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, WidgetType } from "@codemirror/view";
import { type Attributes, type Delta, type Embed, isInsert, opLength } from "../src/index.js";

const show = StateEffect.define<Delta>();

interface Rich {
  readonly marks: DecorationSet;
  readonly embeds: DecorationSet;
}

const NONE: Rich = { marks: Decoration.none, embeds: Decoration.none };

const field = StateField.define<Rich>({
  create: () => NONE,
  update(rich, transaction) {
    let next = rich;
    if (transaction.docChanged && rich !== NONE) {
      next = { marks: rich.marks.map(transaction.changes), embeds: rich.embeds.map(transaction.changes) };
    }
    for (const effect of transaction.effects) if (effect.is(show)) next = decorate(effect.value);
    return next;
  },
  provide: (self) => [
    EditorView.decorations.from(self, (rich) => rich.marks),
    EditorView.decorations.from(self, (rich) => rich.embeds),
    EditorView.atomicRanges.of((view) => view.state.field(self).embeds),
  ],
});

export const richText: Extension = field;

/** The effect that shows the formatting of `content`, whose text the editor holds. */
export function showRich(content: Delta): StateEffect<Delta> {
  return show.of(content);
}

/** Whether there is anything but plain text. */
export function isRich(content: Delta): boolean {
  return content.ops.some((op) => isInsert(op) && (typeof op.insert !== "string" || op.attributes !== undefined));
}

function decorate(content: Delta): Rich {
  if (!isRich(content)) return NONE;
  const marks: Range<Decoration>[] = [];
  const embeds: Range<Decoration>[] = [];
  let at = 0;
  for (const op of content.ops) {
    const end = at + opLength(op);
    if (isInsert(op) && typeof op.insert !== "string") {
      embeds.push(Decoration.replace({ widget: new EmbedWidget(op.insert) }).range(at, end));
    } else if (isInsert(op)) {
      const names = classes(op.attributes ?? {});
      if (names !== "") marks.push(Decoration.mark({ class: names }).range(at, end));
    }
    at = end;
  }
  return { marks: Decoration.set(marks), embeds: Decoration.set(embeds) };
}

const SHOWN = ["bold", "italic", "underline", "strike", "code", "link"] as const;

function classes(attributes: Attributes): string {
  return SHOWN.filter((name) => attributes[name] !== undefined && attributes[name] !== false)
    .map((name) => `rich-${name}`)
    .join(" ");
}

class EmbedWidget extends WidgetType {
  private readonly label: string;

  constructor(embed: Embed) {
    super();
    this.label = Object.keys(embed).join(", ");
  }

  override eq(other: EmbedWidget): boolean {
    return other.label === this.label;
  }

  override toDOM(): HTMLElement {
    const chip = document.createElement("span");
    chip.className = "embed";
    chip.textContent = this.label;
    chip.title = "Embedded by another editor; it is kept as it is.";
    return chip;
  }
}
