/** The text editor, bound to one document: what is typed goes out as deltas, what others do comes in as changes. */

import { defaultKeymap } from "@codemirror/commands";
import { HighlightStyle, Language, defineLanguageFacet, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Annotation, Compartment, EditorState, type Extension, Transaction, type TransactionSpec } from "@codemirror/state";
import { EditorView, dropCursor, highlightSpecialChars, keymap, placeholder, type ViewUpdate } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { GFM, parser } from "@lezer/markdown";
import { type Caret, type Delta, type Participant, textOf } from "../src/index.js";
import { caretOf, changesOf, deltaOf, endOf, wholeCharacters } from "./changes.js";
import { element } from "./dom.js";
import { remoteCarets, showCarets } from "./remote_carets.js";
import { isRich, richText, showRich } from "./rich.js";

export interface EditorOutlet {
  /** The user changed the text, by keys of one kind or (null) at one go; returns the document after it. */
  edited(delta: Delta, caret: Caret, keys: string | null): Delta;
  /** Undoes the newest of one's own edits; what that changes comes back by `apply`, before it returns. */
  undo(): void;
  redo(): void;
  moved(caret: Caret): void;
}

/** Marks what is the document's own change, so that it does not go out again. */
const fromDocument = Annotation.define<boolean>();

/** CodeMirror's names for what is done key by key, and undone together. */
const KEYS = ["input.type", "delete.backward", "delete.forward"] as const;

/** Above this many units the text is shown without markup. */
const MARKUP_UNITS = 200_000;

export class Editor {
  private readonly view: EditorView;
  private readonly access = new Compartment();
  private readonly markup = new Compartment();
  private writable = false;
  private large = false;
  private rich = false;
  private stepping = false;

  constructor(parent: HTMLElement, private readonly outlet: EditorOutlet) {
    const extensions = [
      ...EXTENSIONS,
      this.history(),
      this.markup.of(MARKDOWN),
      this.access.of(readOnly(true)),
      EditorView.updateListener.of((update) => this.onUpdate(update)),
    ];
    this.view = new EditorView({ parent, state: EditorState.create({ extensions }) });
  }

  focus(): void {
    this.view.focus();
  }

  /** The text as the user sees it, U+FFFC standing for an embed. */
  get text(): string {
    const { doc } = this.view.state;
    return doc.sliceString(0, doc.length, "\n");
  }

  allowWriting(writable: boolean): void {
    if (writable === this.writable) return;
    this.writable = writable;
    this.view.dispatch({ effects: this.access.reconfigure(readOnly(!writable)) });
  }

  /** Applies a change by others; `content` is the document after it. */
  apply(delta: Delta, content: Delta): void {
    this.fitMarkup(content.lengthChange);
    const effects = this.richEffects(content);
    this.dispatch({ changes: changesOf(delta), effects, ...(this.stepping ? { selection: endOf(delta) } : {}) });
  }

  /** The keys and the browser's own commands for undo and redo. */
  private history(): Extension {
    const [undo, redo] = [() => this.step(() => this.outlet.undo()), () => this.step(() => this.outlet.redo())];
    const beforeinput = (event: InputEvent): boolean => {
      if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return false;
      event.preventDefault();
      return event.inputType === "historyUndo" ? undo() : redo();
    };
    return [
      keymap.of([
        { key: "Mod-z", run: undo, preventDefault: true },
        { key: "Mod-y", mac: "Mod-Shift-z", run: redo, preventDefault: true },
        { linux: "Ctrl-Shift-z", run: redo, preventDefault: true },
      ]),
      EditorView.domEventHandlers({ beforeinput }),
    ];
  }

  /** The caret goes to where the step changed something. */
  private step(act: () => void): boolean {
    if (!this.writable) return false;
    this.stepping = true;
    try {
      act();
    } finally {
      this.stepping = false;
    }
    this.outlet.moved(caretOf(this.view.state));
    return true;
  }

  showCarets(participants: readonly Participant[]): void {
    this.fitMarkup(this.view.state.doc.length);
    this.view.dispatch({ effects: showCarets(participants) });
  }

  /** A large text is shown without markup, since a paragraph is parsed whole at every key, however long it is. */
  private fitMarkup(length: number): void {
    if (length > MARKUP_UNITS === this.large) return;
    this.large = !this.large;
    this.view.dispatch({ effects: this.markup.reconfigure(this.large ? [] : MARKDOWN) });
  }

