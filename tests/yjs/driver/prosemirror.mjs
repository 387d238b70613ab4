import { schema } from "prosemirror-schema-basic";
import { EditorState, TextSelection } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { yCursorPlugin, ySyncPlugin } from "y-prosemirror";

/** A ProseMirror bound to a shared XML fragment. Positions are ProseMirror's. */
export class ProseMirrorEditor {
  constructor(doc, root, awareness) {
    this.fragment = doc.getXmlFragment(root);
    const plugins = [ySyncPlugin(this.fragment), yCursorPlugin(awareness)];
    const place = document.body.appendChild(document.createElement("div"));
    this.view = new EditorView(place, { state: EditorState.create({ schema, plugins }) });
  }

  get shown() {
    return this.view.state.doc.toJSON();
  }

  get shared() {
    return this.fragment.toString();
  }

  /** Each op is a step of a transaction of its own: [verb, ...arguments]. */
  edit(ops) {
    for (const [verb, ...given] of ops) this.view.dispatch(STEPS[verb](this.view.state.tr, ...given));
  }

  select(anchor, head) {
    const { doc, tr } = this.view.state;
    this.view.focus();
    this.view.dispatch(tr.setSelection(TextSelection.create(doc, anchor, head)));
  }

  get carets() {
    return [...this.view.dom.querySelectorAll(".ProseMirror-yjs-cursor")].map((caret) => ({
      name: caret.textContent.replaceAll("\u2060", ""),
      position: this.view.posAtDOM(caret, 0),
    }));
  }

  destroy() {
    this.view.destroy();
  }
}

const STEPS = {
  insert: (tr, at, text) => tr.insertText(text, at),
  delete: (tr, from, to) => tr.delete(from, to),
  split: (tr, at) => tr.split(at),
  mark: (tr, from, to, name) => tr.addMark(from, to, schema.mark(name)),
  heading: (tr, from, to, level) => tr.setBlockType(from, to, schema.nodes.heading, { level }),
  image: (tr, at, src) => tr.insert(at, schema.node("image", { src })),
};
