/** What the sign in the header says about the connection and about one's own edits. It never says more than is so. */

import type { DocumentSession, Status } from "../src/index.js";

export interface Sign {
  readonly kind: "saved" | "saving" | "offline" | "waiting" | "refused";
  readonly text: string;
  /** The same in a word or two, for narrow screens. */
  readonly short: string;
}

/** How long an edit may be on its way before the sign counts what is not saved. */
export const SLOW_AFTER_MS = 3_000;

/** `savingForMs`: since when something has been unsaved without a pause. */
export function signOf(status: Status, document: DocumentSession, savingForMs: number): Sign {
  const unsaved = countOf(document.unsaved);
  if (document.state === "stopped" || status.kind === "denied") {
    const text = document.saved ? "No access" : `${unsaved} not saved`;
    return { kind: "refused", text, short: document.saved ? "No access" : "Not saved" };
  }
  if (!document.loaded) return { kind: "waiting", text: status.kind === "offline" ? "Offline – trying to connect" : "Opening…", short: "Opening…" };
  if (status.kind !== "online") return offline(document, unsaved);
  if (document.damaged) {
    const text = document.saved ? "Damaged – read only" : `Damaged – ${unsaved} not saved`;
    return { kind: "refused", text, short: document.saved ? "Damaged" : "Not saved" };
  }
  if (document.saved) {
    const text = document.access === "read" ? "Read only" : "Saved";
    return { kind: "saved", text: text + lossOf(document), short: text };
  }
  if (savingForMs < SLOW_AFTER_MS) return { kind: "saving", text: "Saving…", short: "Saving…" };
  const why = document.trouble === "" ? "" : ` – ${document.trouble}`;
  return { kind: "saving", text: `Saving… ${unsaved} not saved yet${why}`, short: "Saving…" };
}

function offline(document: DocumentSession, unsaved: string): Sign {
  if (document.saved) return { kind: "offline", text: "Offline – everything is saved", short: "Offline" };
  return { kind: "offline", text: `Offline – ${unsaved} not saved yet`, short: `Offline – ${document.unsaved} unsaved` };
}

/** What is gone for good is said as long as the page is open. */
function lossOf(document: DocumentSession): string {
  const loss = document.losses.at(-1);
  return loss === undefined ? "" : ` – the server lost ${countOf(loss.last - loss.first + 1)} of before`;
}

function countOf(edits: number): string {
  return edits === 1 ? "1 edit" : `${edits} edits`;
}
