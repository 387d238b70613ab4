/** What is in flight of one document: under which name, and when it goes out again. */

import { GIVE_UP_AFTER_MS, type Submission, later, newSubmission, sent, unsent } from "./submission.js";

export class Outgoing {
  /** Why the server has not taken yet what is in flight, in its words; empty: it did not say. */
  trouble = "";

  private current: Submission | null = null;
  private lastSequence = 0;
  /** Below this revision the submission in flight may still turn up, committed under an earlier client id. */
  private holdBelow = 0;

  get submission(): Submission | null {
    return this.current;
  }

  /** When something goes out next, at `revision`; null: not before more has come in. */
  dueAt(revision: number): number | null {
    return revision < this.holdBelow ? null : (this.current?.againAt ?? 0);
  }

  isNamed(clientId: string, sequence: number): boolean {
    return this.current?.clientId === clientId && this.current.sequence === sequence;
  }

  /** Gives what goes out its name, unless it has one; returns whether it got one. */
  name(clientId: string): boolean {
    if (this.current?.clientId === clientId) return false;
    this.lastSequence += 1;
    this.current = newSubmission(clientId, this.lastSequence);
    return true;
  }

  /** What was named goes out now; null: it went out before, and was not answered for too long. */
  sendAt(now: number): Submission | null {
    if (this.current === null) return null;
    const { sentSince } = this.current;
    if (sentSince !== null && now - sentSince >= GIVE_UP_AFTER_MS) return null;
    this.current = sent(this.current, now);
    return this.current;
  }

  /** The server refused it in a way that may pass; `failed`: by a defect of its own. */
  refused(now: number, failed = false): void {
    if (this.current === null) return;
    const again = later(this.current, now);
    this.current = failed ? { ...again, failed } : again;
  }

  acknowledged(): void {
    this.current = null;
    this.trouble = "";
  }

  /** It goes out no more under this name. */
  dropped(): void {
    this.current = null;
  }

  disconnected(): void {
    if (this.current !== null) this.current = unsent(this.current);
  }

  /** The document is opened as another client, whose numbers begin anew. */
  anotherClient(): void {
    this.lastSequence = 0;
  }

  /** The document is open, as `clientId`, and stands at `head`. */
  opened(clientId: string, head: number, now: number): void {
    this.holdBelow = 0;
    if (this.current !== null && this.current.clientId !== clientId) this.holdBelow = head;
    else if (this.current !== null) this.current = { ...this.current, againAt: now };
  }
}
