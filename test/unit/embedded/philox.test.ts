import { describe, expect, it } from "vitest";
import { Draws, philox } from "../../../src/embedded/philox.ts";

describe("philox", () => {
  it("gives the words that its authors publish (Random123, kat_vectors, philox 4x32 10)", () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = 0xffffffff;
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });
});

describe("draws", () => {
  const firstTen = (draws: Draws) => Array.from({ length: 10 }, () => draws.uniform());

  it("are the same for the same seed, stream and index, and differ when one of them differs", () => {
    const base = firstTen(new Draws(7, 1, 3));
    expect(firstTen(new Draws(7, 1, 3))).toEqual(base);
    for (const other of [new Draws(8, 1, 3), new Draws(7, 2, 3), new Draws(7, 1, 4), new Draws(7 + 2 ** 32, 1, 3)]) {
      expect(firstTen(other)).not.toEqual(base);
    }
  });

  it("are uniform: the mean of 10,000 is one half, and each of four values comes up a quarter of the time", () => {
    const draws = new Draws(1, 0, 0);
    const picked: number[] = [];
    let sum = 0;
    for (let i = 0; i < 10_000; i++) {
      sum += draws.uniform();
      picked.push(draws.below(4));
    }
    expect(sum / 10_000).toBeCloseTo(0.5, 1);
    for (const value of [0, 1, 2, 3]) {
      expect(Math.abs(picked.filter((drawn) => drawn === value).length - 2500)).toBeLessThan(200);
    }
  });

  it("are standard normal when asked for normals", () => {
    const draws = new Draws(2, 0, 0);
    const values = Array.from({ length: 10_000 }, () => draws.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.04);
    expect(Math.abs(variance - 1)).toBeLessThan(0.06);
  });

  it("shuffle keeps every item", () => {
    expect(new Draws(3, 0, 0).shuffle([1, 2, 3, 4, 5, 6, 7, 8]).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
