/** The algebra of attributes. `undefined` stands for none at all; an empty object never comes out. */

import type { Attributes, Json } from "./types.js";

/**
 * `first`, then `second`.
 *
 * `null` in `second` takes an attribute away; with `keepNull` it stays, since what it takes away lies further back.
 */
export function composeAttributes(
  first: Attributes | undefined,
  second: Attributes | undefined,
  keepNull: boolean,
): Attributes | undefined {
  if (second === undefined) return first;
  const later = entries(second).filter(([, value]) => keepNull || value !== null);
  const earlier = entries(first).filter(([name]) => !Object.hasOwn(second, name));
  return fromEntries([...later, ...earlier]);
}

/** `second` carried over the concurrent `first`, which wins where both set one attribute. */
export function transformAttributes(
  first: Attributes | undefined,
  second: Attributes | undefined,
): Attributes | undefined {
  if (first === undefined) return second;
  return fromEntries(entries(second).filter(([name]) => !Object.hasOwn(first, name)));
}

/**
 * What restores `base` after `attributes` was applied to it.
 *
 * Removing what is not there is inverted to its removal, as quill-delta does; setting what is there already to nothing.
 */
export function invertAttributes(
  attributes: Attributes | undefined,
  base: Attributes | undefined,
): Attributes | undefined {
  const restored: [string, Json][] = [];
  for (const [name, value] of entries(attributes)) {
    if (base === undefined || !Object.hasOwn(base, name)) restored.push([name, null]);
    else if (!sameJson(base[name], value)) restored.push([name, base[name] ?? null]);
  }
  return fromEntries(restored);
}

/** Deep equality; the order of keys does not count. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a as Attributes, b as Attributes];
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]));
}

function entries(attributes: Attributes | undefined): [string, Json][] {
  return attributes === undefined ? [] : Object.entries(attributes);
}

function fromEntries(pairs: [string, Json][]): Attributes | undefined {
  // Object.fromEntries defines properties, so that a key "__proto__" stays an attribute like any other.
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}
