// Grouped horizontal bars with intervals: one group a subject or category, one bar a model.
import { CustomChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { use } from "echarts/core";
import { drawOption } from "./draw.ts";
import { wrapped } from "./wrap.ts";

use([CustomChart, GridComponent]);

export interface Bar {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface BarChart {
  readonly label: string;
  readonly groups: readonly string[];
  /** One model's bars, in the order of `groups`; `color` is one of the page's series colours, from 1. */
  readonly series: readonly { readonly color: number; readonly bars: readonly (Bar | undefined)[] }[];
}

/** Narrow, so that on a telephone its text is not shrunk below what can be read. */
export const chartWidth = 420;
const labelWidth = 136;
const mostLetters = 17; // of 12 px in labelWidth, in a wide face such as DejaVu Sans
const gap = 1;

/** One chart as an SVG element. */
export function drawBars(chart: BarChart, id: string): { readonly svg: string; readonly height: number } {
  const count = chart.series.length;
  const thickness = count > 3 ? 7 : 10;
  const stack = count * (thickness + gap) - gap;
  const lines = chart.groups.map((group) => wrapped(group, mostLetters));
  const mostLines = Math.max(...lines.map((text) => text.length));
  const band = Math.max(stack + 10, 15 * mostLines + 6);
  const height = band * chart.groups.length + 46;
  const rule = { lineStyle: { color: "var(--rule)" } };
  const option = {
    grid: { left: labelWidth, right: 14, top: 6, bottom: 40, outerBoundsMode: "none" as const },
    xAxis: {
      type: "value" as const,
      min: 0,
      max: 1,
      interval: 0.2,
      name: "accuracy",
      nameLocation: "middle" as const,
      nameGap: 26,
      nameTextStyle: { color: "var(--muted)", fontSize: 12 },
      axisLabel: { color: "var(--muted)", fontSize: 12, formatter: (value: number) => value.toFixed(1) },
      axisLine: rule,
      axisTick: rule,
      splitLine: rule,
    },
    yAxis: {
      type: "category" as const,
      inverse: true,
      data: chart.groups.map((_, index) => String(index)),
      axisLabel: {
        interval: 0,
        color: "var(--ink)",
        fontSize: 12,
        lineHeight: 15,
        formatter: (index: string) => (lines[Number(index)] ?? []).join("\n"),
      },
      axisLine: rule,
      axisTick: { show: false },
      splitLine: { show: false },
    },
    series: chart.series.map(({ color, bars }, order) => ({
      type: "custom" as const,
      silent: true,
      data: bars.map((bar, index) => [bar?.value ?? Number.NaN, index, bar?.low ?? 0, bar?.high ?? 0]),
      encode: { x: 0, y: 1 },
      renderItem: (_: unknown, api: { value(at: number): number; coord(point: number[]): [number, number] }) => {
        const [value, index, low, high] = [0, 1, 2, 3].map((at) => api.value(at)) as [number, number, number, number];
        if (Number.isNaN(value)) return undefined;
        const at = (accuracy: number) => api.coord([accuracy, index]);
        const [end, middle] = at(value);
        const top = middle - stack / 2 + order * (thickness + gap);
        const centre = top + thickness / 2;
        const start = at(0)[0];
        const whisker = { x1: at(low)[0], y1: centre, x2: at(high)[0], y2: centre };
        return {
          type: "group" as const,
          children: [
            {
              type: "rect" as const,
              shape: { x: start, y: top, width: Math.max(0.5, end - start), height: thickness },
              style: { fill: `var(--series-${color})` },
            },
            { type: "line" as const, shape: whisker, style: { stroke: "var(--ink)", lineWidth: 1, opacity: 0.7 } },
          ],
        };
      },
    })),
  };
  return { svg: drawOption(option, { width: chartWidth, height, label: chart.label, id }), height };
}
