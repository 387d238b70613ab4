import { PlainText } from "./plain_text.mjs";

/** Where an editor is, and by which name; it is loaded when it is first wanted, and the browser before it. */
const EDITORS = {
  codemirror: ["./codemirror.mjs", "CodeMirrorEditor"],
  quill: ["./quill.mjs", "QuillEditor"],
  prosemirror: ["./prosemirror.mjs", "ProseMirrorEditor"],
};

/** Return the class of an editor; of "none" a plain text. */
export async function loadEditor(editor) {
  if (editor === "none") return PlainText;
  await import("./browser.mjs");
  const [file, name] = EDITORS[editor];
  return (await import(file))[name];
}
