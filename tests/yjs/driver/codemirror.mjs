import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { yCollab } from "y-codemirror.next";

/** A CodeMirror bound to a shared text; it knows no formatting. */
export class CodeMirrorEditor {
  constructor(doc, root, awareness) {
    this.text = doc.getText(root);
    const extensions = [yCollab(this.text, awareness)];
    const state = EditorState.create({ doc: this.text.toString(), extensions });
    this.view = new EditorView({ state, parent: document.body });
  }

  get shown() {
    const text = this.view.state.doc.toString();
    return text ? [{ insert: text }] : [];
  }

  get shared() {
    return this.text.toDelta();
  }

  edit(ops) {
    this.view.dispatch({ changes: changesOf(ops), userEvent: "input" });
  }

  select(anchor, head) {
    this.view.focus();
    this.view.dispatch({ selection: { anchor, head }, userEvent: "select" });
  }

  get carets() {
    return [...this.view.dom.querySelectorAll(".cm-ySelectionCaret")].map((caret) => ({
      name: caret.querySelector(".cm-ySelectionInfo").textContent,
      position: this.view.posAtDOM(caret),
    }));
  }

  destroy() {
    this.view.destroy();
  }
}

/** A delta as CodeMirror's changes, which all count in the text before. */
function changesOf(ops) {
  let from = 0;
  return ops.flatMap((op) => {
    if (op.insert !== undefined) return [{ from, insert: op.insert }];
    const to = from + (op.retain ?? op.delete);
    const change = op.delete ? [{ from, to }] : [];
    from = to;
    return change;
  });
}
