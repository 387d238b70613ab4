import type { Delta } from "./ot/index.js";
import type { Caret } from "./protocol/messages.js";

/** One revision as it was received, for giving it back to a server that lost it. */
export interface KeptCommit {
  readonly revision: number;
  /** As it was committed; one's own too, which an `ack` does not repeat. */
  readonly delta: Delta;
  readonly clientId: string;
  /** Its author's, after it; null when it carried none. */
  readonly caret: Caret | null;
  /** The text of the `commit` or `ack` frame, untouched, so that nothing is lost in a JavaScript number. */
  readonly frame: string;
}

/** The newest commits above the last snapshot, in order and without a gap, at most `limit` of them. */
export class KeptCommits {
  private commits: KeptCommit[] = [];

  constructor(private readonly limit: number = 2_000) {}

  add(commit: KeptCommit): void {
    this.commits.push(commit);
    // Cut in larger steps, since every cut copies the list.
    if (this.commits.length > this.limit * 1.25) this.commits = this.commits.slice(-this.limit);
  }

  /** Forgets what is stored in a snapshot. */
  storedUpTo(revision: number): void {
    this.commits = this.commits.filter((commit) => commit.revision > revision);
  }

  clear(): void {
    this.commits = [];
  }

  /** The commits after `revision`; null when they are not all kept. */
  after(revision: number, head: number): readonly KeptCommit[] | null {
    const found = this.commits.filter((commit) => commit.revision > revision);
    return found.length === head - revision ? found : null;
  }
}
