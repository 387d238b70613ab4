import * as Y from "yjs";

/** A shared text without an editor. Positions are UTF-16 code units. */
export class PlainText {
  constructor(doc, root, awareness) {
    this.text = doc.getText(root);
    this.awareness = awareness;
  }

  get shown() {
    return this.shared;
  }

  get shared() {
    return this.text.toDelta();
  }

  edit(ops) {
    this.text.applyDelta(ops);
  }

  /** Edit at `at` of the way through the text; unless it `cuts`, off surrogate pairs, as editors do. */
  editSomewhere({ kind, at, length = 0, content, attributes, cuts = false }) {
    const units = unitsOf(this.shared);
    const place = (position) => (cuts ? position : offPairs(units, position));
    const start = place(Math.floor(at * (units.length + 1)));
    const size = place(Math.min(units.length, start + length)) - start;
    if (kind === "insert" && typeof content === "string") this.text.insert(start, content, attributes);
    else if (kind === "insert") this.text.insertEmbed(start, content, attributes);
    else if (kind === "delete" && size > 0) this.text.delete(start, size);
    else if (kind === "format" && size > 0) this.text.format(start, size, attributes);
  }

  /** Edit at units that may lie inside a surrogate pair, as hand-written clients do. */
  cut({ kind, start, length = 0, content, attributes }) {
    if (kind === "insert") this.text.insert(start, content, attributes);
    else if (kind === "embed") this.text.insertEmbed(start, content, attributes);
    else if (kind === "delete") this.text.delete(start, length);
    else this.text.format(start, length, attributes);
  }

  select(anchor, head) {
    const place = (index) => Y.createRelativePositionFromTypeIndex(this.text, index);
    this.awareness.setLocalStateField("cursor", { anchor: place(anchor), head: place(head) });
  }

  get carets() {
    const { doc } = this.text;
    return [...this.awareness.getStates()].flatMap(([id, { user, cursor }]) => {
      if (id === doc.clientID || !cursor) return [];
      const found = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(cursor.head), doc);
      return found === null ? [] : [{ name: user?.name, position: found.index }];
    });
  }
}

function unitsOf(delta) {
  return delta.map(({ insert }) => (typeof insert === "string" ? insert : "\ufffc")).join("");
}

function offPairs(units, position) {
  const isLow = units.charCodeAt(position) >> 10 === 0xdc00 >> 10;
  return isLow && position > 0 ? position - 1 : position;
}
