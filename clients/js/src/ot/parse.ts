/**
 * The strict reading of deltas from parsed JSON, as in `coedit/ot/wire.py`. How many ops and attributes there are is bounded
 * for what is submitted, by the server: what was committed, carried over others or formatted again, may have more.
 */

import { Delta } from "./delta.js";
import { DeltaError } from "./errors.js";
import { type Attributes, type Embed, type Json, type Op, isInsert, opLength, withAttributes } from "./types.js";
import { holdsLoneSurrogate } from "./utf16.js";

/** How deep values nest, the attributes or the embed itself being the first level. */
export const MAX_DEPTH = 32;

/**
 * The delta that a parsed JSON value stands for, in normal form.
 *
 * @throws DeltaError `invalid-delta`, `lone-surrogate` or `unsupported-op`.
 */
export function deltaFromJson(value: unknown): Delta {
  if (!Array.isArray(value)) throw invalid("a delta is an array of ops");
  const ops = value.map(readOp);
  const units = ops.reduce((sum, op) => sum + (isInsert(op) ? 0 : opLength(op)), 0);
  if (units > Number.MAX_SAFE_INTEGER) throw invalid("the lengths add up to more than 2^53 - 1");
  return Delta.of(ops);
}

/**
 * As `deltaFromJson`, for a whole document.
 *
 * @throws DeltaError also when there is anything but inserts.
 */
export function documentFromJson(value: unknown): Delta {
  const delta = deltaFromJson(value);
  if (!delta.isDocument) throw invalid("a document holds inserts only");
  return delta;
}

function readOp(value: unknown): Op {
  if (!isObject(value)) throw invalid("an op is an object");
  const keys = Object.keys(value);
  const hasAttributes = Object.hasOwn(value, "attributes");
  const attributes = hasAttributes ? readAttributes(value["attributes"]) : undefined;
  const kind = keys.find((key) => key !== "attributes");
  if (keys.length !== (hasAttributes ? 2 : 1)) throw invalid("an op is one of insert, retain, delete");
  if (kind === "insert") return withAttributes({ insert: readContent(value[kind]) }, withoutNulls(attributes));
  if (kind === "retain") return withAttributes({ retain: readRetain(value[kind]) }, attributes);
  if (kind === "delete" && !hasAttributes) return { delete: readLength(value[kind]) };
  throw invalid("an op is one of insert, retain, delete; a delete has no attributes");
}

function readContent(value: unknown): string | Embed {
  if (typeof value === "string") {
    if (value === "") throw invalid("an insert is not empty");
    return checkedText(value);
  }
  const embed = canonicalObject(value, 1);
  if (Object.keys(embed).length === 0) throw invalid("an embed has at least one key");
  return embed;
}

function readRetain(value: unknown): number {
  if (isObject(value)) throw new DeltaError("unsupported-op", "embed retains are not supported");
  return readLength(value);
}

function readLength(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw invalid("a length is an integer from 1 to 2^53 - 1");
}

function readAttributes(value: unknown): Attributes | undefined {
  const attributes = canonicalObject(value, 1);
  return Object.keys(attributes).length === 0 ? undefined : attributes;
}

/** What an insert with these attributes has: there is nothing that a null could take away. */
function withoutNulls(attributes: Attributes | undefined): Attributes | undefined {
  const kept = Object.entries(attributes ?? {}).filter(([, value]) => value !== null);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

function canonicalObject(value: unknown, depth: number): { [key: string]: Json } {
  if (!isObject(value)) throw invalid("attributes and embeds are JSON objects");
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [canonicalKey(key), canonical(member, depth + 1)]),
  );
}

function canonical(value: unknown, depth: number): Json {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return checkedText(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (depth > MAX_DEPTH) throw invalid(`a value nests deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return value.map((member) => canonical(member, depth + 1));
  return canonicalObject(value, depth);
}

function canonicalKey(key: string): string {
  // An assignment to it sets the prototype instead of a member, so that some client would lose it.
  if (key === "__proto__") throw invalid("the key __proto__ does not survive in browsers");
  return checkedText(key);
}

function canonicalNumber(value: number): number {
  if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) throw invalid("a number is not finite, or beyond 2^53 - 1");
  return value === 0 ? 0 : value; // -0 is 0
}

function checkedText(text: string): string {
  if (holdsLoneSurrogate(text)) throw new DeltaError("lone-surrogate", "a text holds half of a surrogate pair");
  return text;
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): DeltaError {
  return new DeltaError("invalid-delta", message);
}
