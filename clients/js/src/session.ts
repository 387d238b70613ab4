/**
 * One client's side of the protocol over all its connections, without I/O: frames in, effects out. The documents
 * outlive connections; so does the identity, in memory only, since two live replicas never share one.
 */

import { DocumentSession } from "./document.js";
import type { Effect } from "./effects.js";
import type { Delta } from "./ot/index.js";
import type { ErrorMessage, Identity, Refusal, Welcome } from "./protocol/messages.js";
import { parseFrame } from "./protocol/parse.js";
import type { TokenSource } from "./tokens.js";

/** `denied` is final: the same client would be refused again. */
export type SessionState = "disconnected" | "greeting" | "welcome" | "denied";

export interface Credentials {
  /** One, or what gets one: asked again a while before it expires, and after a refusal. */
  readonly token?: TokenSource;
  /** Only looked at in open development mode. */
  readonly author?: string;
}

/** So many tokens in a row may be refused, where there are others to be had. */
const MAX_REFUSED_TOKENS = 3;
/** Close codes that are final, apart from those of the range 4400–4499. */
const TOO_BIG = 1009;

export class Session {
  state: SessionState = "disconnected";
  /** Why it is `denied`. */
  refusal: Refusal | null = null;
  /** As authenticated; known after the first welcome. */
  author: string | null = null;
  /** Whether the server knows the field `traceparent`. */
  takesTraces = false;
  readonly documents = new Map<string, DocumentSession>();

  private identity: Identity | null = null;
  private frameBytes = Infinity;
  private lastError: ErrorMessage | null = null;
  private resumeRefused = false;
  private refusedTokens = 0;
  private token: string | undefined;
  private readonly renews: boolean;

  constructor(private readonly credentials: Credentials) {
    this.renews = typeof credentials.token === "function";
    if (typeof credentials.token === "string") this.token = credentials.token;
  }

  /** The token to show from now on; while there is a welcome, at once. */
  show(token: string): Effect[] {
    this.token = token;
    return this.state === "welcome" ? [{ kind: "send", message: { type: "token", token } }] : [];
  }

  /** The document, which is opened as soon as there is a connection. */
  document(name: string): [DocumentSession, Effect[]] {
    const known = this.documents.get(name);
    if (known !== undefined) return [known, []];
    const document = new DocumentSession(name);
    this.documents.set(name, document);
    return [document, this.state === "welcome" ? document.connected(this.frameBytes) : []];
  }

  /** A WebSocket is open. */
  connected(): Effect[] {
    this.state = "greeting";
    this.lastError = null;
    const resume = this.identity === null
      ? {}
      : { client_id: this.identity.clientId, resume_token: this.identity.resumeToken };
    const { author } = this.credentials;
    const shown = { ...(this.token === undefined ? {} : { token: this.token }), ...(author === undefined ? {} : { author }) };
    return [{ kind: "send", message: { type: "hello", ...shown, ...resume } }];
  }

  /** The WebSocket is closed, with this code (1006 when it just broke). */
  disconnected(code: number): void {
    for (const document of this.documents.values()) document.disconnected();
    if (this.state === "denied") return;
    this.state = "disconnected";
    if (code === 4401 && this.renews && this.refusedTokens < MAX_REFUSED_TOKENS) {
      this.refusedTokens += 1;
    } else if (code === 4401 && this.identity !== null && !this.resumeRefused) {
      // It may be the resume token alone that does not fit any more; once, we come as somebody new.
      this.identity = null;
      this.resumeRefused = true;
    } else if ((code >= 4400 && code <= 4499) || code === TOO_BIG) {
      this.state = "denied";
      this.refusal = this.lastError ?? refusalOf(code);
    }
  }

  /**
   * A frame from the server.
   *
   * @throws FrameError, DeltaError: it is not a message; the connection is of no use any more.
   */
  receive(frame: string, now: number): Effect[] {
    const message = parseFrame(frame);
    if (message === null) return [];
    if (message.type === "welcome") return this.onWelcome(message);
    if (message.type === "token") return this.renewal(message.tokenSeconds);
    if (message.type === "error" && message.document === null) {
      this.lastError = message;
      return message.retryAfterSeconds === null ? [] : [{ kind: "hush", seconds: message.retryAfterSeconds }];
    }
    const document = this.documents.get(message.document ?? "");
    return document === undefined ? [] : document.receive(message, frame, now);
  }

  inflated(name: string, content: Delta, now: number): Effect[] {
    return this.documents.get(name)?.inflated(content, now) ?? [];
  }

  tick(now: number): Effect[] {
    if (this.state !== "welcome") return [];
    return [...this.documents.values()].flatMap((document) => document.tick(now));
  }

  /** The next time at which `tick` has something to do; null: none. */
  get dueAt(): number | null {
    if (this.state !== "welcome") return null;
    const times = [...this.documents.values()].map((document) => document.dueAt).filter((due) => due !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  private onWelcome(welcome: Welcome): Effect[] {
    this.state = "welcome";
    this.identity = { clientId: welcome.clientId, resumeToken: welcome.resumeToken };
    this.author = welcome.author;
    this.takesTraces = welcome.traces;
    this.frameBytes = welcome.limits.frameBytes;
    this.resumeRefused = false;
    this.refusedTokens = 0;
    const opened = [...this.documents.values()].flatMap((document) => document.connected(this.frameBytes));
    return [...this.renewal(welcome.tokenSeconds), ...opened];
  }

  private renewal(seconds: number | null): Effect[] {
    return seconds === null || !this.renews ? [] : [{ kind: "renew", seconds }];
  }
}

function refusalOf(code: number): Refusal {
  const codes: { readonly [code: number]: string } = {
    1009: "too-large", 4400: "malformed", 4401: "unauthorized", 4403: "forbidden", 4404: "deleted", 4406: "unsupported-version",
    4504: "no-hello", 4409: "replaced",
  };
  return { code: codes[code] ?? "refused", message: `closed with ${code}`, definite: true, retryable: false };
}
