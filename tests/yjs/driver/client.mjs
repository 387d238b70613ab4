import * as Y from "yjs";
import { HocuspocusConnection } from "./hocuspocus.mjs";
import { Link } from "./link.mjs";
import { YWebsocketConnection } from "./y_websocket.mjs";

const CONNECTIONS = { "y-websocket": YWebsocketConnection, hocuspocus: HocuspocusConnection };

/** One replica of a document: a Yjs document, a provider's connection, and an editor that shows it. */
export class Client {
  constructor(Editor, { provider, user, root, ...wanted }) {
    this.doc = new Y.Doc();
    this.link = new Link();
    this.connection = new CONNECTIONS[provider](this.doc, this.link, { ...wanted, root });
    const { awareness } = this.connection;
    if (user) awareness.setLocalStateField("user", user);
    this.editor = new Editor(this.doc, root || "content", awareness);
  }

  /** Edit as the editor's user does. */
  edit({ ops }) {
    this.editor.edit(ops);
  }

  /** Edit at a place that is chosen here, where nothing can come in between; see `PlainText`. */
  editSomewhere(wish) {
    this.editor.editSomewhere(wish);
  }

  /** Edit at units of a plain text, whole characters or not. */
  cut(edit) {
    this.editor.cut(edit);
  }

  /** What the editor shows, and what is in the shared type that it is bound to. */
  read() {
    return { shown: this.editor.shown, shared: this.editor.shared };
  }

  select({ anchor, head }) {
    this.editor.select(anchor, head);
  }

  /** Other people's carets as the editor shows them: name and position. */
  carets() {
    return this.editor.carets;
  }

  /** Everybody's awareness state but one's own. */
  states() {
    const { awareness } = this.connection;
    return [...awareness.getStates()].filter(([id]) => id !== this.doc.clientID).map(([, state]) => state);
  }

  state() {
    return this.connection.state;
  }

  /** How far the document has the items of each client: an object, so that order does not matter. */
  vector() {
    return Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(this.doc)));
  }

  clientId() {
    return this.doc.clientID;
  }

  connect() {
    this.connection.connect();
  }

  async disconnect() {
    await this.connection.disconnect();
  }

  /** Leave the document, and let the connection live. */
  leave() {
    this.connection.provider.destroy();
  }

  hold() {
    this.link.hold();
  }

  release() {
    this.link.release();
  }

  destroy() {
    this.connection.destroy();
    this.editor.destroy?.();
    this.doc.destroy();
  }

  /** Pass updates to another client directly and back, as two tabs of one browser do. */
  exchangeWith(other) {
    passOn(this, other);
    passOn(other, this);
  }
}

/** To the receiver an update is a remote one, as one from another tab is: its provider does not send it on. */
function passOn(from, to) {
  from.doc.on("update", (update, origin) => {
    if (origin !== from.connection.provider) Y.applyUpdate(to.doc, update, to.connection.provider);
  });
}
