import Quill from "quill";
import QuillCursors from "quill-cursors";
import { QuillBinding } from "y-quill";

Quill.register("modules/cursors", QuillCursors);

/** A Quill bound to a shared text. Its own last newline, which is not in the text, is not counted. */
export class QuillEditor {
  constructor(doc, root, awareness) {
    this.text = doc.getText(root);
    const place = document.body.appendChild(document.createElement("div"));
    this.quill = new Quill(place, { modules: { cursors: true } });
    this.binding = new QuillBinding(this.text, this.quill, awareness);
  }

  get shown() {
    return this.quill.getContents(0, this.quill.getLength() - 1).ops;
  }

  get shared() {
    return this.text.toDelta();
  }

  edit(ops) {
    this.quill.updateContents(ops, "user");
  }

  select(anchor, head) {
    this.quill.setSelection(Math.min(anchor, head), Math.abs(head - anchor), "user");
  }

  get carets() {
    const cursors = this.quill.getModule("cursors").cursors();
    return cursors.map(({ name, range }) => ({ name, position: range ? range.index + range.length : null }));
  }

  destroy() {
    this.binding.destroy();
  }
}
