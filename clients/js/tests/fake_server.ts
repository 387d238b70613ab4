/** The server's role in memory: one order, dedupe, rebase one by one; frames in, frames out. */

import { deflateSync } from "node:zlib";
import { Delta, deltaFromJson, transform } from "../src/ot/index.js";
import type { ClientMessage, OpenMessage, SubmitMessage } from "../src/protocol/messages.js";

interface Entry {
  readonly delta: Delta;
  readonly client: string;
  readonly sequence: number;
  readonly caret: unknown;
}

type Fields = { readonly [name: string]: unknown };

/** One document, "notes", and the channels of all who have it open. */
export class FakeServer {
  readonly log: Entry[] = [];
  content = Delta.EMPTY;
  /** How the next documents are sent. */
  mode: "content" | "parts" = "content";
  tokenSeconds: number | null = null;
  epoch = 1;
  /** Whether submissions get no answer. */
  isDeaf = false;
  access: "read" | "write" = "write";
  /** Whether it takes no writes, and says so. */
  damaged = false;
  /** Whether it says that it goes on with traces, and what submissions said of theirs. */
  traces = false;
  readonly traceparents: (string | undefined)[] = [];
  private readonly open = new Map<string, (frame: Fields) => void>();
  private readonly connections = new Map<(frame: Fields) => void, string>();
  private clients = 0;

  /** Takes one message of a client; answers go to `reply`, then and later. */
  receive(message: ClientMessage, reply: (frame: Fields) => void): void {
    if (message.type === "hello") reply(this.welcome(message.client_id, reply));
    else if (message.type === "open") this.onOpen(message, reply);
    else if (message.type === "submit") {
      this.traceparents.push(message.traceparent);
      this.onSubmit(message, reply);
    }
    else if (message.type === "close") this.leave(reply);
  }

  leave(reply: (frame: Fields) => void): void {
    for (const [client, channel] of this.open) if (channel === reply) this.open.delete(client);
  }

  mac(revision: number): string {
    return `mac-${this.epoch}-${revision}`;
  }

  /** A commit by someone who is not part of the test. */
  commit(delta: Delta, client = "other", sequence = 1, caret: unknown = undefined): void {
    this.content = delta.applyTo(this.content);
    this.log.push({ delta, client, sequence, caret });
    for (const [listener, reply] of this.open) reply(this.commitFrame(this.log.length, listener));
  }

  /** Quarantines the document, or takes it out again: whoever has it open must open it again. */
  becomeDamaged(damaged: boolean): void {
    this.damaged = damaged;
    const [code, retryable] = damaged ? ["quarantined", false] : ["unavailable", true];
    for (const reply of this.open.values()) {
      reply({ type: "error", code, message: "", definite: false, retryable, document: "notes" });
    }
    this.open.clear();
  }

  private welcome(client: string | undefined, channel: (frame: Fields) => void): Fields {
    const clientId = client ?? this.newClient();
    this.connections.set(channel, clientId);
    const limits = { frame_bytes: 4_000_000, document_units: 1e7, open_documents: 9, presence_bytes: 1_024 };
    return {
      type: "welcome", client_id: clientId, resume_token: `token-${clientId}`, author: "ada", durability: "fsync",
      server: "fake", token_seconds: this.tokenSeconds, limits, ...(this.traces ? { traces: true } : {}),
    };
  }

  private newClient(): string {
    this.clients += 1;
    return `client${this.clients}`;
  }

  private onOpen(message: OpenMessage, reply: (frame: Fields) => void): void {
    const client = message.renew ? this.newClient() : (message.client_id ?? this.connections.get(reply) ?? this.newClient());
    const head = this.log.length;
    const common = {
      type: "opened", document: "notes", client_id: client, resume_token: `token-${client}`, access: this.access,
      author: "ada", epoch: this.epoch, head, snapshot_revision: 0,
      ...(this.damaged ? { access: "read", damaged: true } : {}),
    };
    const at = message.revision;
    if (at !== undefined && (message.epoch !== this.epoch || message.mac !== this.mac(at))) {
      reply({ type: "error", code: "diverged", message: "", definite: true, retryable: false, document: "notes" });
      return;
    }
    if ([...this.open.values()].includes(reply)) throw new Error("opened twice");
    this.open.set(client, reply);
    if (at !== undefined) {
      reply({ ...common, revision: at, mac: this.mac(at), mode: "resumed" });
      for (let revision = at + 1; revision <= head; revision += 1) reply(this.commitFrame(revision, client));
    } else {
      this.sendContent({ ...common, revision: head, mac: this.mac(head) }, reply);
    }
    reply({ type: "presence", document: "notes", full: true, present: [], left: [] });
  }

  private sendContent(opened: Fields, reply: (frame: Fields) => void): void {
    if (this.mode === "content") {
      reply({ ...opened, mode: "content", content: this.content.ops });
      return;
    }
    const bytes = deflateSync(JSON.stringify(this.content.ops));
    const half = Math.ceil(bytes.length / 2);
    reply({ ...opened, mode: "parts", parts: 2, parts_bytes: bytes.length });
    [bytes.subarray(0, half), bytes.subarray(half)].forEach((piece, index) => {
      reply({ type: "part", document: "notes", index, bytes: piece.toString("base64") });
    });
  }

  private onSubmit(message: SubmitMessage, reply: (frame: Fields) => void): void {
    const client = [...this.open].find(([, channel]) => channel === reply)?.[0];
    if (client === undefined || this.isDeaf) return;
    const since = this.log.slice(message.base_revision);
    const repeat = since.findIndex((entry) => entry.client === client && entry.sequence === message.client_sequence);
    if (repeat >= 0) {
      reply({ ...this.commitFrame(message.base_revision + repeat + 1, client), repeat: true });
      return;
    }
    const delta = since.reduce((rest, entry) => transform(entry.delta, rest)[1], deltaFromJson(message.delta));
    this.commit(delta, client, message.client_sequence, message.caret);
  }

  private commitFrame(revision: number, listener: string): Fields {
    const entry = this.log[revision - 1]!;
    const named = { revision, client_sequence: entry.sequence, mac: this.mac(revision), key_id: "k", at: 1 };
    const about = { document: "notes", epoch: this.epoch };
    if (entry.client === listener) return { type: "ack", ...about, ...named, durability: "fsync" };
    const caret = entry.caret === undefined ? {} : { caret: entry.caret };
    const commit = { ...named, delta: entry.delta.ops, author: "bob", client_id: entry.client, ...caret };
    return { type: "commit", ...about, commits: [commit] };
  }
}
