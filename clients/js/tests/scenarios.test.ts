/** The scenario files of tests/scenarios: the same messages and edits must make both clients send and show the same. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DocumentSession } from "../src/document.js";
import type { Effect } from "../src/effects.js";
import { Delta, type Json, deltaFromJson } from "../src/ot/index.js";
import { parseFrame } from "../src/protocol/parse.js";

interface Step {
  readonly client: number;
  readonly do: "connect" | "cut" | "resend" | "undo" | "redo" | "edit" | "receive";
  readonly delta?: Json;
  readonly group?: number | null;
  readonly message?: Json;
  readonly sent?: readonly Json[];
}

interface Scenario {
  readonly clients: number;
  readonly steps: readonly Step[];
  readonly document: Json;
}

const FOLDER = join(import.meta.dirname, "../../../tests/scenarios");

/** A document's session, what its user sees, and its clock, which only moves on to what is due. */
class Replayed {
  readonly session = new DocumentSession("d");
  shown = Delta.EMPTY;
  private now = 0;

  replay(step: Step): unknown[] {
    const sent = this.run(step).flatMap((effect) => this.follow(effect));
    expect(this.shown.equals(this.session.content)).toBe(true);
    return sent;
  }

  private run(step: Step): Effect[] {
    switch (step.do) {
      case "connect":
        return this.session.connected(Infinity);
      case "cut":
        this.session.disconnected();
        return [];
      case "resend":
        this.now = Math.max(this.now, this.session.dueAt ?? 0);
        return this.session.tick(this.now);
      case "undo":
        return this.session.undo(this.now);
      case "redo":
        return this.session.redo(this.now);
      case "edit":
        return this.edit(deltaFromJson(step.delta), step.group ?? null);
      case "receive":
        return this.receive(JSON.stringify(step.message));
    }
  }

  private edit(delta: Delta, group: number | null): Effect[] {
    this.shown = delta.applyTo(this.shown);
    return this.session.edit(delta, null, this.now, group);
  }

  private receive(frame: string): Effect[] {
    const message = parseFrame(frame);
    if (message === null || message.type === "welcome" || message.type === "token") throw new Error(`no message of a document: ${frame}`);
    return this.session.receive(message, frame, this.now);
  }

  private follow(effect: Effect): unknown[] {
    if (effect.kind === "show") this.shown = effect.delta.applyTo(this.shown);
    else if (effect.kind !== "send") throw new Error(`nothing in a scenario asks to ${effect.kind}`);
    return effect.kind === "send" && effect.message.type !== "presence" ? [effect.message] : [];
  }
}

test.each(readdirSync(FOLDER).filter((name) => name.endsWith(".json")))("scenario %s", (name) => {
  const scenario = JSON.parse(readFileSync(join(FOLDER, name), "utf-8")) as Scenario;
  const clients = Array.from({ length: scenario.clients }, () => new Replayed());
  scenario.steps.forEach((step, index) => {
    const sent = clients[step.client]!.replay(step);
    expect(canonical(sent), `step ${index}: ${step.do}`).toBe(canonical(step.sent ?? []));
  });
  for (const { session, shown } of clients) {
    expect([session.saved, canonical(shown.ops)]).toEqual([true, canonical(scenario.document)]);
  }
});

/** JSON with its keys in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
