import { QuillBinding } from "y-quill";

// Quill looks for a browser when it is loaded.
const { default: Quill } = await import("quill");
const { default: QuillCursors } = await import("quill-cursors");
Quill.register("modules/cursors", QuillCursors);

/** A Quill bound to a shared text. Quill shows one newline more at the end, which is not in the text. */
export class QuillEditor {
  constructor(doc, root, awareness) {
    this.text = doc.getText(root);
    const place = document.body.appendChild(document.createElement("div"));
    this.quill = new Quill(place, { modules: { cursors: { transformOnTextChange: true } } });
    this.binding = new QuillBinding(this.text, this.quill, awareness);
  }

  get shown() {
    return this.quill.getContents().ops;
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
