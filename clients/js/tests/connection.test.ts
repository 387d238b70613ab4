import { beforeEach, expect, test, vi } from "vitest";
import { Connection, type Environment, type Socket } from "../src/connection.js";
import { Delta, textOf } from "../src/ot/index.js";
import { inflateParts } from "../src/protocol/parts.js";
import type { ClientMessage } from "../src/protocol/messages.js";
import type { Credentials } from "../src/session.js";
import { Tokens } from "../src/tokens.js";
import { FakeServer } from "./fake_server.js";

/** A socket to the fake server that delivers at once; the test opens and closes it. */
class FakeSocket implements Socket {
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  closed = false;
  private readonly reply = (frame: object): void => this.receive(JSON.stringify(frame));

  readonly sent: ClientMessage[] = [];

  constructor(private readonly server: FakeServer) {}

  accept(): void {
    this.onopen?.(new Event("open"));
  }

  receive(frame: string): void {
    if (!this.closed) this.onmessage?.(new MessageEvent("message", { data: frame }));
  }

  fail(code: number): void {
    this.server.leave(this.reply);
    this.closed = true;
    this.onclose?.(Object.assign(new Event("close"), { code, reason: "", wasClean: false }) as CloseEvent);
  }

  send(frame: string): void {
    this.sent.push(JSON.parse(frame) as ClientMessage);
    this.server.receive(JSON.parse(frame) as ClientMessage, this.reply);
  }

  close(): void {
    this.server.leave(this.reply);
    this.closed = true;
  }
}

const sockets: FakeSocket[] = [];
let server = new FakeServer();
let shown = Delta.EMPTY;

const environment: Environment = {
  connect: () => {
    const socket = new FakeSocket(server);
    sockets.push(socket);
    return socket;
  },
  now: () => Date.now(),
  after: (delay, callback) => {
    const timer = setTimeout(callback, delay);
    return () => clearTimeout(timer);
  },
  random: () => 1,
  inflate: inflateParts,
};

function connection(credentials: Credentials = {}): Connection {
  const events = { onShow: (_: string, delta: Delta) => void (shown = delta.applyTo(shown)), onChange: () => undefined };
  return new Connection("ws://test/v1/ws", credentials, events, environment);
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets.length = 0;
  server = new FakeServer();
  shown = Delta.EMPTY;
});

test("comes back after growing delays of at most five seconds, and sends what is pending", () => {
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  expect(one.status.kind).toBe("online");
  sockets[0]!.fail(1006);
  one.edit(document, Delta.text("typed offline"), null);
  for (const delay of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
    expect(one.status).toMatchObject({ kind: "offline", retryAt: Date.now() + delay });
    vi.advanceTimersByTime(delay);
    expect(one.status.kind).toBe("connecting");
    sockets.at(-1)!.fail(1006);
  }
  vi.advanceTimersByTime(5_000);
  sockets.at(-1)!.accept();
  expect([one.status.kind, document.saved, textOf(server.content)]).toEqual(["online", true, "typed offline"]);
});

test("a final close code ends the trying and says why", () => {
  const one = connection();
  one.connect();
  sockets[0]!.accept();
  sockets[0]!.receive(JSON.stringify({ type: "error", code: "unauthorized", message: "expired", definite: true, retryable: false }));
  sockets[0]!.fail(4401);
  vi.advanceTimersByTime(1_000);
  sockets[1]!.fail(4401);
  vi.advanceTimersByTime(60_000);
  expect([sockets.length, one.status.kind]).toEqual([2, "denied"]);
});

test("frames that follow the parts of a document wait until it is inflated", async () => {
  server.mode = "parts";
  server.commit(Delta.text("large"));
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  server.commit(Delta.text("very "));
  expect(document.loaded).toBe(false);
  vi.useRealTimers();
  await vi.waitFor(() => expect(document.loaded).toBe(true));
  expect([textOf(shown), document.revision]).toEqual(["very large", 2]);
});

test("a frame that is no message costs the connection, not the replica", () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  one.edit(document, Delta.text("a"), null);
  sockets[0]!.receive('{"type":"commit","document":7}');
  expect([sockets[0]!.closed, one.status.kind, textOf(document.content)]).toEqual([true, "offline", "a"]);
});

test("a connection that never says welcome is given up", () => {
  const one = connection();
  one.connect();
  vi.advanceTimersByTime(10_000);
  expect([sockets[0]!.closed, one.status.kind]).toEqual([true, "offline"]);
});

/** Tokens "1", "2" … as the application gives them out. */
function tokens(): { readonly given: string[]; token(): Promise<string> } {
  const given: string[] = [];
  return { given, token: async () => (given.push(`${given.length + 1}`), `${given.length}`) };
}

const refusal = JSON.stringify({ type: "error", code: "unauthorized", message: "no", definite: true, retryable: false });

test("the next token is shown before the last expires, on the same connection", async () => {
  server.tokenSeconds = 100;
  const { given, token } = tokens();
  const one = connection({ token });
  one.connect();
  await vi.advanceTimersByTimeAsync(0);
  sockets[0]!.accept();
  expect(sockets[0]!.sent[0]).toMatchObject({ type: "hello", token: "1" });
  await vi.advanceTimersByTimeAsync(79_000);
  expect(given).toEqual(["1"]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sockets[0]!.sent.at(-1)).toEqual({ type: "token", token: "2" });
  sockets[0]!.receive(JSON.stringify({ type: "token", token_seconds: 10 }));
  await vi.advanceTimersByTimeAsync(8_000);
  expect([sockets.length, given]).toEqual([1, ["1", "2", "3"]]);
});

