/** Runs a session over WebSockets: connects, reconnects with growing, jittered delays, and keeps time. */

import type { DocumentSession } from "./document.js";
import type { Effect } from "./effects.js";
import type { Delta } from "./ot/index.js";
import type { Introduction } from "./own_presence.js";
import { type Caret, type ClientMessage, type Refusal, SUBPROTOCOL } from "./protocol/messages.js";
import { inflateParts } from "./protocol/parts.js";
import { type Credentials, Session } from "./session.js";
import { Tokens } from "./tokens.js";
import type { Group } from "./undo.js";

export type Status =
  | { readonly kind: "connecting" }
  | { readonly kind: "online" }
  | { readonly kind: "offline"; readonly retryAt: number }
  | { readonly kind: "denied"; readonly refusal: Refusal };

/** What of a WebSocket is used, so that tests can stand in for it. */
export interface Socket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(frame: string): void;
  close(code?: number): void;
}

/** The outside world; tests bring their own. */
export interface Environment {
  connect(url: string, subprotocol: string): Socket;
  /** Milliseconds, never going back. */
  now(): number;
  /** Calls back after `delay` ms; the function returned calls it off. */
  after(delay: number, callback: () => void): () => void;
  /** From 0 to below 1. */
  random(): number;
  inflate(parts: readonly Uint8Array<ArrayBuffer>[]): Promise<Delta>;
}

export const BROWSER: Environment = {
  connect: (url, subprotocol) => new WebSocket(url, subprotocol),
  now: () => performance.now(),
  after: (delay, callback) => {
    const timer = setTimeout(callback, delay);
    return () => clearTimeout(timer);
  },
  random: Math.random,
  inflate: inflateParts,
};

export const FIRST_DELAY_MS = 100;
export const LONGEST_DELAY_MS = 5_000;
/** Whatever a server says. */
const LONGEST_QUIET_MS = 60_000;
/** A connection that has not come this far is given up. */
const WELCOME_WITHIN_MS = 10_000;
/** A connection that held so long makes the delays begin anew. */
const STEADY_AFTER_MS = 5_000;

export interface ConnectionEvents {
  /** A document changed by others. Called before `onChange`. */
  onShow(document: string, delta: Delta): void;
  /** Anything observable changed: status, who is here, what is saved. */
  onChange(): void;
}

export class Connection {
  readonly session: Session;
  /**
   * Asked as a submission goes out: what it is a part of, as W3C Trace Context says, or null. An edit goes out at once,
   * or when the one before it is acknowledged.
   */
  traceparent: (() => string | null) | null = null;
  private socket: Socket | null = null;
  private failures = 0;
  private welcomeAt: number | null = null;
  private retryAt: number | null = null;
  private cancelRetry: () => void = () => undefined;
  private cancelTick: () => void = () => undefined;
  private cancelDeadline: () => void = () => undefined;
  private cancelRenewal: () => void = () => undefined;
  private cancelQuiet: () => void = () => undefined;
  /** Until then the server wants to hear nothing. */
  private quietUntil = -Infinity;
  /** What is to be said then. */
  private readonly unsaid: ClientMessage[] = [];
  private readonly tokens: Tokens;
  /** Whether a token is being asked for, to connect with. */
  private asking = false;
  /** Frames that wait while the parts of a document are inflated. */
  private waiting: string[] | null = null;
  private stopped = false;

  constructor(
    private readonly url: string,
    credentials: Credentials,
    private readonly events: ConnectionEvents,
    private readonly environment: Environment = BROWSER,
  ) {
    this.session = new Session(credentials);
    this.tokens = new Tokens(credentials.token);
  }

  get status(): Status {
    const { state, refusal } = this.session;
    if (state === "denied" && refusal !== null) return { kind: "denied", refusal };
    if (state === "welcome") return { kind: "online" };
    return this.retryAt === null ? { kind: "connecting" } : { kind: "offline", retryAt: this.retryAt };
  }

  /** Connects, also at once when a delay is running (say, because the network is back). */
  connect(): void {
    if (this.socket !== null || this.asking || this.stopped || this.session.state === "denied") return;
    this.cancelRetry();
    this.retryAt = null;
    if (this.tokens.renews) void this.askAndDial();
    else this.dial();
    this.events.onChange();
  }

  private async askAndDial(): Promise<void> {
    this.asking = true;
    const isThere = await this.ask();
    this.asking = false;
    if (this.stopped) return;
    if (isThere) this.dial();
    else this.retryLater();
    this.events.onChange();
  }

  /** Asks the application for a token, and shows it; whether there was one. */
  private async ask(): Promise<boolean> {
    try {
      const token = await this.tokens.next();
      if (token !== undefined && !this.stopped) this.carryOut(this.session.show(token));
      return true;
    } catch (error) {
      console.warn("coedit: no token was to be had", error);
      return false;
    }
  }

  private dial(): void {
    const socket = this.environment.connect(this.url, SUBPROTOCOL);
    this.socket = socket;
    socket.onopen = () => this.during(socket, () => this.session.connected());
    socket.onmessage = (event: MessageEvent) => this.onFrame(socket, event.data);
    socket.onclose = (event: CloseEvent) => this.onClose(socket, event.code);
    this.cancelDeadline = this.environment.after(WELCOME_WITHIN_MS, () => {
      if (this.session.state !== "welcome") this.drop(socket);
    });
  }

  /** Drops the present connection, whose other end is out of reach, and tries again after the usual delay. */
  interrupt(): void {
    if (this.socket !== null) this.drop(this.socket);
  }

