/** What to do about each error of the protocol, as docs/protocol.md says. */

import type { ErrorMessage } from "./protocol/messages.js";
import type { Submission } from "./submission.js";

export type Recovery =
  | "ignore"
  | "submit-later"
  | "submit-once-more"
  | "open-later"
  /** The resume token is not accepted: open as a new client. */
  | "open-anonymously"
  /** Under a new client id, from the state that we hold. */
  | "renew"
  /** Under a new client id, from nothing; what is pending is carried over the difference. */
  | "open-afresh"
  | "stop";

/** Our state is not the server's. */
const ANOTHER_HISTORY = new Set(["diverged", "revision-too-old", "future-revision", "length-mismatch", "split-surrogate"]);
/** Only the client id is spent. */
const SPENT = new Set(["sequence", "unexpected-message"]);

/** About what we offered meanwhile, or our close of a document that the server had closed already. */
const NO_ANSWER_TO_AN_OPENING = new Set(["unexpected-message", "forged", "unknown-key"]);

/** `resumes`: the document is opened as a client that it had before. */
export function recoveryFrom(
  error: ErrorMessage,
  state: string,
  submission: Submission | null,
  resumes: boolean,
): Recovery {
  if (state === "stopped" || state === "closed") return "ignore";
  if (error.clientSequence !== null) return aboutSubmission(error, submission);
  return state === "opening" ? aboutOpening(error, resumes) : aboutElse(error);
}

function aboutSubmission(error: ErrorMessage, submission: Submission | null): Recovery {
  // An answer to what was answered before, or to what another connection sent.
  if (submission === null || submission.sequence !== error.clientSequence) return "ignore";
  // A damaged document takes writes again once it is repaired.
  if (error.retryable || error.code === "quarantined") return "submit-later";
  if (error.code === "internal") return submission.failed ? "stop" : "submit-once-more";
  // Rights that were lowered may rise again; until then it is read, and nothing is submitted.
  if (SPENT.has(error.code) || error.code === "forbidden") return "renew";
  return ANOTHER_HISTORY.has(error.code) ? "open-afresh" : "stop";
}

function aboutOpening(error: ErrorMessage, resumes: boolean): Recovery {
  if (NO_ANSWER_TO_AN_OPENING.has(error.code)) return "ignore";
  if (error.retryable || error.code === "internal" || error.code === "quarantined") return "open-later";
  if (ANOTHER_HISTORY.has(error.code)) return "open-afresh";
  return error.code === "unauthorized" && resumes ? "open-anonymously" : "stop";
}

/** A lone caret may be refused without harm; a history that changed under us, or an end, may not be passed over. */
function aboutElse(error: ErrorMessage): Recovery {
  if (!error.definite) return "open-later";
  if (error.code === "forbidden" || error.code === "deleted") return "stop";
  return error.code === "diverged" || error.code === "revision-too-old" ? "open-afresh" : "ignore";
}
