import * as Y from "yjs";

/** What plain Yjs makes of an update (base64) that it knows nothing else of: the text's delta, or the XML. */
export function showUpdate({ update, root, kind }) {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(update, "base64"));
  return kind === "xml" ? doc.getXmlFragment(root).toString() : doc.getText(root).toDelta();
}
