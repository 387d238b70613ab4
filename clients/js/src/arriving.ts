/** A large document that comes in parts. */

import type { Opened, Part } from "./protocol/messages.js";

export class Arriving {
  private readonly parts: Uint8Array<ArrayBuffer>[] = [];

  constructor(
    readonly opened: Opened,
    private readonly count: number,
  ) {}

  /** Takes the next part; returns all once they are there, or whether one is missing. */
  take(part: Part): readonly Uint8Array<ArrayBuffer>[] | "incomplete" | "broken" {
    if (part.index !== this.parts.length) return "broken";
    this.parts.push(part.bytes);
    return this.parts.length < this.count ? "incomplete" : this.parts;
  }
}
