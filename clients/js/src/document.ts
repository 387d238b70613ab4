/**
 * One open document of the protocol, over all its connections, without I/O: every step returns what to do. Times are
 * milliseconds of the caller's clock.
 */

import { Arriving } from "./arriving.js";
import type { Effect } from "./effects.js";
import { KeptCommits } from "./history.js";
import type { Delta } from "./ot/index.js";
import { Opening } from "./opening.js";
import { Outgoing } from "./outgoing.js";
import { type Introduction, OwnPresence } from "./own_presence.js";
import { Roster } from "./presence.js";
import type {
  Ack, Caret, Commit, Commits, DocumentMessage, ErrorMessage, Held, Loss, Opened, Part, Participant, Presence, Refusal,
} from "./protocol/messages.js";
import { type Recovery, recoveryFrom } from "./recovery.js";
import type { Group, UndoHistory } from "./undo.js";
import { WorkingCopy } from "./working_copy.js";

/** `stopped`: the server refused in a way that trying again does not change; what is pending is kept. */
export type DocumentState = "closed" | "opening" | "receiving" | "open" | "stopped";

/** Rejections in a row, without an ack in between, after which we no longer try under new client ids. */
const MAX_REJECTIONS = 3;
/** UTF-16 units take at most 6 bytes of JSON; the rest of the frame is small. */
const UNITS_PER_FRAME_BYTE = 1 / 8;

const MISFIT: Refusal = {
  code: "length-mismatch", message: "what is pending does not fit the document any more", definite: true, retryable: false,
};

export class DocumentSession {
  state: DocumentState = "closed";
  access: "read" | "write" = "read";
  /** The server found it damaged: it shows what it can vouch for, and takes no writes. */
  damaged = false;
  /** Why it is `stopped`. */
  refusal: Refusal | null = null;
  /** What the server lost and nobody could give back, if it ever did. */
  losses: readonly Loss[] = [];
  readonly kept = new KeptCommits();

  private readonly copy = new WorkingCopy();
  private readonly outgoing = new Outgoing();
  private readonly opening = new Opening();
  private author = "";
  private rejections = 0;
  private arriving: Arriving | null = null;
  private roster = Roster.EMPTY;
  private readonly own = new OwnPresence();

  constructor(
    readonly name: string,
    private frameBytes: number = Infinity,
  ) {}

  /** The document with one's own edits: what the user sees. */
  get content(): Delta {
    return this.copy.content;
  }

  /** How many edits are not acknowledged. */
  get unsaved(): number {
    return this.copy.unsaved;
  }

  /** Whether the content was ever received. */
  get loaded(): boolean {
    return this.copy.loaded;
  }

  /** One's own edits, to undo and redo; empty again after the document was loaded afresh. */
  get history(): UndoHistory {
    return this.copy.history;
  }

  /** Why the server has not taken yet what is in flight, in its words; empty: it did not say. */
  get trouble(): string {
    return this.outgoing.trouble;
  }

  get revision(): number {
    return this.copy.revision;
  }

  get pending(): readonly Delta[] {
    return this.copy.pending;
  }

  /** Whether everything that was edited here is acknowledged. */
  get saved(): boolean {
    return this.pending.length === 0;
  }

  /** Who else is here, with carets as positions in `content`. */
  get participants(): readonly Participant[] {
    return this.roster.shownAt(this.revision, this.pending);
  }

  /** The next time at which `tick` has something to do; null: none. */
  get dueAt(): number | null {
    if (this.state === "opening") return this.opening.againAt;
    if (this.state !== "open") return null;
    if (this.saved) return this.own.dueAt;
    return this.damaged || this.access === "read" ? null : this.outgoing.dueAt(this.revision);
  }

  /** A connection is there. */
  connected(frameBytes: number): Effect[] {
    this.frameBytes = frameBytes;
    return this.state === "stopped" ? [] : this.open();
  }

  disconnected(): void {
    if (this.state !== "stopped") this.state = "closed";
    this.arriving = null;
    this.opening.againAt = null;
    this.own.forgotten();
    this.outgoing.disconnected();
  }

  /** The user changed the content by `delta`; `caret` is the selection after it. One `group` is undone together. */
  edit(delta: Delta, caret: Caret | null, now: number, group: Group = null): Effect[] {
    this.own.moveTo(caret);
    if (delta.isEmpty) return this.tick(now);
    this.copy.edit(delta, group);
    return this.tick(now);
  }

  /** Undoes the newest of one's own edits: an edit, which is shown too; none where nothing is left. */
  undo(now: number): Effect[] {
    return this.step(this.copy.undo(), now);
  }

