import { describe, expect, test } from "vitest";
import type { DocumentSession } from "../src/document.js";
import type { Effect } from "../src/effects.js";
import { Delta, textOf } from "../src/ot/index.js";
import { inflateParts } from "../src/protocol/parts.js";
import type { ClientMessage } from "../src/protocol/messages.js";
import { Session } from "../src/session.js";
import { signOf } from "../page/sign.js";
import { FakeServer } from "./fake_server.js";
import { Random, randomDelta } from "./random.js";

/** One session and its link to the fake server: both directions wait in queues until the test lets them through. */
class Client {
  readonly session = new Session({});
  readonly document: DocumentSession;
  readonly sent: ClientMessage[] = [];
  shown = Delta.EMPTY;
  reconnects = 0;
  private toServer: ClientMessage[] = [];
  private toClient: string[] = [];
  private channel: ((frame: object) => void) | null = null;

  constructor(readonly server: FakeServer) {
    this.document = this.session.document("notes")[0];
  }

  connect(): void {
    const frames: string[] = [];
    this.toClient = frames;
    this.channel = (frame) => frames.push(JSON.stringify(frame));
    this.follow(this.session.connected());
  }

  /** Everything on the way is lost; what the server got, it keeps. */
  cut(code = 1006): void {
    if (this.channel !== null) this.server.leave(this.channel);
    this.channel = null;
    [this.toServer, this.toClient] = [[], []];
    this.session.disconnected(code);
  }

  /** Lets one message through; false when there was none. */
  deliver(now = 0): boolean {
    const message = this.toServer.shift();
    if (message !== undefined && this.channel !== null) this.server.receive(message, this.channel);
    const frame = this.toClient.shift();
    if (frame !== undefined) this.follow(this.session.receive(frame, now));
    return message !== undefined || frame !== undefined;
  }

  settle(now = 0): void {
    while (this.deliver(now));
  }

  edit(delta: Delta, now = 0): void {
    this.shown = delta.applyTo(this.shown);
    this.follow(this.document.edit(delta, null, now));
  }

  type(at: number, text: string, now = 0): void {
    this.edit(Delta.of([...(at > 0 ? [{ retain: at }] : []), { insert: text }]), now);
  }

  tick(now: number): void {
    this.follow(this.session.tick(now));
  }

  tell(frame: object): void {
    this.follow(this.session.receive(JSON.stringify(frame), 0));
  }

  last(type: ClientMessage["type"]): ClientMessage | undefined {
    return this.sent.findLast((message) => message.type === type);
  }

  count(type: ClientMessage["type"]): number {
    return this.sent.filter((message) => message.type === type).length;
  }

  follow(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "show") this.shown = effect.delta.applyTo(this.shown);
      if (effect.kind === "reconnect") this.reconnects += 1;
      if (effect.kind !== "send") continue;
      this.sent.push(effect.message);
      this.toServer.push(effect.message);
    }
  }
}

function opened(server = new FakeServer()): Client {
  const client = new Client(server);
  client.connect();
  client.settle();
  return client;
}

function reject(client: Client, code: string, definite = true, retryable = false, message = ""): void {
  const sequence = client.document["outgoing"].submission?.sequence;
  client.tell({ type: "error", document: "notes", client_sequence: sequence, code, message, definite, retryable });
}