  /** Ends for good; nothing is called back any more. */
  stop(): void {
    this.stopped = true;
    this.cancelRetry();
    this.cancelTick();
    this.cancelDeadline();
    this.cancelRenewal();
    this.cancelQuiet();
    this.socket?.close(1000);
    this.socket = null;
  }

  open(name: string): DocumentSession {
    const [document, effects] = this.session.document(name);
    this.carryOut(effects);
    return document;
  }

  /** The user changed the document; edits in a row of one `group` are undone together. */
  edit(document: DocumentSession, delta: Delta, caret: Caret | null, group: Group = null): void {
    this.carryOut(document.edit(delta, caret, this.environment.now(), group));
  }

  /** Undoes the newest of one's own edits; what that changes is shown like a change by others. */
  undo(document: DocumentSession): void {
    this.carryOut(document.undo(this.environment.now()));
  }

  redo(document: DocumentSession): void {
    this.carryOut(document.redo(this.environment.now()));
  }

  moveCaret(document: DocumentSession, caret: Caret | null): void {
    this.carryOut(document.moveCaret(caret, this.environment.now()));
  }

  introduce(document: DocumentSession, introduction: Introduction): void {
    this.carryOut(document.introduce(introduction, this.environment.now()));
  }

  private onFrame(socket: Socket, frame: unknown): void {
    if (socket !== this.socket || typeof frame !== "string") return;
    if (this.waiting !== null) this.waiting.push(frame);
    else this.during(socket, () => this.session.receive(frame, this.environment.now()));
    if (this.session.state === "welcome") this.welcomeAt ??= this.environment.now();
  }

  /** One step on this socket; a step that fails costs the connection, not the replica. */
  private during(socket: Socket, step: () => Effect[]): void {
    if (socket !== this.socket) return;
    let effects: Effect[];
    try {
      effects = step();
    } catch (error) {
      console.error("coedit: a message could not be read", error);
      this.drop(socket);
      return;
    }
    this.carryOut(effects);
  }

  private carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) this.carryOutOne(effect);
    this.scheduleTick();
    this.events.onChange();
  }

  private carryOutOne(effect: Effect): void {
    switch (effect.kind) {
      case "send":
        if (this.environment.now() < this.quietUntil) this.unsaid.push(effect.message);
        else this.say(effect.message);
        break;
      case "show":
        this.events.onShow(effect.document, effect.delta);
        break;
      case "inflate":
        if (this.socket !== null) void this.inflate(this.socket, effect.document, effect.parts);
        break;
      case "renew":
        this.cancelRenewal();
        this.cancelRenewal = this.environment.after(this.tokens.renewAfter(effect.seconds), () => void this.ask());
        break;
      case "hush":
        this.hush(effect.seconds);
        break;
      case "reconnect":
        console.warn(`coedit: ${effect.reason}; connecting again`);
        this.interrupt();
    }
  }

  private say(message: ClientMessage): void {
    if (this.session.state !== "disconnected") this.socket?.send(JSON.stringify(this.traced(message)));
  }

  /** Says nothing more for so long; what is to be said waits. */
  private hush(seconds: number): void {
    const { environment } = this;
    const quietMs = Math.min(seconds * 1000, LONGEST_QUIET_MS);
    this.quietUntil = environment.now() + quietMs;
    this.cancelQuiet();
    this.cancelQuiet = environment.after(quietMs, () => {
      this.quietUntil = -Infinity;
      for (const message of this.unsaid.splice(0)) this.say(message);
    });
  }

  private traced(message: ClientMessage): ClientMessage {
    if (message.type !== "submit" || this.traceparent === null || !this.session.takesTraces) return message;
    const traceparent = this.traceparent();
    return traceparent === null ? message : { ...message, traceparent };
  }

  private async inflate(socket: Socket, name: string, parts: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    this.waiting = [];
    let content: Delta | null = null;
    try {
      content = await this.environment.inflate(parts);
    } catch (error) {
      console.error("coedit: the parts of a document cannot be inflated", error);
    }
    if (socket !== this.socket) return;
    const frames = this.waiting;
    this.waiting = null;
    if (content === null) return this.drop(socket);
    const whole = content;
    this.during(socket, () => this.session.inflated(name, whole, this.environment.now()));
    for (const frame of frames) this.onFrame(socket, frame);
  }

  private scheduleTick(): void {
    this.cancelTick();
    const due = this.session.dueAt;
    if (due === null) return;
    const { environment } = this;
    const delay = Math.max(0, due - environment.now());
    this.cancelTick = environment.after(delay, () => this.carryOut(this.session.tick(environment.now())));
  }

  private drop(socket: Socket): void {
    socket.close();
    // The close event of a dead connection may take its time, so we do not wait for it.
    this.onClose(socket, 1006);
  }

  private onClose(socket: Socket, code: number): void {
    if (socket !== this.socket || this.stopped) return;
    this.socket = null;
    this.waiting = null;
    this.unsaid.length = 0;
    this.cancelTick();
    this.cancelDeadline();
    this.cancelRenewal();
    // A server that welcomes and then fails must not be called ten times a second.
    if (this.welcomeAt !== null && this.environment.now() - this.welcomeAt >= STEADY_AFTER_MS) this.failures = 0;
    this.welcomeAt = null;
    this.session.disconnected(code);
    if (this.session.state !== "denied") this.retryLater();
    this.events.onChange();
  }

  private retryLater(): void {
    const { environment } = this;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    const told = Math.max(0, this.quietUntil - environment.now());
    const delay = told + longest * (0.5 + environment.random() / 2);
    this.failures += 1;
    this.retryAt = environment.now() + delay;
    this.cancelRetry = environment.after(delay, () => this.connect());
  }
}
