/** Makes elements; text always goes in as text. */

type Properties = { readonly [name: string]: string | boolean | ((event: Event) => void) };

/** An element with attributes (`on…` are listeners, booleans are present or absent) and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (typeof value === "string") made.setAttribute(key, value);
    else made.toggleAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** A 24-unit line icon. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  link: "M9 15l6-6M11 6l1.5-1.5a4.24 4.24 0 0 1 6 6L17 12M13 18l-1.5 1.5a4.24 4.24 0 0 1-6-6L7 12",
  check: "M5 12.5l4.5 4.5L19 7.5",
  plus: "M12 5v14M5 12h14",
  arrow: "M5 12h14M13 6l6 6-6 6",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
} as const;

/** The two carets that stand for coedit. */
export function logo(): HTMLElement {
  return element("span", { class: "logo", "aria-hidden": "true" }, element("i"), element("i"));
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is no clipboard API; the old way needs a selected field.
    const field = element("textarea", { class: "offscreen", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
