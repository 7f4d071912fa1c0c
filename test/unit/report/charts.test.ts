import { init } from "echarts/core";
import { expect, test } from "vitest";
import { drawChart } from "../../../src/report/charts.ts";

const points = [
  [1, 1],
  [2, 3],
  [3, 2],
] as const;
const chart = { label: "A <label>", xName: "step", series: [{ name: "a", points, color: 1 }] };

test("a chart is one svg element with a label, the page's colours and nothing that the page's policy refuses", () => {
  const svg = drawChart(chart, "c1");
  expect(svg).toMatch(/^<svg viewBox="0 0 460 240" role="img" aria-label="A &lt;label&gt;">/);
  expect(svg.trim()).toMatch(/<\/svg>$/);
  expect(svg).toContain(`stroke="var(--series-1)"`);
  expect(svg).not.toMatch(/<style|style=|class=|<script|ecmeta/);
});

test("a line has its points at the right places: the highest value is drawn highest", () => {
  const line = /d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"[^>]*stroke="var\(--series-1\)"/.exec(
    drawChart(chart, "c"),
  );
  const [x1, y1, x2, y2, x3, y3] = (line ?? []).slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  expect(x2 - x1).toBeCloseTo(x3 - x2, 0);
  expect(y2).toBeLessThan(y3);
  expect(y3).toBeLessThan(y1);
});

test("a missing value breaks the line", () => {
  const broken = {
    ...chart,
    series: [{ name: "a", color: 1, points: [...points, [4, undefined], [5, 1], [6, 2]] as const }],
  };
  const count = (svg: string) => /d="([^"]*)"[^>]*stroke="var\(--series-1\)"/.exec(svg)?.[1]?.match(/M/g)?.length;
  expect(count(drawChart(chart, "c"))).toBe(1);
  expect(count(drawChart(broken, "c"))).toBe(2);
});

test("ticks of small numbers differ, and the rounding of equal values is not drawn as a change", () => {
  const small = {
    ...chart,
    series: [
      {
        name: "a",
        color: 1,
        points: [
          [1, 0],
          [2, 2e-5],
        ] as const,
      },
    ],
  };
  const ticks = [...drawChart(small, "c").matchAll(/>([\d.]+e-\d+)</g)].map((match) => match[1]);
  expect(ticks.length).toBeGreaterThan(2);
  expect(new Set(ticks).size).toBe(ticks.length);
  const equal = [
    [1, 0.01],
    [2, 0.01 + 2e-18],
    [3, 0.01 - 2e-18],
  ] as const;
  const svg = drawChart({ ...chart, series: [{ name: "a", color: 1, points: equal }] }, "c");
  const heights = /d="M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)"[^>]*series-1/.exec(svg)?.slice(1) ?? [];
  expect(heights).toHaveLength(3);
  expect(new Set(heights).size).toBe(1);
});

test("a single point is visible", () => {
  const single = { ...chart, series: [{ name: "a", color: 2, points: [[1, 1]] as const }] };
  expect(drawChart(single, "c")).toContain("var(--series-2)");
});

test("drawing leaves no timer behind that would keep the process alive", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const settled = async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return timers();
  };
  const before = await settled();
  for (let i = 0; i < 5; ++i) drawChart(chart, `c${i}`);
  expect(await settled()).toBeLessThanOrEqual(before);
  // A chart that is not disposed does leave one: the check can fail.
  const kept = init(null, null, { renderer: "svg", ssr: true, width: 10, height: 10 });
  kept.setOption({ xAxis: {}, yAxis: {}, series: [] });
  expect(await settled()).toBeGreaterThan(before);
  kept.dispose();
});