  /** Takes back the newest undo, unless something was edited since. */
  redo(now: number): Effect[] {
    return this.step(this.copy.redo(), now);
  }

  private step(delta: Delta | null, now: number): Effect[] {
    if (delta === null) return [];
    this.own.carriedOver(delta);
    return [{ kind: "show", document: this.name, delta }, ...this.tick(now)];
  }

  moveCaret(caret: Caret | null, now: number): Effect[] {
    this.own.moveTo(caret);
    return this.tick(now);
  }

  introduce(introduction: Introduction, now: number): Effect[] {
    this.own.introduce(introduction);
    return this.tick(now);
  }

  /** A message from the server, and the frame that it came in. */
  receive(message: DocumentMessage | ErrorMessage, frame: string, now: number): Effect[] {
    switch (message.type) {
      case "opened":
        return this.onOpened(message, now);
      case "part":
        return this.onPart(message);
      case "commit":
        return this.onCommits(message, frame, now);
      case "ack":
        return this.onAck(message, frame, now);
      case "snapshot":
        this.kept.storedUpTo(message.revision);
        return [];
      case "presence":
        return this.onPresence(message, now);
      case "rights":
        this.access = message.access;
        return this.tick(now);
      case "recall":
        return this.kept.offers(this.name, message.revision).map((offer) => ({ kind: "send", message: offer }));
      case "lost":
        this.noteLoss(message);
        return [];
      case "error":
        return this.recover(recoveryFrom(message, this.state, this.outgoing.submission, this.opening.clientId !== null), message, now);
    }
  }

  /** The content of the parts that an effect asked to inflate. */
  inflated(content: Delta, now: number): Effect[] {
    const { arriving } = this;
    this.arriving = null;
    return arriving === null ? [] : this.install(content, arriving.opened, now);
  }

  /** Does what is due: opens again, sends, sends again, tells the caret. */
  tick(now: number): Effect[] {
    const due = this.dueAt;
    if (due === null || now < due) return [];
    if (this.state === "opening") return this.open();
    if (!this.saved) return this.submit(now);
    return [{ kind: "send", message: this.own.tell(this.name, this.revision, now) }];
  }

  private open(renew = false): Effect[] {
    // To the server a document is open until it is closed, and cannot be opened twice.
    const close: Effect[] = this.state === "open" || this.state === "receiving" ? this.close() : [];
    this.state = "opening";
    this.arriving = null;
    return [...close, { kind: "send", message: this.opening.message(this.name, renew) }];
  }

  private close(): Effect[] {
    return [{ kind: "send", message: { type: "close", document: this.name } }];
  }

  private onOpened(opened: Opened, now: number): Effect[] {
    if (this.opening.answered(opened)) this.outgoing.anotherClient();
    this.access = opened.access;
    this.author = opened.author;
    if (opened.lost !== null) this.noteLoss(opened.lost);
    this.damaged = opened.damaged;
    const { body } = opened;
    if (body.mode === "content") return this.install(body.content, opened, now);
    if (body.mode === "parts") {
      this.state = "receiving";
      this.arriving = new Arriving(opened, body.parts);
      return [];
    }
    if (opened.revision !== this.revision) return this.openAfresh(false);
    return this.opened(opened, now);
  }

  private noteLoss({ epoch, first, last }: Loss): void {
    const isKnown = (known: Loss) => known.epoch === epoch && known.first === first && known.last === last;
    if (!this.losses.some(isKnown)) this.losses = [...this.losses, { epoch, first, last }];
  }

  private onPart(part: Part): Effect[] {
    if (this.arriving === null) return [];
    const parts = this.arriving.take(part);
    if (parts === "broken") return [{ kind: "reconnect", reason: "a part is missing" }];
    return parts === "incomplete" ? [] : [{ kind: "inflate", document: this.name, parts }];
  }

  /** Takes over a content that does not continue what we hold; what is pending is carried over the difference. */
  private install(content: Delta, opened: Opened, now: number): Effect[] {
    const show = this.copy.install(content, opened.revision);
    if (show === null) return this.stop(MISFIT);
    this.outgoing.dropped();
    this.kept.clear();
    this.roster = Roster.EMPTY;
    this.own.carriedOver(show);
    return [{ kind: "show", document: this.name, delta: show }, ...this.opened(opened, now)];
  }

  private opened(opened: Opened, now: number): Effect[] {
    this.state = "open";
    this.opening.begin(opened);
    this.kept.storedUpTo(opened.snapshotRevision);
    this.own.forgotten();
    this.outgoing.opened(opened.clientId, opened.head, now);
    return this.tick(now);
  }

