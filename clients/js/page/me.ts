/** Who sits here: name and colour, remembered in this browser. */

import type { Introduction } from "../src/index.js";

/** Legible under white text, and apart from each other on light and dark ground. */
export const COLOURS = [
  "#4f46e5", "#0e7490", "#047857", "#b45309", "#be123c", "#a21caf", "#1d4ed8", "#4d7c0f", "#c2410c", "#6d28d9",
] as const;

const FIRST = ["Amber", "Calm", "Clever", "Gentle", "Golden", "Jolly", "Lucky", "Mellow", "Nimble", "Quiet", "Silver", "Sunny"];
const SECOND = ["Badger", "Falcon", "Finch", "Fox", "Heron", "Lynx", "Marten", "Otter", "Panda", "Raven", "Seal", "Wren"];
const NAME_KEY = "coedit.name";
const COLOUR_KEY = "coedit.colour";
export const NAME_MOST = 64;

export class Me {
  private constructor(
    private chosen: string | null,
    public colour: string,
  ) {}

  /** `named` says that a token names us, so that no name need be made up. */
  static remembered(named: boolean): Me {
    const colour = read(COLOUR_KEY) ?? pick(COLOURS);
    const name = read(NAME_KEY) ?? (named ? null : `${pick(FIRST)} ${pick(SECOND)}`);
    const me = new Me(name, /^#[0-9a-f]{6}$/i.test(colour) ? colour : COLOURS[0]);
    me.remember();
    return me;
  }

  /** The name shown; `author` stands in for one that was never chosen. */
  name(author: string | null): string {
    return this.chosen ?? author ?? "You";
  }

  introduction(author: string | null): Introduction {
    return { name: this.name(author), colour: this.colour };
  }

  change(name: string, colour: string): void {
    this.chosen = Array.from(name.trim()).slice(0, NAME_MOST).join("") || this.chosen;
    this.colour = colour;
    this.remember();
  }

  private remember(): void {
    if (this.chosen !== null) write(NAME_KEY, this.chosen);
    write(COLOUR_KEY, this.colour);
  }
}

/** A colour for someone who gave none: always the same for the same client. */
export function colourOf(colour: string, clientId: string): string {
  if (/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  const sum = Array.from(clientId).reduce((hash, character) => (hash * 31 + character.charCodeAt(0)) >>> 0, 7);
  return COLOURS[sum % COLOURS.length] ?? COLOURS[0];
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/u).filter((word) => word !== "");
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => Array.from(word ?? "?")[0] ?? "?").join("").toLocaleUpperCase();
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}

// Storage may be forbidden; then nothing is remembered.
export function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}
