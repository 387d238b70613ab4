/** The recorded answers of quill-delta 5.1.0, read from the folder that COEDIT_VECTORS names. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Builder, Delta, DeltaError, type Embed, type Json, deltaFromJson, documentFromJson, replaceBetween, transform } from "../src/ot/index.js";
import { composeAttributes, invertAttributes, transformAttributes } from "../src/ot/attributes.js";
import type { Attributes } from "../src/ot/types.js";

type Fields = { readonly [key: string]: Json };
interface Vector {
  readonly id: string;
  readonly kind: string;
  readonly mode?: string;
  readonly in: Fields;
  readonly out: Fields;
}

const folder = process.env["COEDIT_VECTORS"] ?? "";
const counts = new Map<string, number>();

/** How many answers fall in each class, so that a change is seen. */
const EXPECTED: { readonly [file: string]: { readonly [answer: string]: number } } = {
  "corner.jsonl.gz": {
    "attributes: agrees": 35,
    "build: agrees": 3,
    "compose: agrees": 30,
    "compose: lone-surrogate": 1,
    "compose: split-surrogate": 2,
    "compose: unsupported-op": 4,
    "concat: agrees": 2,
    "concurrent: agrees": 89,
    "concurrent: insert behind delete": 1,
    "concurrent: split-surrogate": 4,
    "diff: agrees": 6,
    "diff: invalid-delta": 1,
    "invert: agrees": 20,
    "invert: length-mismatch": 1,
    "invert: split-surrogate": 1,
    "invert: unsupported-op": 1,
    "iterator: not part of this client": 2,
    "normalise: agrees": 9,
    "normalise: lone-surrogate": 1,
    "position: agrees": 7,
    "slice: not part of this client": 3,
    "transform: agrees": 46,
    "transform: insert behind delete": 1,
    "transform: unsupported-op": 3,
  },
  "random.jsonl.gz": {
    "invert: agrees": 982,
    "invert: same effect": 4,
    "position: agrees": 4_000,
    "random: agrees": 8_925,
    "random: split-surrogate": 89,
  },
};

