/** The messages of protocol v1 (docs/protocol.md), as values. Positions and lengths are UTF-16 code units. */

import type { Delta, Op } from "../ot/index.js";

export const SUBPROTOCOL = "coedit.v1.json";

/** A selection: `head` is the end that moves. */
export interface Caret {
  readonly anchor: number;
  readonly head: number;
}

/** Who a replica is towards the server, and the proof of it. Kept in memory only: two replicas never share one. */
export interface Identity {
  readonly clientId: string;
  readonly resumeToken: string;
}

/** The newest state that a replica holds; `mac` names its history. */
export interface Held {
  readonly epoch: number;
  readonly revision: number;
  readonly mac: string;
}

export interface Limits {
  readonly frameBytes: number;
  readonly documentUnits: number;
}

export interface Welcome extends Identity {
  readonly type: "welcome";
  readonly author: string;
  readonly durability: string;
  readonly server: string;
  /** How long the token holds; null: for ever. */
  readonly tokenSeconds: number | null;
  /** Whether it goes on with traces of clients. */
  readonly traces: boolean;
  readonly limits: Limits;
}

export type OpenedContent =
  | { readonly mode: "resumed" }
  | { readonly mode: "content"; readonly content: Delta }
  | { readonly mode: "parts"; readonly parts: number; readonly partsBytes: number };

export interface Opened extends Identity, Held {
  readonly type: "opened";
  readonly document: string;
  readonly access: "read" | "write";
  readonly damaged: boolean;
  readonly head: number;
  readonly snapshotRevision: number;
  /** Who one is in this document. */
  readonly author: string;
  /** The revisions whose loss began the epoch; null: it did not begin by one. */
  readonly lost: Loss | null;
  readonly body: OpenedContent;
}

export interface Part {
  readonly type: "part";
  readonly document: string;
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Ack extends Held {
  readonly type: "ack";
  readonly document: string;
  readonly clientSequence: number;
}

export interface Commit {
  readonly revision: number;
  readonly delta: Delta;
  readonly author: string;
  readonly clientId: string;
  readonly clientSequence: number;
  readonly mac: string;
  readonly caret: Caret | null;
}

export interface Commits {
  readonly type: "commit";
  readonly document: string;
  readonly epoch: number;
  readonly commits: readonly Commit[];
}

export interface SnapshotStored {
  readonly type: "snapshot";
  readonly document: string;
  readonly revision: number;
}

export interface Participant {
  readonly clientId: string;
  readonly author: string;
  readonly name: string;
  readonly colour: string;
  /** The https address of a picture; empty: none. */
  readonly avatar: string;
  readonly revision: number;
  readonly caret: Caret | null;
}

export interface Presence {
  readonly type: "presence";
  readonly document: string;
  readonly full: boolean;
  readonly present: readonly Participant[];
  readonly left: readonly string[];
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** The submission was certainly not applied, and never will be. */
  readonly definite: boolean;
  /** The same message may succeed later. */
  readonly retryable: boolean;
}

export interface ErrorMessage extends Refusal {
  readonly type: "error";
  /** After how long the server wants to be asked again; null: it does not say. */
  readonly retryAfterSeconds: number | null;
  readonly document: string | null;
  readonly clientSequence: number | null;
}

/** The server has lost what is above `revision`, and asks for it. */
export interface Recall {
  readonly type: "recall";
  readonly document: string;
  readonly revision: number;
}

/** Revisions that are lost for good; `epoch` is the one that began since. */
export interface Loss {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

export interface Lost extends Loss {
  readonly type: "lost";
  readonly document: string;
}

/** What one may do from now on, since the token or the rights have changed. */
export interface Rights {
  readonly type: "rights";
  readonly document: string;
  readonly access: "read" | "write";
}

/** The token that was shown holds for so long; null: for ever. */
export interface TokenTaken {
  readonly type: "token";
  readonly tokenSeconds: number | null;
}

export type DocumentMessage = Opened | Part | Ack | Commits | SnapshotStored | Presence | Rights | Recall | Lost;
export type ServerMessage = Welcome | TokenTaken | DocumentMessage | ErrorMessage;

/** A message as it goes on the wire: its fields are named as in the protocol. */
export type ClientMessage =
  | { readonly type: "hello"; readonly token?: string; readonly author?: string; readonly client_id?: string; readonly resume_token?: string }
  | { readonly type: "token"; readonly token: string }
  | OpenMessage
  | SubmitMessage
  | OfferMessage
  | PresenceMessage
  | { readonly type: "close"; readonly document: string };

export interface OpenMessage extends Partial<Held> {
  readonly type: "open";
  readonly document: string;
  readonly client_id?: string;
  readonly resume_token?: string;
  readonly renew?: true;
}

export interface SubmitMessage {
  readonly type: "submit";
  readonly document: string;
  readonly client_sequence: number;
  readonly epoch: number;
  readonly base_revision: number;
  readonly delta: readonly Op[];
  readonly caret?: Caret;
  /** What the edit is a part of, as W3C Trace Context says. */
  readonly traceparent?: string;
}

/** Commits in a row that are given back; `before` is the mac of the revision below the first. */
export interface OfferMessage {
  readonly type: "offer";
  readonly document: string;
  readonly before: string;
  readonly commits: { readonly [name: string]: unknown }[];
}

export interface PresenceMessage {
  readonly type: "presence";
  readonly document: string;
  readonly revision: number;
  readonly caret: Caret | null;
  readonly name?: string;
  readonly colour?: string;
}
