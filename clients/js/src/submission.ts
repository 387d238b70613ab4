/** One submission on its way, and when it has to be sent again. Times are milliseconds of the caller's clock. */

export const ANSWER_WITHIN_MS = 5_000;
/** A connection that leaves a submission unanswered for so long is taken for dead. */
export const GIVE_UP_AFTER_MS = 15_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 30_000;

export interface Submission {
  /** The client that it is submitted as: with the sequence, its name for ever. */
  readonly clientId: string;
  readonly sequence: number;
  /** When it was first sent on the present connection; null: not yet. */
  readonly sentSince: number | null;
  /** When it is to be sent again. */
  readonly againAt: number;
  /** Refusals in a row that allow another try. */
  readonly refusals: number;
  /** Whether the server failed on it before (`internal`). */
  readonly failed: boolean;
}

export function newSubmission(clientId: string, sequence: number): Submission {
  return { clientId, sequence, sentSince: null, againAt: 0, refusals: 0, failed: false };
}

export function sent(submission: Submission, now: number): Submission {
  return { ...submission, sentSince: submission.sentSince ?? now, againAt: now + ANSWER_WITHIN_MS };
}

export function unsent(submission: Submission): Submission {
  return { ...submission, sentSince: null };
}

/** After a refusal that may pass: again after a second, then two, four … */
export function later(submission: Submission, now: number): Submission {
  const wait = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** submission.refusals);
  return { ...submission, sentSince: null, againAt: now + wait, refusals: submission.refusals + 1 };
}
