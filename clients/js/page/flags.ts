/** Where the flags of carets go: inside the view, and those at one place above one another. */

import { type EditorView, ViewPlugin } from "@codemirror/view";

/** A flag that stands at its caret, in the pixels of the window. */
export interface Flag {
  readonly left: number;
  readonly bottom: number;
  readonly width: number;
  readonly height: number;
}

/** How far a flag goes to the right (less than 0: to the left), and how many heights up. */
export interface Move {
  readonly shift: number;
  readonly level: number;
}

const HIGHEST_LEVEL = 4;
const MARGIN = 4;

/** The moves that keep flags between two edges and off one another, as far as they fit; the first stays lowest. */
export function arrange(flags: readonly Flag[], leftEdge: number, rightEdge: number): Move[] {
  const placed: Flag[] = [];
  return flags.map((flag) => {
    const left = Math.max(leftEdge, Math.min(flag.left, rightEdge - flag.width));
    const at = (level: number): Flag => ({ ...flag, left, bottom: flag.bottom - level * flag.height });
    let level = 0;
    while (level < HIGHEST_LEVEL && placed.some((other) => overlap(at(level), other))) level += 1;
    placed.push(at(level));
    return { shift: left - flag.left, level };
  });
}

function overlap(one: Flag, other: Flag): boolean {
  const apart =
    one.left >= other.left + other.width || other.left >= one.left + one.width ||
    one.bottom <= other.bottom - other.height || other.bottom <= one.bottom - one.height;
  return !apart;
}

interface Measured {
  readonly carets: readonly HTMLElement[];
  readonly moves: readonly Move[];
}

/** Arranges the flags of all `.remote-caret` whenever something moved. */
export const flags = ViewPlugin.define((view) => {
  const request = { read: measure, write: apply };
  view.requestMeasure(request);
  return { update: () => view.requestMeasure(request) };
});

function measure(view: EditorView): Measured {
  const carets = [...view.contentDOM.querySelectorAll<HTMLElement>(".remote-caret")].filter(isFlagShown);
  const edges = view.scrollDOM.getBoundingClientRect();
  const found = carets.map((caret): Flag => {
    const { left, top } = caret.getBoundingClientRect();
    const style = getComputedStyle(caret, "::after");
    return { left, bottom: top, width: parseFloat(style.width) || 0, height: parseFloat(style.height) || 0 };
  });
  return { carets, moves: arrange(found, edges.left + MARGIN, edges.left + view.scrollDOM.clientWidth - MARGIN) };
}

/** A flag that has faded is in nobody's way. */
function isFlagShown(caret: HTMLElement): boolean {
  const animations = caret.getAnimations({ subtree: true });
  return animations.length === 0 || animations.some(({ playState }) => playState === "running");
}

function apply({ carets, moves }: Measured): void {
  carets.forEach((caret, index) => {
    caret.style.setProperty("--shift", `${moves[index]?.shift ?? 0}px`);
    caret.style.setProperty("--level", `${moves[index]?.level ?? 0}`);
  });
}
