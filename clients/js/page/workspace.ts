/** One document on the page: header, editor, and the connection behind them. */

import { type Caret, Connection, type Delta, DocumentSession, TypingGroups } from "../src/index.js";
import { rememberDocument, tokenIn } from "./address.js";
import { ICONS, copyText, element, icon, logo } from "./dom.js";
import { Editor } from "./editor.js";
import { Me } from "./me.js";
import { panelFor } from "./panel.js";
import { People } from "./people.js";
import { SLOW_AFTER_MS, signOf } from "./sign.js";

export class Workspace {
  private readonly me: Me;
  private readonly connection: Connection;
  private readonly document: DocumentSession;
  private readonly editor: Editor;
  private readonly people: People;
  private readonly sign = element("p", { class: "sign", role: "status" }, element("span", { class: "long" }), element("span", { class: "short" }));
  private readonly sheet = element("main", { class: "sheet" });
  private readonly typing = new TypingGroups();
  private panel: HTMLElement | null = null;
  private unsavedSince: number | null = null;
  private signTimer: ReturnType<typeof setTimeout> | undefined;
  private drawing = false;
  private ready = false;
  private introduced = false;
  private focused = false;

  constructor(private readonly root: HTMLElement, private readonly name: string) {
    const token = tokenIn(location.hash);
    this.me = Me.remembered(token !== null);
    const url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/v1/ws`;
    const credentials = token === null ? { author: this.me.name(null) } : { token };
    const onShow = (_: string, delta: Delta): void => this.editor.apply(delta, this.document.content);
    this.connection = new Connection(url, credentials, { onShow, onChange: () => this.changed() });
    this.document = this.connection.open(name);
    this.editor = new Editor(this.sheet, {
      edited: (delta, caret, keys) => this.edited(delta, caret, keys),
      undo: () => this.connection.undo(this.document),
      redo: () => this.connection.redo(this.document),
      moved: (caret) => this.connection.moveCaret(this.document, caret),
    });
    this.people = new People(this.me, null, () => this.introduce());
    root.replaceChildren(this.header(), this.sheet);
    document.title = `${name} – coedit`;
    rememberDocument(name);
    this.watchBrowser();
    this.ready = true;
    this.connection.connect();
  }

  private header(): HTMLElement {
    const copy = element("button", { class: "copy", type: "button", title: "Copy the link to this document" }, icon(ICONS.link), element("span", {}, "Copy link"));
    copy.addEventListener("click", () => void this.copyLink(copy));
    return element(
      "header",
      { class: "bar" },
      element("a", { class: "home", href: `/${location.hash}`, title: "All documents", "aria-label": "coedit: start page" }, logo()),
      element("h1", { class: "name", title: this.name }, this.name),
      this.sign,
      this.people.root,
      copy,
    );
  }

  /** A link without one's own token: whoever follows it comes with an access of their own. */
  private async copyLink(button: HTMLElement): Promise<void> {
    const copied = await copyText(location.origin + location.pathname + location.search);
    const label = button.querySelector("span");
    if (label === null) return;
    label.textContent = copied ? "Copied" : "Copy failed";
    button.classList.toggle("done", copied);
    setTimeout(() => {
      label.textContent = "Copy link";
      button.classList.remove("done");
    }, 1_600);
  }

  private edited(delta: Delta, caret: Caret, keys: string | null): Delta {
    const group = keys === null ? null : `${keys} ${this.typing.at(performance.now())}`;
    try {
      this.connection.edit(this.document, delta, caret, group);
    } catch (error) {
      console.error("coedit: an edit was not taken", error);
      queueMicrotask(() => this.editor.restore(this.document.content));
    }
    return this.document.content;
  }

  private introduce(): void {
    this.connection.introduce(this.document, this.me.introduction(this.connection.session.author));
  }

  private watchBrowser(): void {
    addEventListener("beforeunload", (event) => {
      if (!this.document.saved) event.preventDefault();
    });
    addEventListener("offline", () => this.connection.interrupt());
    addEventListener("online", () => this.connection.connect());
    addEventListener("hashchange", () => location.reload());
    document.addEventListener("visibilitychange", () => {
      // Timers of hidden pages run late; whoever comes back wants the connection now.
      if (!document.hidden) this.connection.connect();
    });
  }

  /** Something observable changed; draws once, after all of it. */
  private changed(): void {
    if (!this.ready || this.drawing) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      this.draw();
    });
  }

  private draw(): void {
    const { author } = this.connection.session;
    if (author !== null && !this.introduced) {
      this.introduced = true;
      this.introduce();
    }
    this.drawSign();
    this.drawPanel();
    const participants = this.document.participants;
    this.people.show(participants, author);
    this.editor.showCarets(participants);
    const writable = this.document.loaded && this.document.access === "write" && this.panel === null;
    this.editor.allowWriting(writable);
    if (this.document.loaded && !this.focused) {
      this.focused = true;
      this.editor.focus();
    }
    this.root.classList.toggle("loading", !this.document.loaded);
    this.root.classList.toggle("offline", this.connection.status.kind !== "online");
  }

  private drawSign(): void {
    const now = performance.now();
    this.unsavedSince = this.document.saved ? null : (this.unsavedSince ?? now);
    const savingFor = this.unsavedSince === null ? 0 : now - this.unsavedSince;
    const { kind, text, short } = signOf(this.connection.status, this.document, savingFor);
    this.sign.dataset["kind"] = kind;
    const [long, brief] = this.sign.children;
    if (long?.textContent !== text) long?.replaceChildren(text);
    if (brief?.textContent !== short) brief?.replaceChildren(short);
    document.title = `${this.document.saved ? "" : "• "}${this.name} – coedit`;
    clearTimeout(this.signTimer);
    if (this.unsavedSince !== null && savingFor < SLOW_AFTER_MS) {
      this.signTimer = setTimeout(() => this.drawSign(), SLOW_AFTER_MS - savingFor + 10);
    }
  }

  private drawPanel(): void {
    const { status } = this.connection;
    const refusal = this.document.refusal ?? (status.kind === "denied" ? status.refusal : null);
    if (refusal === null || this.panel !== null) return;
    this.panel = panelFor({ refusal, unsavedText: this.document.saved ? null : this.editor.text });
    this.root.append(this.panel);
  }
}
