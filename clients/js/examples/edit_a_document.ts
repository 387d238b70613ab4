import { Connection, Delta, type DocumentSession } from "@coedit/client";

let notes: DocumentSession | null = null;
const connection = new Connection(process.argv[2] ?? "ws://127.0.0.1:8000/v1/ws", { author: "ada" }, {
  onShow: (document, delta) => console.log(document, delta.ops), // changes by others, and what undo changes
  onChange: () => console.log(connection.status.kind, notes?.saved), // anything observable; also while it is opened
});
notes = connection.open("notes");
connection.connect();
connection.edit(notes, Delta.text("hello "), null); // at any time, offline too; the caret after it, if any
connection.edit(notes, Delta.text("no, "), null);
connection.undo(notes); // the newest of one's own edits, through those of others; redo likewise