describe("a session", () => {
  test("what is edited before anything was loaded comes behind the content", () => {
    const server = new FakeServer();
    server.commit(Delta.text("theirs "));
    const client = new Client(server);
    client.edit(Delta.text("mine"));
    client.connect();
    expect(client.document.saved).toBe(false);
    client.settle();
    expect(textOf(client.document.content)).toBe("theirs mine");
    expect(textOf(client.shown)).toBe("theirs mine");
    expect(textOf(server.content)).toBe("theirs mine");
    expect(client.document.saved).toBe(true);
  });

  test("says saved only when nothing is in flight and nothing is buffered", () => {
    const client = opened();
    expect(client.document.saved).toBe(true);
    client.type(0, "a");
    client.type(1, "b");
    expect([client.document.saved, client.document.unsaved]).toEqual([false, 2]);
    client.deliver();
    expect([client.document.saved, client.document.unsaved]).toEqual([false, 1]);
    client.settle();
    expect([client.document.saved, client.document.unsaved]).toEqual([true, 0]);
    expect(textOf(client.server.content)).toBe("ab");
  });

  test("repeats an unanswered submission after five seconds, and gives the connection up after fifteen", () => {
    const client = opened();
    client.type(0, "a", 1_000);
    expect(client.count("submit")).toBe(1);
    client.tick(5_999);
    expect(client.count("submit")).toBe(1);
    client.tick(6_000);
    expect(client.count("submit")).toBe(2);
    client.tick(16_000);
    expect(client.reconnects).toBe(1);
  });

  test("gives back what the server lost, as it came, its own edits too", () => {
    const client = opened();
    client.server.commit(Delta.text("x"), "other", 1, { anchor: 1, head: 1 });
    client.settle();
    client.type(1, "é😀");
    client.settle();
    client.tell({ type: "recall", document: "notes", epoch: 1, revision: 0, mac: "" });
    const all = client.last("offer");
    const common = { epoch: 1, key_id: "k", at: 1 };
    expect(all).toEqual({ type: "offer", document: "notes", before: "mac-1-0", commits: [
      { ...common, revision: 1, delta: [{ insert: "x" }], author: "bob", client_id: "other", client_sequence: 1, mac: "mac-1-1",
        caret: { anchor: 1, head: 1 } },
      { ...common, revision: 2, delta: [{ retain: 1 }, { insert: "é😀" }], author: "ada", client_id: "client1", client_sequence: 1,
        mac: "mac-1-2" },
    ] });
    client.tell({ type: "recall", document: "notes", epoch: 1, revision: 1, mac: "mac-1-1" });
    expect(client.last("offer")).toMatchObject({ before: "mac-1-1", commits: [{ revision: 2 }] });
    client.tell({ type: "snapshot", document: "notes", revision: 2 });
    client.tell({ type: "recall", document: "notes", epoch: 1, revision: 0, mac: "" });
    expect(client.count("offer")).toBe(2);
  });

  test("knows of revisions that are lost for good, once", () => {
    const client = opened();
    client.tell({ type: "lost", document: "notes", epoch: 2, first: 5, last: 9 });
    client.tell({ type: "lost", document: "notes", epoch: 2, first: 5, last: 9 });
    expect(client.document.losses).toEqual([{ epoch: 2, first: 5, last: 9 }]);
  });

  test("opens a document again that the server ended for a while, from what it holds", () => {
    const client = opened();
    client.server.commit(Delta.text("x"));
    client.settle();
    client.server.leave(client["channel"]!);
    client.tell({ type: "error", document: "notes", code: "unavailable", message: "", definite: false, retryable: true });
    expect(client.document.state).toBe("opening");
    client.tick(10_000);
    client.settle();
    expect(client.last("open")).toMatchObject({ epoch: 1, revision: 1, mac: "mac-1-1" });
    expect(client.document.state).toBe("open");
  });

  test("opens a document no sooner again than the server says", () => {
    const client = opened();
    client.server.leave(client["channel"]!);
    const refusal = { code: "limited", message: "", definite: false, retryable: true, retry_after_seconds: 7 };
    client.tell({ type: "error", document: "notes", ...refusal });
    const before = client.count("open");
    client.tick(6_999);
    expect(client.count("open")).toBe(before);
    client.tick(7_000);
    expect(client.count("open")).toBe(before + 1);
  });

  test("an offer that is refused does not end a document that is being opened", () => {
    const client = opened();
    client.server.leave(client["channel"]!);
    client.tell({ type: "error", document: "notes", code: "unavailable", message: "", definite: false, retryable: true });
    for (const code of ["forged", "unknown-key"]) {
      client.tell({ type: "error", document: "notes", code, message: "", definite: true, retryable: false });
    }
    expect(client.document.state).toBe("opening");
    client.tick(10_000);
    client.settle();
    expect(client.document.state).toBe("open");
  });

  test("an edit that was committed before the line broke is not committed twice", () => {
    const client = opened();
    client.type(0, "a");
    client.server.receive(client.last("submit")!, client["channel"]!);
    client.cut();
    client.server.commit(Delta.text("x"));
    client.type(1, "b");
    client.connect();
    client.settle();
    expect(textOf(client.server.content)).toBe("xab");
    expect([textOf(client.shown), client.document.saved]).toEqual(["xab", true]);
    expect(client.last("open")).toMatchObject({ epoch: 1, revision: 0, client_id: "client1" });
  });

  test("a damaged document is read-only, never saved while edits wait, and takes them once it is repaired", () => {
    const client = opened();
    client.type(0, "a");
    client.settle();
    client.server.becomeDamaged(true);
    client.type(1, "b");
    client.settle();
    expect(client.document.state).toBe("opening");
    client.tick(1_000);
    client.settle(1_000);
    const { document } = client;
    expect([document.state, document.damaged, document.access, document.saved]).toEqual(["open", true, "read", false]);
    expect(signOf({ kind: "online" }, document, 0).text).toBe("Damaged – 1 edit not saved");
    client.tick(60_000);
    expect([client.count("submit"), client.reconnects]).toEqual([2, 0]);
    client.server.becomeDamaged(false);
    client.settle(60_000);
    client.tick(61_000);
    client.settle(61_000);
    expect([document.damaged, document.access, document.saved]).toEqual([false, "write", true]);
    expect(textOf(client.server.content)).toBe("ab");
  });

  test("a submission to a document that was just found damaged is sent again later", () => {
    const client = opened();
    client.type(0, "a");
    reject(client, "quarantined", false);
    expect([client.document.state, client.document.saved]).toEqual(["open", false]);
    client.tick(1_000);
    expect(client.count("submit")).toBe(2);
  });

  test("what others left nothing of is sent again and acknowledged", () => {
    const server = new FakeServer();
    server.commit(Delta.text("abc"));
    const client = opened(server);
    client.edit(Delta.of([{ retain: 1 }, { delete: 1 }]));
    client.cut();
    server.commit(Delta.of([{ delete: 3 }]));
    client.connect();
    client.settle();
    expect(client.last("submit")).toMatchObject({ base_revision: 1, delta: [{ retain: 1 }, { delete: 1 }] });
    expect([textOf(client.shown), client.document.saved, server.log.length]).toEqual(["", true, 3]);
  });

  test("another history is opened afresh, and what is pending is carried over the difference", () => {
    const server = new FakeServer();
    server.commit(Delta.text("hello world"));
    const client = opened(server);
    client.cut();
    client.type(11, "!");
    server.epoch = 2;
    server.content = Delta.text("hello new world");
    client.connect();
    client.settle();
    expect([textOf(client.shown), client.document.saved]).toEqual(["hello new world!", true]);
    expect(textOf(server.content)).toBe("hello new world!");
  });

  test("a spent client id is renewed, and the edit goes out under the new one", () => {
    const client = opened();
    client.type(0, "a");
    client["toServer"] = [];
    reject(client, "sequence");
    expect(client.last("open")).toMatchObject({ renew: true, revision: 0 });
    client.settle();
    expect([client.server.log[0]?.client, client.document.saved]).toEqual(["client2", true]);
  });

  test("a refusal that trying again does not change keeps the text", () => {
    const client = opened();
    client.type(0, "a");
    reject(client, "document-too-large");
    expect([client.document.state, client.document.saved, textOf(client.document.content)]).toEqual(["stopped", false, "a"]);
    expect(client.document.refusal?.code).toBe("document-too-large");
  });

  test("an edit that is rejected again and again is not tried for ever", () => {
    const client = opened();
    client.type(0, "a");
    for (let attempt = 0; attempt < 4; attempt += 1) {
      reject(client, "sequence");
      client["toServer"] = client["toServer"].filter((message) => message.type !== "submit");
      client.deliver();
      client.deliver();
    }
    expect(client.document.state).toBe("stopped");
  });

  test("an overloaded server is asked again after growing delays", () => {
    const client = opened();
    client.type(0, "a");
    for (const wait of [1_000, 2_000, 4_000]) {
      reject(client, "overloaded", false, true);
      expect(client.document.dueAt).toBe(wait);
    }
    client.tick(4_000);
    expect(client.count("submit")).toBe(2);
  });

  test("why something is not saved is said until it is", () => {
    const client = opened();
    client.type(0, "a");
    reject(client, "unavailable", false, true, "the server is full");
    const sign = () => signOf({ kind: "online" }, client.document, 10_000).text;
    expect(sign()).toBe("Saving… 1 edit not saved yet – the server is full");
    client.tick(client.document.dueAt!);
    client.settle();
    expect([client.document.saved, client.document.trouble, sign()]).toEqual([true, "", "Saved"]);
    client.type(0, "b");
    expect(sign()).toBe("Saving… 1 edit not saved yet");
  });

  test("a refused resume token costs the client id, not the edit, and no edit is committed twice", () => {
    const client = opened();
    client.type(0, "a");
    client.server.receive(client.last("submit")!, client["channel"]!);
    client.cut(4401);
    expect(client.session.state).toBe("disconnected");
    client.document["opening"].forgetIdentity();
    client.connect();
    client.settle();
    expect([client.server.log.length, client.document.saved, textOf(client.shown)]).toEqual([1, true, "a"]);
  });

  test("a document's own resume token that is refused costs its client id, and then its access", () => {
    const refusal = { type: "error", document: "notes", code: "unauthorized", message: "", definite: true, retryable: false };
    const client = opened();
    client.cut();
    client.type(0, "a");
    client.connect();
    client.deliver();
    client["toServer"] = [];
    client.tell(refusal);
    expect(client.last("open")).not.toHaveProperty("client_id");
    client.tell(refusal);
    expect([client.document.state, client.document.saved]).toEqual(["stopped", false]);
  });

  test("what does not fit the document any more is kept, and not tried for ever", () => {
    const client = opened();
    client.type(0, "a");
    const copy = client.document["copy"];
    copy["confirmed"] = Delta.EMPTY;
    copy["replica"] = copy["replica"].edit(Delta.of([{ retain: 50 }, { insert: "b" }]))[0];
    client["toServer"] = [];
    reject(client, "diverged");
    client.settle();
    expect([client.document.state, client.document.saved, textOf(client.document.content)]).toEqual(["stopped", false, "a"]);
  });

  test("4401 without a resume token is final, as are the other 44xx; 45xx is not", () => {
    const states = [4401, 4403, 4409, 4500, 4503, 1006, 1009].map((code) => {
      const session = new Session({ token: "x" });
      session.connected();
      session.disconnected(code);
      return [code, session.state];
    });
    expect(states.filter(([, state]) => state === "denied").map(([code]) => code)).toEqual([4401, 4403, 4409, 1009]);
  });

  test("a gap in the revisions makes it open again from what it holds", () => {
    const client = opened();
    client.tell({ type: "commit", document: "notes", epoch: 1, commits: [
      { revision: 3, delta: [{ insert: "z" }], author: "b", client_id: "o", client_sequence: 1, at: 1, mac: "m", key_id: "k" },
    ] });
    expect(client.last("open")).toMatchObject({ revision: 0, mac: "mac-1-0" });
    expect(client.count("open")).toBe(2);
  });

  test("a large document comes in parts", async () => {
    const server = new FakeServer();
    server.mode = "parts";
    server.commit(Delta.text("many words ".repeat(1_000) + "😀"));
    const client = new Client(server);
    client.connect();
    const frames: Effect[] = [];
    const follow = client.follow.bind(client);
    client.follow = (effects) => (frames.push(...effects), follow(effects));
    client.settle();
    const effect = frames.find((one) => one.kind === "inflate");
    if (effect?.kind !== "inflate") throw new Error("no parts came");
    client.follow(client.session.inflated("notes", await inflateParts(effect.parts), 0));
    expect(client.shown.equals(server.content)).toBe(true);
  });

  test("a submission that is larger than a frame goes out in several", () => {
    const client = opened();
    client.document["frameBytes"] = 80;
    client.type(0, "0123456789😀abcdefghij");
    client.settle();
    expect([textOf(client.server.content), client.document.saved]).toEqual(["0123456789😀abcdefghij", true]);
    expect(client.server.log.length).toBe(3);
  });
});

test("sessions converge through broken lines, resent submissions and late deliveries", () => {
  const random = Random.seeded();
  for (let round = 0; round < 150; round += 1) {
    const server = new FakeServer();
    const clients = [opened(server), opened(server), opened(server)];
    let now = 0;
    for (let step = 0; step < 60; step += 1) {
      const client = random.pick(clients);
      const choice = random.below(12);
      now += random.below(3_000);
      if (choice < 4) client.edit(randomDelta(random, client.shown), now);
      else if (choice === 4) client.cut();
      else if (choice === 5 && client.session.state === "disconnected") client.connect();
      else if (choice === 6) client.tick(now);
      else client.deliver(now);
    }
    for (const client of clients) if (client.session.state === "disconnected") client.connect();
    while (clients.map((client) => client.deliver(now)).some(Boolean));
    for (const client of clients) {
      expect(client.document.saved).toBe(true);
      expect(client.shown.toJSON()).toEqual(server.content.toJSON());
      expect(client.document.content.equals(client.shown)).toBe(true);
    }
  }
});
