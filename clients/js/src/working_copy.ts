/** The document as the user sees it: what the server has confirmed, and one's own edits on top of that. */

import { Delta, replaceBetween } from "./ot/index.js";
import { carryOver } from "./rebase.js";
import { AwaitingAck, type Replica, Synchronized, limitInFlight } from "./replica.js";
import { type Group, UndoHistory } from "./undo.js";

export class WorkingCopy {
  content: Delta = Delta.EMPTY;
  /** How many edits are not acknowledged. */
  unsaved = 0;
  /** Whether the content was ever received. */
  loaded = false;
  /** One's own edits, to undo and redo; empty again after the document was loaded afresh. */
  readonly history = new UndoHistory();

  private replica: Replica = new Synchronized(0);
  /** The document at the replica's revision, without what is pending. */
  private confirmed: Delta = Delta.EMPTY;
  private unsavedInFlight = 0;

  get revision(): number {
    return this.replica.revision;
  }

  get pending(): readonly Delta[] {
    return this.replica.pending;
  }

  /** What is submitted next, or was; null: nothing is pending. */
  get inFlight(): Delta | null {
    return this.replica.kind === "synchronized" ? null : this.replica.inFlight;
  }

  /** Whether more was edited than is in flight. */
  get waits(): boolean {
    return this.replica.kind === "awaiting-ack-with-buffer";
  }

  edit(delta: Delta, group: Group): void {
    this.history.record(delta, this.content, group);
    this.edited(delta);
  }

  /** Undoes the newest of one's own edits; returns what that changes, null where nothing is left. */
  undo(): Delta | null {
    return this.step(this.history.undo(this.content));
  }

  /** Takes back the newest undo, unless something was edited since. */
  redo(): Delta | null {
    return this.step(this.history.redo(this.content));
  }

  /** Takes in what another committed; returns what it changes here. */
  commit(delta: Delta): Delta {
    const [next, shown] = this.replica.commit(delta);
    this.replica = next;
    this.content = shown.applyTo(this.content);
    this.history.carry(shown);
    this.confirmed = this.pending.length === 0 ? this.content : delta.applyTo(this.confirmed);
    return shown;
  }

  /** What was in flight is committed; returns it, null where nothing was. */
  acknowledged(): Delta | null {
    if (this.replica.kind === "synchronized") return null;
    const { inFlight } = this.replica;
    this.confirmed = inFlight.applyTo(this.confirmed);
    this.replica = this.replica.ack()[0];
    this.unsaved = this.pending.length === 0 ? 0 : this.unsaved - this.unsavedInFlight;
    return inFlight;
  }

  /** What is in flight is about to get its number: at most so many units of text; from here on it must not change. */
  fixInFlight(units: number): void {
    if (this.replica.kind === "synchronized") return;
    this.replica = limitInFlight(this.replica, units);
    this.unsavedInFlight = this.waits ? 0 : this.unsaved;
  }

  /**
   * Takes over a content that does not continue what we hold; what is pending is carried over the difference. Returns
   * what that changes here; null: what is pending does not fit.
   */
  install(content: Delta, revision: number): Delta | null {
    const before = this.content;
    // What we see may be what is there already: then the edits got through, and only their acks were lost.
    // What was edited before anything was loaded was an edit of an empty document, and comes behind the content.
    const arrived = this.loaded && content.equals(before);
    const pending = carryOver(arrived ? [] : this.pending, this.confirmed, content);
    if (pending === null) return null;
    this.confirmed = content;
    this.content = pending.applyTo(content);
    this.replica = pending.isEmpty ? new Synchronized(revision) : new AwaitingAck(revision, pending);
    if (pending.isEmpty) this.unsaved = 0;
    // Whose text is whose cannot be told across the two, and an undo must never take another's.
    this.history.clear();
    this.loaded = true;
    return before.isEmpty ? this.content : replaceBetween(before, this.content);
  }

  private step(delta: Delta | null): Delta | null {
    if (delta !== null) this.edited(delta);
    return delta;
  }

  private edited(delta: Delta): void {
    this.content = delta.applyTo(this.content);
    this.replica = this.replica.edit(delta)[0];
    this.unsaved += 1;
  }
}
