/** Surrogate pairs: the two code units that together are one character beyond U+FFFF. */

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Whether `at` lies between the two halves of a pair of `text`. */
export function splitsPair(text: string, at: number): boolean {
  // Beyond either end charCodeAt is NaN, which is neither half.
  return isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at));
}

/** Whether `text` holds half of a pair without the other half. */
export function holdsLoneSurrogate(text: string): boolean {
  return LONE.test(text);
}

/** `text` with every lone half replaced by U+FFFD. */
export function withoutLoneSurrogates(text: string): string {
  return text.replace(LONE_ALL, "\ufffd");
}

// With the u flag a class of surrogates matches only those that are not part of a pair.
const LONE = /[\ud800-\udfff]/u;
const LONE_ALL = /[\ud800-\udfff]/gu;
