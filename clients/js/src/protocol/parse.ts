/** Reads the server's frames. Fields that are not known are ignored, and so are types that are not known. */

import { deltaFromJson, documentFromJson } from "../ot/index.js";
import type { Caret, Commit, ErrorMessage, Loss, Opened, OpenedContent, Participant, ServerMessage, Welcome } from "./messages.js";

/** A frame that is not a message of the protocol: a defect of one of the two sides. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/**
 * The message in a text frame; null for a type that this version does not know.
 *
 * @throws FrameError a field is missing or of a wrong type; DeltaError a delta is none.
 */
export function parseFrame(frame: string): ServerMessage | null {
  const fields = Fields.parse(frame);
  const read = READERS[fields.text("type")];
  return read === undefined ? null : read(fields);
}

const READERS: { readonly [type: string]: ((fields: Fields) => ServerMessage) | undefined } = {
  welcome: readWelcome,
  opened: readOpened,
  part: (fields) => ({
    type: "part",
    document: fields.text("document"),
    index: fields.count("index"),
    bytes: Uint8Array.from(atob(fields.text("bytes")), (character) => character.charCodeAt(0)),
  }),
  ack: (fields) => ({
    type: "ack",
    document: fields.text("document"),
    clientSequence: fields.count("client_sequence"),
    ...readHeld(fields),
  }),
  commit: (fields) => ({
    type: "commit",
    document: fields.text("document"),
    epoch: fields.count("epoch"),
    commits: fields.list("commits").map((item) => readCommit(Fields.of(item))),
  }),
  snapshot: (fields) => ({ type: "snapshot", document: fields.text("document"), revision: fields.count("revision") }),
  presence: (fields) => ({
    type: "presence",
    document: fields.text("document"),
    full: fields.raw("full") === true,
    present: fields.list("present").map((item) => readParticipant(Fields.of(item))),
    left: fields.list("left").map(String),
  }),
  rights: (fields) => ({ type: "rights", document: fields.text("document"), access: readAccess(fields) }),
  token: (fields) => ({ type: "token", tokenSeconds: readSeconds(fields) }),
  recall: (fields) => ({ type: "recall", document: fields.text("document"), revision: fields.count("revision") }),
  lost: (fields) => ({ type: "lost", document: fields.text("document"), ...readLoss(fields, fields.count("epoch")) }),
  error: readError,
};

function readWelcome(fields: Fields): Welcome {
  const limits = Fields.of(fields.raw("limits"));
  return {
    type: "welcome",
    clientId: fields.text("client_id"),
    resumeToken: fields.text("resume_token"),
    author: fields.text("author"),
    durability: fields.text("durability"),
    server: fields.text("server"),
    tokenSeconds: readSeconds(fields),
    traces: fields.raw("traces") === true,
    limits: { frameBytes: limits.count("frame_bytes"), documentUnits: limits.count("document_units") },
  };
}

function readOpened(fields: Fields): Opened {
  return {
    type: "opened",
    document: fields.text("document"),
    clientId: fields.text("client_id"),
    resumeToken: fields.text("resume_token"),
    access: readAccess(fields),
    damaged: fields.raw("damaged") === true,
    ...readHeld(fields),
    head: fields.count("head"),
    snapshotRevision: fields.count("snapshot_revision"),
    author: fields.textOr("author", ""),
    lost: fields.raw("lost") === undefined ? null : readLoss(Fields.of(fields.raw("lost")), fields.count("epoch")),
    body: readBody(fields),
  };
}

function readAccess(fields: Fields): "read" | "write" {
  return fields.text("access") === "write" ? "write" : "read";
}

function readSeconds(fields: Fields): number | null {
  const seconds = fields.raw("token_seconds");
  return typeof seconds === "number" && seconds >= 0 ? seconds : null;
}

function readLoss(fields: Fields, epoch: number): Loss {
  return { epoch, first: fields.count("first"), last: fields.count("last") };
}

function readBody(fields: Fields): OpenedContent {
  const mode = fields.text("mode");
  if (mode === "resumed") return { mode };
  if (mode === "content") return { mode, content: documentFromJson(fields.raw("content")) };
  if (mode === "parts") return { mode, parts: fields.count("parts"), partsBytes: fields.count("parts_bytes") };
  throw new FrameError(`unknown mode ${mode}`);
}

function readHeld(fields: Fields): { epoch: number; revision: number; mac: string } {
  return { epoch: fields.count("epoch"), revision: fields.count("revision"), mac: fields.text("mac") };
}

function readCommit(fields: Fields): Commit {
  return {
    revision: fields.count("revision"),
    delta: deltaFromJson(fields.raw("delta")),
    author: fields.text("author"),
    clientId: fields.text("client_id"),
    clientSequence: fields.count("client_sequence"),
    mac: fields.text("mac"),
    caret: readCaret(fields.raw("caret")),
  };
}

function readParticipant(fields: Fields): Participant {
  const author = fields.text("author");
  return {
    clientId: fields.text("client_id"),
    author,
    name: fields.textOr("name", author),
    colour: fields.textOr("colour", ""),
    avatar: fields.textOr("avatar", ""),
    revision: fields.countOr("revision", 0),
    caret: readCaret(fields.raw("caret")),
  };
}

function readCaret(value: unknown): Caret | null {
  if (value === undefined || value === null) return null;
  const fields = Fields.of(value);
  return { anchor: fields.count("anchor"), head: fields.count("head") };
}

function readError(fields: Fields): ErrorMessage {
  const [document, sequence] = [fields.raw("document"), fields.raw("client_sequence")];
  const retryAfter = fields.raw("retry_after_seconds");
  return {
    type: "error",
    code: fields.text("code"),
    message: fields.textOr("message", ""),
    definite: fields.raw("definite") === true,
    retryable: fields.raw("retryable") === true,
    retryAfterSeconds: typeof retryAfter === "number" && retryAfter > 0 ? retryAfter : null,
    document: typeof document === "string" ? document : null,
    clientSequence: typeof sequence === "number" ? sequence : null,
  };
}

/** The fields of one map, each read as what it has to be. */
class Fields {
  private constructor(private readonly values: { readonly [name: string]: unknown }) {}

  static parse(frame: string): Fields {
    try {
      return Fields.of(JSON.parse(frame) as unknown);
    } catch (error) {
      throw error instanceof FrameError ? error : new FrameError("a frame is not JSON");
    }
  }

  static of(value: unknown): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return new Fields(value as { readonly [name: string]: unknown });
    }
    throw new FrameError("a map was expected");
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.values, name) ? this.values[name] : undefined;
  }

  text(name: string): string {
    const value = this.raw(name);
    if (typeof value === "string") return value;
    throw new FrameError(`${name} is not a string`);
  }

  textOr(name: string, fallback: string): string {
    const value = this.raw(name);
    return typeof value === "string" && value !== "" ? value : fallback;
  }

  count(name: string): number {
    const value = this.raw(name);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new FrameError(`${name} is not a count`);
  }

  countOr(name: string, fallback: number): number {
    return typeof this.raw(name) === "number" ? this.count(name) : fallback;
  }

  list(name: string): readonly unknown[] {
    const value = this.raw(name);
    if (Array.isArray(value)) return value;
    throw new FrameError(`${name} is not a list`);
  }
}
