/** Which document the address names, and with which token. */

import { read, write } from "./me.js";

const FIRST = ["amber", "bright", "calm", "coral", "early", "gentle", "hidden", "ivory", "lucky", "misty", "quiet", "silver"];
const SECOND = ["bridge", "canyon", "forest", "garden", "harbor", "island", "lantern", "meadow", "orchard", "river", "summit", "valley"];
const ROOT = "/d/";
const RECENT_KEY = "coedit.recent";
const RECENT_MOST = 6;
export const DOCUMENT_ID_BYTES = 255;

/** The document in an address; null at `/`; undefined when the address names none that there could be. */
export function documentIn(address: { readonly pathname: string; readonly search: string }): string | null | undefined {
  const { pathname, search } = address;
  if (!pathname.startsWith(ROOT)) return null;
  try {
    const name = pathname === ROOT ? new URLSearchParams(search).get("document") : decodeURIComponent(pathname.slice(ROOT.length));
    return name !== null && isDocumentId(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** 1 to 255 bytes of UTF-8 without control characters and without halves of surrogate pairs. */
export function isDocumentId(name: string): boolean {
  const bytes = new TextEncoder().encode(name).length;
  return bytes >= 1 && bytes <= DOCUMENT_ID_BYTES && !/[\p{Cc}\p{Cs}]/u.test(name);
}

export function pathOf(name: string): string {
  const escaped = encodeURIComponent(name);
  // A path segment "." or ".." is taken for a step by every browser, however it is escaped.
  return name === "." || name === ".." ? `${ROOT}?document=${escaped}` : ROOT + escaped;
}

/** The token in a fragment such as `#token=…`; null when there is none. */
export function tokenIn(fragment: string): string | null {
  return new URLSearchParams(fragment.replace(/^#/, "")).get("token");
}

/** A new name that can be read out to somebody: about 27 bits. */
export function newDocumentId(): string {
  const [first, second, number] = crypto.getRandomValues(new Uint32Array(3));
  const digits = String((number ?? 0) % 1_000_000).padStart(6, "0");
  return `${FIRST[(first ?? 0) % FIRST.length]}-${SECOND[(second ?? 0) % SECOND.length]}-${digits}`;
}

/** The documents that were open in this browser, the last one first. */
export function recentDocuments(): string[] {
  try {
    const stored: unknown = JSON.parse(read(RECENT_KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((name) => typeof name === "string" && isDocumentId(name)) : [];
  } catch {
    return [];
  }
}

export function rememberDocument(name: string): void {
  const others = recentDocuments().filter((other) => other !== name);
  write(RECENT_KEY, JSON.stringify([name, ...others].slice(0, RECENT_MOST)));
}
