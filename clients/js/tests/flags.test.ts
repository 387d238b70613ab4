import { describe, expect, test } from "vitest";
import { arrange, type Flag } from "../page/flags.js";

const flag = (left: number, bottom = 100, width = 50): Flag => ({ left, bottom, width, height: 20 });

describe("flags of carets", () => {
  test("stay where they are when there is room", () => {
    expect(arrange([flag(0), flag(60), flag(10, 130)], 0, 300)).toEqual(Array(3).fill({ shift: 0, level: 0 }));
  });

  test("are kept between the edges", () => {
    expect(arrange([flag(280)], 0, 300)).toEqual([{ shift: -30, level: 0 }]);
    expect(arrange([flag(10, 100, 500)], 4, 300)).toEqual([{ shift: -6, level: 0 }]);
  });

  test("stand above one another at one place", () => {
    expect(arrange([flag(10), flag(12), flag(30), flag(70)], 0, 300).map(({ level }) => level)).toEqual([0, 1, 2, 0]);
  });

  test("make way for those that an edge pushed back, and for those of the line above", () => {
    expect(arrange([flag(230), flag(290)], 0, 300)).toEqual([{ shift: 0, level: 0 }, { shift: -40, level: 1 }]);
    expect(arrange([flag(10, 80), flag(10, 100), flag(12, 100)], 0, 300).map(({ level }) => level)).toEqual([0, 0, 2]);
  });
});