  private onCommits(message: Commits, frame: string, now: number): Effect[] {
    if (this.state !== "open") return [];
    const effects: Effect[] = [];
    for (const commit of message.commits) {
      if (commit.revision <= this.revision) continue;
      if (commit.revision > this.revision + 1 || !this.opening.holds) return [...effects, ...this.open()];
      if (this.outgoing.isNamed(commit.clientId, commit.clientSequence)) this.acknowledged({ epoch: message.epoch, ...commit }, frame);
      else effects.push(this.show(commit, message.epoch, frame));
    }
    return [...effects, ...this.tick(now)];
  }

  private onPresence(message: Presence, now: number): Effect[] {
    const own = this.opening.clientId ?? "";
    if (!message.full && message.present.some(({ clientId }) => clientId !== own && !this.roster.knows(clientId))) {
      this.own.someoneCame();
    }
    this.roster = this.roster.announced(message, own, this.revision, this.kept);
    return this.tick(now);
  }

  private show(commit: Commit, epoch: number, frame: string): Effect {
    const delta = this.copy.commit(commit.delta);
    this.kept.add({ ...commit, before: this.opening.advance({ epoch, ...commit }), frame });
    this.roster = this.roster.committed(commit);
    this.own.carriedOver(delta);
    return { kind: "show", document: this.name, delta };
  }

  private onAck(ack: Ack, frame: string, now: number): Effect[] {
    if (this.state !== "open" || this.outgoing.submission?.sequence !== ack.clientSequence) return [];
    if (!this.opening.holds || ack.revision > this.revision + 1) return this.open();
    // An ack of a revision that we hold as someone else's commit: one of the two sides has a defect.
    if (ack.revision <= this.revision) return this.openAfresh(true);
    this.acknowledged(ack, frame);
    return this.tick(now);
  }

  private acknowledged(held: Held, frame: string): void {
    const delta = this.copy.acknowledged();
    if (delta === null) return;
    const clientId = this.outgoing.submission?.clientId ?? "";
    const { revision, mac } = held;
    const before = this.opening.advance(held);
    this.kept.add({ revision, delta, clientId, mac, before, caret: null, frame, author: this.author });
    this.roster = this.roster.carried(delta, held.revision);
    this.outgoing.acknowledged();
    this.rejections = 0;
  }

  private submit(now: number): Effect[] {
    const { clientId } = this.opening;
    if (this.saved || clientId === null || !this.opening.holds) return [];
    if (this.outgoing.name(clientId)) {
      this.copy.fixInFlight(Math.max(1, Math.floor(this.frameBytes * UNITS_PER_FRAME_BYTE)));
    }
    const submission = this.outgoing.sendAt(now);
    const { inFlight } = this.copy;
    if (submission === null || inFlight === null) return [{ kind: "reconnect", reason: "a submission was not answered" }];
    const caret = this.copy.waits ? null : this.own.position;
    this.own.toldBySubmission(caret);
    return [{ kind: "send", message: {
      type: "submit", document: this.name, client_sequence: submission.sequence, epoch: this.opening.epoch,
      base_revision: this.revision, delta: inFlight.ops, ...(caret === null ? {} : { caret }),
    } }];
  }

  private recover(recovery: Recovery, refusal: ErrorMessage, now: number): Effect[] {
    switch (recovery) {
      case "ignore":
        return [];
      case "submit-later":
        this.outgoing.refused(now);
        this.outgoing.trouble = refusal.message;
        return [];
      case "submit-once-more":
        this.outgoing.refused(now, true);
        return [];
      case "open-later":
        if (this.state !== "opening") this.disconnected();
        this.state = "opening";
        this.opening.refused(now, refusal.retryAfterSeconds);
        return [];
      case "open-anonymously":
        this.opening.forgetIdentity();
        return this.open();
      case "renew":
      case "open-afresh":
        this.rejections += 1;
        if (this.rejections > MAX_REJECTIONS) return this.stop(refusal);
        return recovery === "renew" ? this.renew() : this.openAfresh(true);
      case "stop":
        return this.stop(refusal);
    }
  }

  /** The client id is spent for this document; what was in flight was not applied, and goes out under a new one. */
  private renew(): Effect[] {
    this.outgoing.dropped();
    return this.open(true);
  }

  private openAfresh(renew: boolean): Effect[] {
    this.opening.letGo();
    if (renew) this.outgoing.dropped();
    return this.open(renew);
  }

  private stop(refusal: Refusal): Effect[] {
    const wasOpen = this.state === "open";
    this.state = "stopped";
    this.refusal = refusal;
    return wasOpen ? this.close() : [];
  }
}
