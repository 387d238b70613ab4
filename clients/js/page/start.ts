/** What one sees without a document: make a new one, or open one by its name. */

import { isDocumentId, newDocumentId, pathOf, recentDocuments } from "./address.js";
import { ICONS, element, icon, logo } from "./dom.js";

export function showStart(root: HTMLElement): void {
  root.replaceChildren(
    element(
      "main",
      { class: "start" },
      element("div", { class: "brand" }, logo(), "coedit"),
      element("h1", {}, "Write together, in one text."),
      element("p", { class: "lead" }, "Everyone with the link sees every keystroke, and nobody’s words get lost."),
      element("button", { class: "primary large", type: "button", onclick: () => go(newDocumentId()) }, icon(ICONS.plus), "New document"),
      openForm(),
      ...recent(),
    ),
  );
}

/** Keeps the fragment, which may hold the token. */
export function hrefOf(name: string): string {
  return pathOf(name) + location.hash;
}

function go(name: string): void {
  location.assign(hrefOf(name));
}

function openForm(): HTMLElement {
  const field = element("input", { name: "document", placeholder: "Name of a document", autocomplete: "off", "aria-label": "Name of a document", required: true });
  const form = element("form", { class: "open" }, field, element("button", { type: "submit", "aria-label": "Open" }, icon(ICONS.arrow)));
  field.addEventListener("input", () => field.setCustomValidity(""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (isDocumentId(name)) return go(name);
    field.setCustomValidity("A name has 1 to 255 bytes and no control characters.");
    field.reportValidity();
  });
  return form;
}

function recent(): HTMLElement[] {
  const names = recentDocuments();
  if (names.length === 0) return [];
  const links = names.map((name) => element("li", {}, element("a", { href: hrefOf(name) }, icon(ICONS.file), element("span", {}, name))));
  return [element("section", { class: "recent" }, element("h2", {}, "Opened here before"), element("ul", {}, ...links))];
}