  private onUpdate(update: ViewUpdate): void {
    let caretTold = false;
    for (const transaction of update.transactions) {
      if (transaction.annotation(fromDocument) === true) continue;
      if (transaction.docChanged) this.tell(transaction);
      caretTold ||= transaction.docChanged;
    }
    const own = update.transactions.some((one) => one.annotation(fromDocument) !== true && one.selection !== undefined);
    if (!caretTold && (own || (update.focusChanged && update.view.hasFocus))) this.outlet.moved(caretOf(update.state));
  }

  private tell(transaction: Transaction): void {
    const keys = KEYS.find((event) => transaction.isUserEvent(event)) ?? null;
    const content = this.outlet.edited(deltaOf(transaction.changes), caretOf(transaction.state), keys);
    const effects = this.richEffects(content);
    // The view is in the middle of an update here, and takes the next one only after it.
    if (effects.length > 0) queueMicrotask(() => this.refresh(content));
  }

  /** Formatting follows an edit of a rich document, unless another edit has overtaken it. */
  private refresh(content: Delta): void {
    if (content.lengthChange === this.view.state.doc.length) this.dispatch({ effects: [showRich(content)] });
  }

  private richEffects(content: Delta): ReturnType<typeof showRich>[] {
    const before = this.rich;
    this.rich = isRich(content);
    return before || this.rich ? [showRich(content)] : [];
  }

  /** Makes the editor show `content` again, should the two ever differ. */
  restore(content: Delta): void {
    const changes = { from: 0, to: this.view.state.doc.length, insert: textOf(content) };
    this.dispatch({ changes, effects: [showRich(content)] });
  }

  private dispatch(spec: Pick<TransactionSpec, "changes" | "effects"> & { selection?: { anchor: number } }): void {
    this.view.dispatch({ ...spec, annotations: fromDocument.of(true), filter: false, scrollIntoView: this.stepping });
  }
}

function readOnly(on: boolean): Extension {
  return [EditorState.readOnly.of(on), EditorView.editable.of(!on)];
}

const whole = EditorState.transactionFilter.of((transaction) => {
  const changes = transaction.docChanged ? wholeCharacters(transaction) : null;
  const event = transaction.annotation(Transaction.userEvent);
  return changes === null ? transaction : { changes, ...(event === undefined ? {} : { userEvent: event }) };
});

function emptyState(): HTMLElement {
  const hint = element("small", {}, "It is saved as you type. Copy the link to write together.");
  return element("span", {}, "Start writing…", hint);
}

/** A "\r" is common in text from Windows, and no cause for alarm. */
function specialCharacter(code: number, description: string | null, fallback: string): HTMLElement {
  const name = description ?? `character ${code.toString(16)}`;
  if (code === 13) return element("span", { class: "return", title: "carriage return", "aria-label": "carriage return" }, "↵");
  return element("span", { class: "cm-specialChar", title: name, "aria-label": name }, fallback);
}

const highlight = HighlightStyle.define([
  { tag: tags.heading1, class: "md-h1" },
  { tag: tags.heading2, class: "md-h2" },
  { tag: [tags.heading3, tags.heading4, tags.heading5, tags.heading6], class: "md-h3" },
  { tag: tags.strong, class: "md-strong" },
  { tag: tags.emphasis, class: "md-emphasis" },
  { tag: tags.strikethrough, class: "md-strike" },
  { tag: tags.monospace, class: "md-code" },
  { tag: [tags.link, tags.url], class: "md-link" },
  { tag: tags.quote, class: "md-quote" },
  { tag: [tags.processingInstruction, tags.contentSeparator, tags.labelName], class: "md-sign" },
]);

const MARKDOWN: Extension = [
  new Language(defineLanguageFacet(), parser.configure(GFM)).extension,
  syntaxHighlighting(highlight),
];

const EXTENSIONS: readonly Extension[] = [
  // Only "\n" parts lines: every other unit, "\r" too, is a character of its line, so positions are the document's.
  EditorState.lineSeparator.of("\n"),
  // Text from other programs comes with their line ends.
  EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
  whole,
  // Before the special characters, of which an embed's U+FFFC would be one.
  richText,
  highlightSpecialChars({ render: specialCharacter }),
  dropCursor(),
  EditorView.lineWrapping,
  search({ top: true }),
  highlightSelectionMatches(),
  keymap.of([...defaultKeymap, ...searchKeymap]),
  placeholder(emptyState),
  EditorView.contentAttributes.of({ "aria-label": "Document text", spellcheck: "true", autocapitalize: "sentences" }),
  remoteCarets,
];