function vectors(file: string): Vector[] {
  const lines = gunzipSync(readFileSync(join(folder, file))).toString("utf-8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Vector);
}

function count(what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** What `run` returns; or its refusal's code, which is counted. */
function outcome<T>(vector: Vector, run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    count(`${vector.kind}: ${error.code}`);
    return error.code;
  }
}

/** Compares as deltas: the reference does not always merge, and keeps nulls on inserts, which our reading takes off. */
function agree(vector: Vector, name: string, ours: Delta | string, recorded: Json | undefined): void {
  if (typeof ours === "string") return;
  const theirs = outcome(vector, () => deltaFromJson(recorded));
  if (typeof theirs === "string") return;
  count(`${vector.kind}: agrees`);
  if (!ours.equals(theirs)) expect(ours.toJSON(), `${vector.id} ${name}`).toEqual(theirs.toJSON());
}

function read(vector: Vector, name: string): Delta {
  return deltaFromJson(vector.in[name]);
}

function checkPair(vector: Vector, doc: Delta, a: Delta, b: Delta): void {
  const { out } = vector;
  agree(vector, "b after a", transform(a, b)[1], out["b_after_a_priority_a"]);
  agree(vector, "b after a, b first", transform(b, a)[0], out["b_after_a_priority_b"]);
  agree(vector, "a after b", transform(b, a)[1], out["a_after_b_priority_b"]);
  agree(vector, "a after b, a first", transform(a, b)[0], out["a_after_b_priority_a"]);
  agree(vector, "apply a", outcome(vector, () => a.applyTo(doc)), out["apply_a"]);
  agree(vector, "apply b", outcome(vector, () => b.applyTo(doc)), out["apply_b"]);
  agree(vector, "merged", outcome(vector, () => transform(a, b)[1].applyTo(a.applyTo(doc))), out["merged_priority_a"]);
  checkInvert(vector, doc, a, out["invert_a"]);
}

/** Setting an object to the same object is nothing to undo for us; the reference compares objects by identity. */
function checkInvert(vector: Vector, doc: Delta, a: Delta, recorded: Json | undefined): void {
  outcome(vector, () => {
    const [ours, theirs, after] = [a.invert(doc), deltaFromJson(recorded), a.applyTo(doc)];
    expect(ours.applyTo(after).equals(doc), `${vector.id} undone`).toBe(true);
    expect(theirs.applyTo(after).equals(doc), `${vector.id} undone by the reference`).toBe(true);
    count(ours.equals(theirs) ? "invert: agrees" : "invert: same effect");
  });
}

/** The reference keeps an insert behind a delete if it was given so; reading it brings the insert in front. */
function isOrdered(vector: Vector, names: readonly string[]): boolean {
  const ordered = names.every((name) => {
    const ops = vector.in[name] as readonly Fields[];
    return ops.every((op, index) => !("insert" in op && index > 0 && "delete" in ops[index - 1]!));
  });
  if (!ordered) count(`${vector.kind}: insert behind delete`);
  return ordered;
}

function checkConcurrent(vector: Vector): void {
  outcome(vector, () => {
    const [doc, a, b] = [read(vector, "doc"), read(vector, "a"), read(vector, "b")];
    if (isOrdered(vector, ["a", "b"])) checkPair(vector, doc, a, b);
    if (vector.in["c"] !== undefined) {
      const c = read(vector, "c");
      agree(vector, "compose", outcome(vector, () => a.compose(c)), vector.out["compose_a_c"]);
      agree(vector, "apply a, c", outcome(vector, () => c.applyTo(a.applyTo(doc))), vector.out["apply_a_c"]);
    }
    for (const [index, priority, result] of (vector.out["positions_a"] ?? []) as [number, boolean, number][]) {
      expect(a.transformPosition(index, priority), vector.id).toBe(result);
      count("position: agrees");
    }
  });
}

function checkAttributes(vector: Vector): void {
  const [a, b] = [vector.in["a"] as Attributes | undefined, vector.in["b"] as Attributes | undefined];
  const answers: [string, Attributes | undefined][] = [
    ["compose", composeAttributes(a, b, false)],
    ["compose_keep_null", composeAttributes(a, b, true)],
    ["transform_priority_true", transformAttributes(a, b)],
    ["transform_priority_false", b],
    ["invert_a_on_base_b", invertAttributes(a, b)],
  ];
  for (const [name, ours] of answers) {
    const recorded = vector.out[name] as Attributes | null | undefined;
    if (recorded === undefined) continue;
    expect(ours ?? {}, `${vector.id} ${name}`).toEqual(recorded ?? {});
    count("attributes: agrees");
  }
}

/** Calls the builder's verbs one by one. */
function built(calls: readonly (readonly Json[])[]): Delta {
  return Delta.build((out: Builder) => {
    for (const [verb, argument, given] of calls) {
      const attributes = readAttributes(given);
      if (verb === "insert") out.insert(argument as string | Embed, attributes);
      else if (verb === "retain") out.retain(argument as number, attributes);
      else out.delete(argument as number);
    }
  });
}

function readAttributes(given: Json | undefined): Attributes | undefined {
  return given === undefined || given === null || Object.keys(given).length === 0 ? undefined : (given as Attributes);
}

const checks: { readonly [kind: string]: (vector: Vector) => void } = {
  random: checkConcurrent,
  concurrent: checkConcurrent,
  attributes: checkAttributes,
  compose: (vector) => {
    const ours = outcome(vector, () => read(vector, "a").compose(read(vector, "b")));
    const recorded = vector.out["ok"];
    if (recorded !== undefined) agree(vector, "compose", ours, recorded);
    else expect(typeof ours, `${vector.id}: the reference throws too`).toBe("string");
  },
  transform: (vector) => {
    outcome(vector, () => {
      const [a, b] = [read(vector, "a"), read(vector, "b")];
      if (!isOrdered(vector, ["a", "b"])) return;
      const recorded = (name: string): Json | undefined => {
        const answer = vector.out[name] as Fields;
        return answer["ok"] ?? answer;
      };
      agree(vector, "a first", transform(a, b)[1], recorded("priority_true"));
      agree(vector, "b first", transform(b, a)[0], recorded("priority_false"));
    });
  },
  invert: (vector) => {
    const recorded = (vector.out["invert"] as Fields)["ok"];
    outcome(vector, () => checkInvert(vector, read(vector, "doc"), read(vector, "a"), recorded));
  },
  normalise: (vector) => {
    outcome(vector, () => {
      const ours = read(vector, "pushes");
      agree(vector, "ops", ours, vector.out["ops"]);
      expect(ours.lengthChange, vector.id).toBe(vector.out["change_length"]);
    });
  },
  build: (vector) => agree(vector, "built", built(vector.in["calls"] as Json[][]), vector.out as unknown as Json),
  concat: (vector) => {
    const joined = Delta.of([...read(vector, "a").ops, ...read(vector, "b").ops]);
    agree(vector, "joined", joined, vector.out as unknown as Json);
  },
  diff: (vector) => {
    outcome(vector, () => {
      const [a, b] = [documentFromJson(vector.in["a"]), documentFromJson(vector.in["b"])];
      expect(replaceBetween(a, b).applyTo(a).equals(b), vector.id).toBe(true);
      count("diff: agrees");
    });
  },
  position: (vector) => {
    const cases = vector.in["cases"] as [number, boolean][];
    const recorded = (Array.isArray(vector.out) ? vector.out : Object.values(vector.out)[0]) as number[];
    const ours = outcome(vector, () => cases.map(([index, stays]) => read(vector, "a").transformPosition(index, stays)));
    if (typeof ours !== "string") expect(ours, vector.id).toEqual(recorded);
    count("position: agrees");
  },
};

const isRequired = (process.env["COEDIT_REQUIRE"] ?? "").split(",").includes("vectors");

describe.skipIf(!isRequired && !existsSync(join(folder, "random.jsonl.gz")))("vectors of COEDIT_VECTORS", () => {
  test.each(["corner.jsonl.gz", "random.jsonl.gz"])("%s", (file) => {
    counts.clear();
    for (const vector of vectors(file)) {
      const check = checks[vector.kind];
      if (check === undefined) count(`${vector.kind}: not part of this client`);
      else check(vector);
    }
    expect(Object.fromEntries(counts)).toEqual(EXPECTED[file]);
  });
});
