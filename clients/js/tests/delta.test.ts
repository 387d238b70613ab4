import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Delta, DeltaError, type DeltaErrorCode, deltaFromJson, documentFromJson, transform } from "../src/ot/index.js";

function refusal(run: () => unknown): DeltaErrorCode | "accepted" {
  try {
    run();
    return "accepted";
  } catch (error) {
    if (error instanceof DeltaError) return error.code;
    throw error;
  }
}

interface Refusals {
  readonly reading: readonly [code: string, value: unknown][];
  readonly applying: readonly [code: string, text: string, ops: unknown][];
}

/** What the Python core is held to as well. */
const REFUSALS = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../tests/vectors/refusals.json"), "utf-8"),
) as Refusals;

describe("reading", () => {
  test.each(REFUSALS.reading)("%s: %j", (code, value) => {
    expect(refusal(() => deltaFromJson(value))).toBe(code);
  });

  test.each([NaN, Infinity, -Infinity, undefined, 1n, Symbol("x"), () => 1])(
    "what JSON cannot say is refused everywhere: %s",
    (value) => {
      for (const ops of [value, [value], [{ insert: value }], [{ retain: value }], [{ insert: "a", attributes: { x: value } }]]) {
        expect(refusal(() => deltaFromJson(ops))).not.toBe("accepted");
      }
    },
  );

  test("normal form merges, orders and strips", () => {
    const ops = [
      { retain: 1 }, { retain: 2 }, { delete: 1 }, { insert: "a" }, { delete: 1 }, { insert: "b", attributes: {} },
      { insert: "c", attributes: { bold: null } }, { retain: 4, attributes: {} },
    ];
    expect(deltaFromJson(ops).toJSON()).toEqual([{ retain: 3 }, { insert: "abc" }, { delete: 2 }]);
  });

  test("a document may have more ops and attributes than a submission", () => {
    const attributes = Object.fromEntries(Array.from({ length: 300 }, (_, number) => [`a${number}`, number]));
    const ops = Array.from({ length: 100_001 }, (_, number) => ({ insert: "x", attributes: { number } }));
    expect(documentFromJson([{ insert: "x", attributes }]).toJSON()).toEqual([{ insert: "x", attributes }]);
    expect(documentFromJson(ops).ops.length).toBe(100_001);
  });

  test("a document holds inserts only", () => {
    expect(refusal(() => documentFromJson([{ insert: "a" }, { delete: 1 }]))).toBe("invalid-delta");
  });
});

describe("applying", () => {
  test.each(REFUSALS.applying)("%s: %s, %j", (code, text, ops) => {
    const delta = deltaFromJson(ops);
    expect(refusal(() => delta.applyTo(Delta.text(text)))).toBe(code);
    expect(refusal(() => delta.invert(Delta.text(text)))).toBe(code);
    if (code !== "length-mismatch") expect(refusal(() => Delta.text(text).compose(delta))).toBe(code);
  });

  test("an attribute named like a property of every object is an attribute like any other", () => {
    const delta = Delta.of([{ retain: 1, attributes: { constructor: "x", toString: null } }]);
    expect(delta.applyTo(Delta.text("a")).toJSON()).toEqual([{ insert: "a", attributes: { constructor: "x" } }]);
    expect(delta.invert(Delta.text("a")).toJSON()).toEqual([
      { retain: 1, attributes: { constructor: null, toString: null } },
    ]);
  });
});

test("the first's insert comes first, and its attributes win", () => {
  const [a, b] = [Delta.text("a"), Delta.text("b")];
  expect(transform(a, b).map((delta) => delta.toJSON())).toEqual([[{ insert: "a" }], [{ retain: 1 }, { insert: "b" }]]);
  const [red, blue] = ["red", "blue"].map((colour) => Delta.of([{ retain: 1, attributes: { colour } }]));
  expect(transform(red!, blue!)).toEqual([red, Delta.EMPTY]);
});
