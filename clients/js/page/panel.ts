/** A panel over the page for what needs a decision: no access, edits that were refused. */

import type { Refusal } from "../src/index.js";
import { tokenIn } from "./address.js";
import { copyText, element, logo } from "./dom.js";

export interface Problem {
  readonly refusal: Refusal;
  /** The text with edits that are not saved; null: there are none. */
  readonly unsavedText: string | null;
}

export function panelFor(problem: Problem): HTMLElement {
  const { code } = problem.refusal;
  const body = code === "unauthorized" ? accessForm() : [element("p", {}, explanation(problem))];
  const actions = element("div", { class: "actions" });
  const { unsavedText } = problem;
  if (unsavedText !== null) {
    const copy = element("button", { class: "primary", type: "button" }, "Copy my text");
    copy.addEventListener("click", () => void copyText(unsavedText).then((copied) => {
      copy.textContent = copied ? "Copied" : "Copy failed";
    }));
    actions.append(copy);
  }
  actions.append(element("button", { type: "button", onclick: () => location.reload() }, "Reload"));
  const title = element("h2", { id: "problem" }, heading(problem));
  const card = element("div", { class: "card" }, logo(), title, ...body, actions);
  return element("div", { class: "veil", role: "alertdialog", "aria-labelledby": "problem" }, card);
}

function heading({ refusal, unsavedText }: Problem): string {
  if (refusal.code === "unauthorized") return "This document needs an access link";
  if (unsavedText !== null) return "Your last edits are not saved";
  if (refusal.code === "forbidden") return "You have no access to this document";
  if (refusal.code === "quarantined") return "This document takes no edits";
  if (refusal.code === "invalid-identifier") return "There is no such document";
  return "The connection was refused";
}

const EXPLANATIONS: { readonly [code: string]: string } = {
  forbidden: "Your access link does not cover it. Ask whoever sent it to you for another one.",
  "document-too-large": "The document would grow beyond what this server takes. Copy your text, then reload to go on.",
  "too-large": "A single edit was larger than what this server takes. Copy your text, then reload to go on.",
  quarantined: "The document was found damaged, and takes no writes until an operator has looked at it.",
  "invalid-identifier": "The address names no document: a name has 1 to 255 bytes and no control characters.",
  replaced: "The same session came in from another place.",
  "no-hello": "The server waited too long for this page. Reload to try again.",
};

function explanation({ refusal }: Problem): string {
  return EXPLANATIONS[refusal.code] ?? `The server said “${refusal.code}”${refusal.message === "" ? "" : `: ${refusal.message}`}.`;
}

/** Takes a link with a token, or the token alone. */
function accessForm(): HTMLElement[] {
  const field = element("input", { name: "link", autocomplete: "off", placeholder: "https://…#token=…", required: true, "aria-label": "Access link" });
  const form = element("form", { class: "access" }, field, element("button", { class: "primary", type: "submit" }, "Open"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = field.value.trim();
    const token = given.includes("#") ? tokenIn(given.slice(given.indexOf("#"))) : given;
    if (token === null || token === "") return;
    location.hash = `token=${encodeURIComponent(token)}`;
    location.reload();
  });
  const text = "Open the link that you were given; it carries your access. If it is expired, ask for a new one. You can also paste it here.";
  return [element("p", {}, text), form];
}
