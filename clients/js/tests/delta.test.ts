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

function nested(levels: number): unknown {
  return levels === 0 ? 1 : { in: nested(levels - 1) };
}

describe("reading", () => {
  const refused: [DeltaErrorCode | "accepted", unknown][] = [
    ["invalid-delta", null],
    ["invalid-delta", { ops: [] }],
    ["invalid-delta", ["x"]],
    ["invalid-delta", [{}]],
    ["invalid-delta", [{ insert: "" }]],
    ["invalid-delta", [{ insert: {} }]],
    ["invalid-delta", [{ insert: 1 }]],
    ["invalid-delta", [{ insert: "a", retain: 1 }]],
    ["invalid-delta", [{ insert: "a", extra: 1 }]],
    ["invalid-delta", [{ retain: 0 }]],
    ["invalid-delta", [{ retain: 1.5 }]],
    ["invalid-delta", [{ retain: 2 ** 53 }]],
    ["invalid-delta", [{ retain: 2 ** 53 - 1 }, { delete: 1 }]],
    ["invalid-delta", [{ delete: 1, attributes: { bold: true } }]],
    ["invalid-delta", [{ insert: "a", attributes: [] }]],
    ["invalid-delta", [{ insert: "a", attributes: { size: 2 ** 53 } }]],
    ["invalid-delta", [{ insert: "a", attributes: { size: Infinity } }]],
    ["invalid-delta", JSON.parse('[{"insert":"a","attributes":{"__proto__":{"x":1}}}]')],
    ["invalid-delta", [{ insert: nested(33) }]],
    ["accepted", [{ insert: nested(32) }]],
    ["unsupported-op", [{ retain: { image: 1 } }]],
    ["lone-surrogate", [{ insert: "a\ud83d" }]],
    ["lone-surrogate", [{ insert: { image: "\ude00" } }]],
    ["lone-surrogate", [{ insert: "a", attributes: { "\ud83d": 1 } }]],
  ];

  test.each(refused)("%s: %j", (code, value) => {
    expect(refusal(() => deltaFromJson(value))).toBe(code);
  });

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
  test("past the end is refused", () => {
    expect(refusal(() => Delta.of([{ retain: 2 }, { insert: "x" }]).applyTo(Delta.text("a")))).toBe("length-mismatch");
  });

  test("between the halves of a pair is refused", () => {
    for (const ops of [[{ retain: 1 }, { insert: "x" }], [{ delete: 1 }], [{ retain: 1, attributes: { b: 1 } }]]) {
      expect(refusal(() => Delta.of(ops).applyTo(Delta.text("😀")))).toBe("split-surrogate");
    }
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
