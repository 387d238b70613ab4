/** Makes this process as much of a browser as the editors need; to be imported before them. */

import { JSDOM, VirtualConsole } from "jsdom";
import { note } from "./errors.mjs";

const virtualConsole = new VirtualConsole();
virtualConsole.on("jsdomError", note);
const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true, virtualConsole });
const NAMES = [
  ...["window", "self", "document", "navigator", "Window", "Node", "Element", "HTMLElement"],
  ...["Range", "Text", "Selection", "DOMParser"],
  ...["MutationObserver", "KeyboardEvent", "Event", "getComputedStyle", "getSelection"],
  ...["requestAnimationFrame", "cancelAnimationFrame"],
];
for (const name of NAMES) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}

// There is no layout, so nothing has a place, and nothing is resized.
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
window.Range.prototype.getClientRects = () => [];
window.Range.prototype.getBoundingClientRect = () => new window.DOMRect();
window.document.elementFromPoint = () => null;
