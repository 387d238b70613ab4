/** The token that a connection shows: always the same, or a new one as often as it is needed. */

/** A token, or what gets one from the application. */
export type TokenSource = string | (() => Promise<string>);

/** Of a token's time, after which the next is asked for. */
const SHARE = 0.8;
const LEAST_MS = 1_000;
/** A timer that is set for longer goes off at once. */
const MOST_MS = 2 ** 31 - 1;

export class Tokens {
  constructor(private readonly source: TokenSource | undefined) {}

  /** Whether there is a new one to be had. */
  get renews(): boolean {
    return typeof this.source === "function";
  }

  async next(): Promise<string | undefined> {
    return typeof this.source === "function" ? this.source() : this.source;
  }

  /** In how many ms the next one is to be shown, where the last holds for so many seconds. */
  renewAfter(seconds: number): number {
    return Math.min(MOST_MS, Math.max(LEAST_MS, seconds * 1_000 * SHARE));
  }
}
