import { expect, test } from "vitest";
import { Delta, transform } from "../src/ot/index.js";
import { type Replica, Synchronized } from "../src/replica.js";
import { Random, randomDelta } from "./random.js";

/** The server's role: one order, each submission carried over what was committed since its base, one by one. */
class Authority {
  readonly commits: { readonly delta: Delta; readonly author: Peer }[] = [];
  document = Delta.EMPTY;

  submit(author: Peer, base: number, delta: Delta): void {
    const rebased = this.commits.slice(base).reduce((rest, commit) => transform(commit.delta, rest)[1], delta);
    this.document = rebased.applyTo(this.document);
    this.commits.push({ delta: rebased, author });
  }
}

/** A client with queues in both directions that deliver whenever the simulation says so. */
class Peer {
  replica: Replica = new Synchronized(0);
  document = Delta.EMPTY;
  readonly outgoing: { readonly base: number; readonly delta: Delta }[] = [];

  edit(delta: Delta): void {
    this.document = delta.applyTo(this.document);
    this.follow(this.replica.edit(delta));
  }

  receive(authority: Authority): boolean {
    const commit = authority.commits[this.replica.revision];
    if (commit === undefined) return false;
    if (commit.author === this) {
      if (this.replica.kind === "synchronized") throw new Error("an ack without a submission");
      expect(this.replica.inFlight.equals(commit.delta)).toBe(true);
      this.follow(this.replica.ack());
    } else {
      const [next, show] = this.replica.commit(commit.delta);
      this.replica = next;
      this.document = show.applyTo(this.document);
    }
    return true;
  }

  private follow([next, send]: readonly [Replica, Delta | null]): void {
    this.replica = next;
    if (send !== null) this.outgoing.push({ base: next.revision, delta: send });
  }
}

test("all clients converge on the server's document, whatever the order of delivery", () => {
  const random = Random.seeded();
  for (let round = 0; round < 300; round += 1) {
    const authority = new Authority();
    const peers = [new Peer(), new Peer(), new Peer()];
    const deliver = (peer: Peer): boolean => {
      const submission = peer.outgoing.shift();
      if (submission !== undefined) authority.submit(peer, submission.base, submission.delta);
      return peer.receive(authority) || submission !== undefined;
    };
    for (let step = 0; step < 40; step += 1) {
      const peer = random.pick(peers);
      if (random.below(3) === 0) peer.edit(randomDelta(random, peer.document));
      else deliver(peer);
    }
    while (peers.map(deliver).some(Boolean));
    for (const peer of peers) {
      expect(peer.replica.kind).toBe("synchronized");
      expect(peer.document.toJSON()).toEqual(authority.document.toJSON());
    }
  }
});

test("edits that cancel out leave nothing to send", () => {
  const [waiting] = new Synchronized(4).edit(Delta.text("a"));
  const [buffering] = waiting.edit(Delta.text("b"));
  expect(buffering.kind).toBe("awaiting-ack-with-buffer");
  expect(buffering.edit(Delta.of([{ delete: 1 }]))[0].kind).toBe("awaiting-ack");
});

test("TP1: both orders of two concurrent deltas end in one document", () => {
  const random = Random.seeded();
  for (let round = 0; round < 3_000; round += 1) {
    const document = randomDelta(random, Delta.EMPTY);
    const [first, second] = [randomDelta(random, document), randomDelta(random, document)];
    const [f, s] = transform(first, second);
    expect(s.applyTo(first.applyTo(document)).toJSON()).toEqual(f.applyTo(second.applyTo(document)).toJSON());
    const third = randomDelta(random, first.applyTo(document));
    expect(first.compose(third).applyTo(document).equals(third.applyTo(first.applyTo(document)))).toBe(true);
  }
});
