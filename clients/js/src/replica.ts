/**
 * The client's side of one document, as three states. Every state is a value; every step returns the next one.
 *
 *                 edit / send p                     edit
 *     Synchronized ───────────▶ AwaitingAck ─────────────────▶ AwaitingAckWithBuffer ─╮ edit: b = b then e
 *          ▲                        │  ▲                                │      ▲      │
 *          ╰────────── ack ─────────╯  ╰──────── ack / send b ──────────╯      ╰──────╯
 *
 * A commit of another client is the first of every transform: its insert comes first, its attributes win. Commits are
 * passed one by one, never composed (see `libs/coedit/ot/README.md`: the result differs).
 */

import { type Delta, splitInserts, transform } from "./ot/index.js";

export type Replica = Synchronized | AwaitingAck | AwaitingAckWithBuffer;

/** The next state, and the delta to send now, if any. */
export type Step = readonly [next: Replica, send: Delta | null];

/** The next state, and the delta that the user's copy has to apply. */
export type Shown = readonly [next: Replica, show: Delta];

/** Everything here is committed. */
export class Synchronized {
  readonly kind = "synchronized";
  readonly pending: readonly Delta[] = [];

  constructor(readonly revision: number) {}

  edit(delta: Delta): Step {
    return delta.isEmpty ? [this, null] : [new AwaitingAck(this.revision, delta), delta];
  }

  commit(delta: Delta): Shown {
    return [new Synchronized(this.revision + 1), delta];
  }
}

/** One submission is in flight. */
export class AwaitingAck {
  readonly kind = "awaiting-ack";

  constructor(
    readonly revision: number,
    readonly inFlight: Delta,
  ) {}

  /** What was edited here and is not acknowledged, oldest first. */
  get pending(): readonly Delta[] {
    return [this.inFlight];
  }

  edit(delta: Delta): Step {
    return [awaiting(this.revision, this.inFlight, delta), null];
  }

  commit(delta: Delta): Shown {
    const [show, inFlight] = transform(delta, this.inFlight);
    return [new AwaitingAck(this.revision + 1, inFlight), show];
  }

  ack(): Step {
    return [new Synchronized(this.revision + 1), null];
  }
}

/** One submission is in flight, and what was edited since waits as one delta. */
export class AwaitingAckWithBuffer {
  readonly kind = "awaiting-ack-with-buffer";

  constructor(
    readonly revision: number,
    readonly inFlight: Delta,
    readonly buffer: Delta,
  ) {}

  get pending(): readonly Delta[] {
    return [this.inFlight, this.buffer];
  }

  edit(delta: Delta): Step {
    return [awaiting(this.revision, this.inFlight, this.buffer.compose(delta)), null];
  }

  commit(delta: Delta): Shown {
    const [overInFlight, inFlight] = transform(delta, this.inFlight);
    const [show, buffer] = transform(overInFlight, this.buffer);
    return [awaiting(this.revision + 1, inFlight, buffer), show];
  }

  ack(): Step {
    return [new AwaitingAck(this.revision + 1, this.buffer), this.buffer];
  }
}

/** Edits may cancel out, and others may have deleted what the buffer was to delete: then nothing waits. */
function awaiting(revision: number, inFlight: Delta, buffer: Delta): AwaitingAck | AwaitingAckWithBuffer {
  return buffer.isEmpty
    ? new AwaitingAck(revision, inFlight)
    : new AwaitingAckWithBuffer(revision, inFlight, buffer);
}

/**
 * The same edits with at most `units` of text in flight, the rest in the buffer. Only for a delta that was never sent.
 */
export function limitInFlight(replica: AwaitingAck | AwaitingAckWithBuffer, units: number): AwaitingAck | AwaitingAckWithBuffer {
  const [first, rest] = splitInserts(replica.inFlight, units);
  const buffer = replica.kind === "awaiting-ack" ? rest : rest.compose(replica.buffer);
  return first.isEmpty ? replica : awaiting(replica.revision, first, buffer);
}
