import type { Delta } from "./ot/index.js";
import type { Caret, OfferMessage } from "./protocol/messages.js";

/** One revision as it was received, for giving it back to a server that lost it. */
export interface KeptCommit {
  readonly revision: number;
  /** As it was committed; one's own too, which an `ack` does not repeat. */
  readonly delta: Delta;
  readonly clientId: string;
  readonly mac: string;
  /** Of the revision below. */
  readonly before: string;
  /** Its author's, after it; null when it carried none. */
  readonly caret: Caret | null;
  /** The text of the `commit` or `ack` frame, untouched: what is given back is what came. */
  readonly frame: string;
  /** The author, whom an `ack` does not name. */
  readonly author: string;
}

/** How many commits go into one offer at most; together with their text they stay well below any frame's bound. */
const MAX_OFFER_COMMITS = 200;
const MAX_OFFER_CHARACTERS = 256 * 1024;

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

  /** What to give back to a server that has nothing above `revision`. */
  offers(document: string, revision: number): OfferMessage[] {
    const offers: OfferMessage[] = [];
    let size = 0;
    for (const commit of this.commits) {
      if (commit.revision <= revision) continue;
      const fields = fieldsOf(commit);
      const open = offers.at(-1);
      const length = JSON.stringify(fields).length;
      if (open === undefined || open.commits.length === MAX_OFFER_COMMITS || size + length > MAX_OFFER_CHARACTERS) {
        offers.push({ type: "offer", document, before: commit.before, commits: [fields] });
        size = length;
      } else {
        open.commits.push(fields);
        size += length;
      }
    }
    return offers;
  }

  /** The commits after `revision`; null when they are not all kept. */
  after(revision: number, head: number): readonly KeptCommit[] | null {
    const found = this.commits.filter((commit) => commit.revision > revision);
    return found.length === head - revision ? found : null;
  }
}

type Fields = { readonly [name: string]: unknown };

/** The fields of a commit as the log has them, out of the frame that brought it. */
function fieldsOf(commit: KeptCommit): Fields {
  const frame = JSON.parse(commit.frame) as Fields;
  const commits = frame["commits"];
  if (Array.isArray(commits)) {
    const found = (commits as Fields[]).find((fields) => fields["revision"] === commit.revision) ?? {};
    return { epoch: frame["epoch"], ...found };
  }
  const { client_sequence, revision, epoch, at, mac, key_id, caret, yjs, bridge } = frame;
  return {
    revision, delta: commit.delta.ops, author: commit.author, client_id: commit.clientId, client_sequence, at, epoch, mac, key_id,
    ...(caret === undefined ? {} : { caret }),
    ...(yjs === undefined ? {} : { yjs }),
    ...(bridge === undefined ? {} : { bridge }),
  };
}