test("a refused token is not the end where there is another, and nobody asks for ever", async () => {
  const { given, token } = tokens();
  const one = connection({ token });
  one.connect();
  await vi.advanceTimersByTimeAsync(0);
  sockets[0]!.accept();
  for (let refused = 1; refused <= 3; refused += 1) {
    sockets.at(-1)!.receive(refusal);
    sockets.at(-1)!.fail(4401);
    expect(one.status.kind).toBe("offline");
    await vi.advanceTimersByTimeAsync(5_000);
    expect(given.length).toBe(refused + 1);
  }
  sockets.at(-1)!.fail(4401);
  await vi.advanceTimersByTimeAsync(5_000);
  sockets.at(-1)!.fail(4401);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([one.status.kind, given.length]).toEqual(["denied", 5]);
});

test("an application that has no token for now is asked again", async () => {
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  let asked = 0;
  const one = connection({ token: async () => (asked += 1) < 3 ? Promise.reject(new Error("away")) : "good" });
  one.connect();
  await vi.advanceTimersByTimeAsync(0);
  expect([one.status.kind, sockets.length]).toEqual(["offline", 0]);
  await vi.advanceTimersByTimeAsync(1_000);
  sockets[0]!.accept();
  expect([asked, sockets[0]!.sent[0]]).toEqual([3, { type: "hello", token: "good" }]);
});

test("rights that are lowered are shown, and a document that is granted no more stops", () => {
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  sockets[0]!.receive(JSON.stringify({ type: "rights", document: "notes", access: "read", rights: ["read"] }));
  expect([document.state, document.access]).toEqual(["open", "read"]);
  sockets[0]!.receive(JSON.stringify({ ...JSON.parse(refusal), code: "forbidden", document: "notes" }));
  expect([document.state, document.refusal?.code, one.status.kind]).toEqual(["stopped", "forbidden", "online"]);
});

test.each([true, false])("an edit says what it is a part of, to a server that asked for it (%s)", (traces) => {
  const context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  server.traces = traces;
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  one.edit(document, Delta.text("a"), null);
  one.traceparent = () => context;
  one.edit(document, Delta.text("b"), null);
  one.traceparent = () => null;
  one.edit(document, Delta.text("c"), null);
  expect(server.traceparents).toEqual([undefined, traces ? context : undefined, undefined]);
});

test("what was in flight when rights were lowered goes out once they rise again", () => {
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  server.isDeaf = true;
  one.edit(document, Delta.text("mine"), null);
  server.access = "read";
  sockets[0]!.receive(JSON.stringify({ type: "rights", document: "notes", access: "read", rights: ["read"] }));
  sockets[0]!.receive(JSON.stringify({ ...JSON.parse(refusal), code: "forbidden", document: "notes", client_sequence: 1 }));
  server.isDeaf = false;
  vi.advanceTimersByTime(60_000);
  expect([document.state, document.access, document.saved]).toEqual(["open", "read", false]);
  server.access = "write";
  sockets[0]!.receive(JSON.stringify({ type: "rights", document: "notes", access: "write", rights: ["read", "write"] }));
  expect([document.saved, textOf(server.content)]).toEqual([true, "mine"]);
});

test("no timer is set for longer than there are timers", () => {
  expect(new Tokens(async () => "x").renewAfter(365 * 86_400)).toBeLessThan(2 ** 31);
});

const hush = { type: "error", code: "limited", message: "too much", definite: false, retryable: true, retry_after_seconds: 2 };

test("says nothing for as long as the server wants to hear nothing, and then all of it in order", () => {
  const one = connection();
  const document = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  sockets[0]!.receive(JSON.stringify(hush));
  const before = sockets[0]!.sent.length;
  one.edit(document, Delta.text("a"), null);
  vi.advanceTimersByTime(1_999);
  expect(sockets[0]!.sent).toHaveLength(before);
  vi.advanceTimersByTime(1);
  expect(sockets[0]!.sent.slice(before).map((message) => message.type)).toContain("submit");
  expect(textOf(server.content)).toBe("a");
  expect(document.saved).toBe(true);
});

test("comes back no sooner than the server said that refused the connection", () => {
  const one = connection();
  one.open("notes");
  one.connect();
  sockets[0]!.accept();
  sockets[0]!.receive(JSON.stringify({ ...hush, retry_after_seconds: 7 }));
  sockets[0]!.fail(4529);
  vi.advanceTimersByTime(7_000);
  expect(sockets).toHaveLength(1);
  vi.advanceTimersByTime(100);
  expect(sockets).toHaveLength(2);
  sockets[1]!.accept();
  expect(sockets[1]!.sent[0]!.type).toBe("hello");
});

test("a document that is deleted stops, and its connection goes on", () => {
  const one = connection();
  const gone = one.open("notes");
  one.connect();
  sockets[0]!.accept();
  sockets[0]!.receive(JSON.stringify({ ...JSON.parse(refusal), code: "deleted", document: "notes" }));
  expect([gone.state, gone.refusal?.code]).toEqual(["stopped", "deleted"]);
  expect([one.status.kind, sockets[0]!.closed]).toEqual(["online", false]);
});
