/** Who is here, as a row of avatars; one's own opens a small form for name and colour. */

import type { Participant } from "../src/index.js";
import { element } from "./dom.js";
import { COLOURS, type Me, NAME_MOST, colourOf, initials } from "./me.js";

const AVATARS_MOST = 5;
const AVATARS_MOST_NARROW = 3;
const NARROW = matchMedia("(max-width: 40rem)");

export class People {
  readonly root = element("div", { class: "people" });
  private readonly others = element("ul", { class: "avatars", "aria-label": "Also here" });
  private readonly own = element("button", { class: "avatar own", type: "button", "aria-haspopup": "dialog" });
  private readonly form: HTMLFormElement;
  private shown = "";

  constructor(private readonly me: Me, private author: string | null, private readonly changed: () => void) {
    this.form = this.makeForm();
    this.own.addEventListener("click", () => this.toggle());
    document.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Node && !this.root.contains(event.target)) this.form.hidden = true;
    });
    this.root.append(this.others, this.own, this.form);
    this.showOwn();
  }

  /** Whoever has no avatar is counted in the last one. */
  show(participants: readonly Participant[], author: string | null): void {
    if (author !== this.author) {
      this.author = author;
      this.showOwn();
    }
    const people = participants.map(({ clientId, name, colour }) => ({ name, colour: colourOf(colour, clientId) }));
    const places = NARROW.matches ? AVATARS_MOST_NARROW : AVATARS_MOST;
    const key = JSON.stringify([places, people]);
    if (key === this.shown) return;
    this.shown = key;
    const most = people.length > places ? places - 1 : places;
    const avatars = people.slice(0, most).map(({ name, colour }) => avatar(name, colour));
    if (people.length > most) avatars.push(rest(people.slice(most).map((one) => one.name)));
    this.others.replaceChildren(...avatars);
  }

  private showOwn(): void {
    const name = this.me.name(this.author);
    this.own.textContent = initials(name);
    this.own.style.setProperty("--colour", this.me.colour);
    this.own.title = `${name} (you) – change name and colour`;
    this.own.setAttribute("aria-label", this.own.title);
  }

  private toggle(): void {
    this.form.hidden = !this.form.hidden;
    if (this.form.hidden) return;
    const name = this.form.elements.namedItem("name");
    if (!(name instanceof HTMLInputElement)) return;
    name.value = this.me.name(this.author);
    name.select();
  }

  private makeForm(): HTMLFormElement {
    const name = element("input", { name: "name", maxlength: String(NAME_MOST), autocomplete: "nickname", required: true });
    const swatches = COLOURS.map((colour, index) => {
      const input = element("input", { type: "radio", name: "colour", value: colour, "aria-label": `Colour ${index + 1}` });
      input.checked = colour === this.me.colour;
      const swatch = element("label", { class: "swatch" }, input);
      swatch.style.setProperty("--colour", colour);
      return swatch;
    });
    const form = element(
      "form",
      { class: "me", role: "dialog", "aria-label": "Your name and colour", hidden: true },
      element("label", { class: "field" }, "Your name", name),
      element("fieldset", { class: "swatches" }, element("legend", {}, "Your colour"), ...swatches),
      element("button", { class: "primary", type: "submit" }, "Done"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const colour = new FormData(form).get("colour");
      this.me.change(name.value, typeof colour === "string" ? colour : this.me.colour);
      form.hidden = true;
      this.showOwn();
      this.changed();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") form.hidden = true;
    });
    return form;
  }
}

function avatar(name: string, colour: string): HTMLLIElement {
  const item = element("li", { class: "avatar", title: name, "aria-label": name }, initials(name));
  item.style.setProperty("--colour", colour);
  return item;
}

function rest(names: readonly string[]): HTMLLIElement {
  return element("li", { class: "avatar more", title: names.join(", ") }, `+${names.length}`);
}
