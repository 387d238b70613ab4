/**
 * Who else has the document open, and where. Carets are kept at a revision and carried through the commits that
 * follow; one that is ahead of us waits until we are there.
 */

import type { KeptCommits } from "./history.js";
import type { Delta } from "./ot/index.js";
import type { Caret, Commit, Participant, Presence } from "./protocol/messages.js";

/** The caret after a change by someone else: an insert exactly at it does not push it. */
export function carryCaret(caret: Caret, delta: Delta): Caret {
  return {
    anchor: delta.transformPosition(caret.anchor, true),
    head: delta.transformPosition(caret.head, true),
  };
}

interface Entry {
  readonly participant: Participant;
  /** The revision at which its owner said where the caret is; the participant's own moves on with the commits. */
  readonly saidAt: number;
}

/** A value: every change returns the next roster. */
export class Roster {
  static readonly EMPTY = new Roster(new Map());

  private constructor(private readonly entries: ReadonlyMap<string, Entry>) {}

  get everyone(): readonly Participant[] {
    return [...this.entries.values()].map((entry) => entry.participant);
  }

  knows(clientId: string): boolean {
    return this.entries.has(clientId);
  }

  /** After a presence message, read at `revision`; what it says about `ownClientId` is left out. */
  announced(message: Presence, ownClientId: string, revision: number, kept: KeptCommits): Roster {
    const next = message.full ? new Map<string, Entry>() : new Map(this.entries);
    for (const clientId of message.left) next.delete(clientId);
    for (const said of message.present) {
      if (said.clientId === ownClientId) continue;
      const known = this.entries.get(said.clientId);
      const participant = caughtUp(said, revision, kept);
      // A commit's caret may have overtaken the presence message, which comes another way.
      const overtaken = known !== undefined && known.saidAt > said.revision;
      next.set(said.clientId, overtaken ? keepCaret(known, participant) : { participant, saidAt: said.revision });
    }
    return new Roster(next);
  }

  /** After a commit of someone else: its caret is its author's, and all others are carried over it. */
  committed(commit: Commit): Roster {
    const carried = this.carried(commit.delta, commit.revision);
    const author = this.entries.get(commit.clientId)?.participant;
    if (author === undefined || commit.caret === null) return carried;
    const participant = { ...author, caret: commit.caret, revision: commit.revision };
    return new Roster(new Map([...carried.entries, [commit.clientId, { participant, saidAt: commit.revision }]]));
  }

  /** All carets carried over the delta that became `revision`. */
  carried(delta: Delta, revision: number): Roster {
    const next = new Map<string, Entry>();
    for (const [clientId, entry] of this.entries) {
      const follows = entry.participant.revision === revision - 1;
      next.set(clientId, follows ? { ...entry, participant: advance(entry.participant, delta) } : entry);
    }
    return new Roster(next);
  }

  /**
   * Everyone as they are shown at `revision`, their carets carried over what is edited here and not committed yet.
   * A caret that waits for its revision is null.
   */
  shownAt(revision: number, pending: readonly Delta[]): readonly Participant[] {
    return this.everyone.map((participant) => {
      const { caret } = participant;
      if (caret === null) return participant;
      if (participant.revision !== revision) return { ...participant, caret: null };
      return { ...participant, caret: pending.reduce(carryCaret, caret) };
    });
  }
}

function keepCaret(known: Entry, participant: Participant): Entry {
  const { caret, revision } = known.participant;
  return { participant: { ...participant, caret, revision }, saidAt: known.saidAt };
}

/**
 * A caret of an older revision, carried over the commits since if they are kept; otherwise it is lost. The newest
 * caret that rode in one of its owner's own commits takes its place.
 */
function caughtUp(participant: Participant, revision: number, kept: KeptCommits): Participant {
  if (participant.revision >= revision) return participant;
  const missed = kept.after(participant.revision, revision);
  if (missed === null) return { ...participant, revision, caret: null };
  return missed.reduce((before, commit) => {
    const carried = advance(before, commit.delta);
    const own = commit.clientId === participant.clientId && commit.caret !== null;
    return own ? { ...carried, caret: commit.caret } : carried;
  }, participant);
}

function advance(participant: Participant, delta: Delta): Participant {
  const caret = participant.caret === null ? null : carryCaret(participant.caret, delta);
  return { ...participant, caret, revision: participant.revision + 1 };
}
