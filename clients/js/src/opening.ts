/** How a document is opened: as which client, with what it holds already, and when again. */

import type { Held, Identity, OpenMessage, Opened } from "./protocol/messages.js";

const AGAIN_FIRST_MS = 1_000;
const AGAIN_MOST_MS = 30_000;

export class Opening {
  /** When it is tried again; null: it is under way, or done. */
  againAt: number | null = null;

  private held: Held | null = null;
  private identity: Identity | null = null;
  private refusals = 0;

  /** Whether the client holds something that it can go on from. */
  get holds(): boolean {
    return this.held !== null;
  }

  /** As whom the document was opened; null: nobody yet. */
  get clientId(): string | null {
    return this.identity?.clientId ?? null;
  }

  get epoch(): number {
    return this.held?.epoch ?? 0;
  }

  message(document: string, renew: boolean): OpenMessage {
    this.againAt = null;
    return {
      type: "open",
      document,
      ...(this.held === null ? {} : { epoch: this.held.epoch, revision: this.held.revision, mac: this.held.mac }),
      ...(renew ? { renew } : this.credentials()),
    };
  }

  /** The server has opened it; returns whether that is as another client than before. */
  answered(opened: Opened): boolean {
    const isAnother = opened.clientId !== this.clientId;
    this.identity = { clientId: opened.clientId, resumeToken: opened.resumeToken };
    this.refusals = 0;
    return isAnother;
  }

  /** Refused in a way that may pass: again after a second, then two, four …, or when the server says. */
  refused(now: number, toldSeconds: number | null): void {
    const own = Math.min(AGAIN_MOST_MS, AGAIN_FIRST_MS * 2 ** this.refusals);
    this.againAt = now + Math.max(own, (toldSeconds ?? 0) * 1000);
    this.refusals += 1;
  }

  /** The client holds the document as it was opened. */
  begin({ epoch, revision, mac }: Held): void {
    this.held = { epoch, revision, mac };
  }

  /** The client has come to a further revision; returns the mac before. */
  advance({ epoch, revision, mac }: Held): string {
    const before = this.held?.mac ?? "";
    this.held = { epoch: Math.max(epoch, this.epoch), revision, mac };
    return before;
  }

  /** What it holds is of no use any more: it loads the document afresh. */
  letGo(): void {
    this.held = null;
  }

  /** It is nobody any more: the server does not take it for who it was. */
  forgetIdentity(): void {
    this.identity = null;
  }

  private credentials(): { client_id: string; resume_token: string } | undefined {
    if (this.identity === null) return undefined;
    return { client_id: this.identity.clientId, resume_token: this.identity.resumeToken };
  }
}
