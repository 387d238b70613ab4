/** What we tell others about ourselves: name, colour and caret, throttled, and only when nothing is unacknowledged. */

import type { Delta } from "./ot/index.js";
import { carryCaret } from "./presence.js";
import type { Caret, PresenceMessage } from "./protocol/messages.js";

export const CARET_EVERY_MS = 50;

export interface Introduction {
  readonly name: string;
  /** `#rrggbb` */
  readonly colour: string;
}

export class OwnPresence {
  private introduction: Introduction | null = null;
  private introduced = false;
  private caret: Caret | null = null;
  private told: Caret | null | undefined = undefined;
  private onlyCommitted = false;
  private lastAt = -Infinity;

  introduce(introduction: Introduction): void {
    this.introduction = introduction;
    this.introduced = false;
  }

  /** A new connection knows nothing of us. */
  forgotten(): void {
    this.introduced = false;
    this.told = undefined;
  }

  get position(): Caret | null {
    return this.caret;
  }

  moveTo(caret: Caret | null): void {
    this.caret = caret;
  }

  /** The document changed by someone else: everyone carries our caret as we do, so there is nothing to tell. */
  carriedOver(delta: Delta): void {
    if (this.caret !== null) this.caret = carryCaret(this.caret, delta);
    if (this.told != null) this.told = carryCaret(this.told, delta);
  }

  /** Our caret rode in a submission; null: it went out without one. */
  toldBySubmission(caret: Caret | null): void {
    this.told = caret ?? undefined;
    this.onlyCommitted = true;
  }

  /** Whoever comes now reads the roster, which knows nothing of a caret that only rode in commits. */
  someoneCame(): void {
    if (this.onlyCommitted) this.told = undefined;
  }

  /** When there is something to tell; null: nothing. */
  get dueAt(): number | null {
    const known = this.introduced && sameCaret(this.told, this.caret);
    return known ? null : this.lastAt + CARET_EVERY_MS;
  }

  /** The message, which counts as told. */
  tell(document: string, revision: number, now: number): PresenceMessage {
    const who = this.introduced || this.introduction === null ? {} : this.introduction;
    this.introduced = true;
    this.told = this.caret;
    this.onlyCommitted = false;
    this.lastAt = now;
    return { type: "presence", document, revision, caret: this.caret, ...who };
  }
}

function sameCaret(a: Caret | null | undefined, b: Caret | null): boolean {
  if (a == null || b === null) return a === b;
  return a.anchor === b.anchor && a.head === b.head;
}
