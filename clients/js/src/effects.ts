import type { Delta } from "./ot/index.js";
import type { ClientMessage } from "./protocol/messages.js";

/** What a step of the protocol asks its owner to do, in this order. Nothing in the core does any of it itself. */
export type Effect =
  | { readonly kind: "send"; readonly message: ClientMessage }
  /** The user's copy of the document changes by this delta. */
  | { readonly kind: "show"; readonly document: string; readonly delta: Delta }
  /** The parts of a document came in: inflate them, then call `inflated`; give it no other message before. */
  | { readonly kind: "inflate"; readonly document: string; readonly parts: readonly Uint8Array<ArrayBuffer>[] }
  /** The token holds for so many seconds: show the next before. */
  | { readonly kind: "renew"; readonly seconds: number }
  /** The server wants to hear nothing for so many seconds. */
  | { readonly kind: "hush"; readonly seconds: number }
  /** The connection is of no use any more: make another one. */
  | { readonly kind: "reconnect"; readonly reason: string };
