// Line charts as SVG text: drawn by ECharts without a browser, coloured by the page's own style.

import { LineChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { use } from "echarts/core";
import { drawOption } from "./draw.ts";

use([LineChart, GridComponent]);

export type Series = {
  name: string;
  /** [x, y] pairs; a y that is not a number is a gap. */
  points: readonly (readonly [number, number | undefined])[];
  /** Which of the page's series colours, from 1. */
  color: number;
  /** Drawn thin and pale, without an entry in the key: the raw values under their mean. */
  faint?: boolean;
};

export type Chart = {
  /** What a reader of the page who cannot see it is told. */
  label: string;
  series: readonly Series[];
  xName: string;
  /** Stack the series as areas. */
  stacked?: boolean;
  yMin?: number;
  yMax?: number;
  /** Logarithmic, for values above 0. */
  logarithmic?: boolean;
};

const width = 460;
const height = 240;
const mostPoints = 1500;

/** One chart as an SVG element; `id` keeps its inner ids apart from those of other charts. */
export function drawChart(chart: Chart, id: string): string {
  return drawOption(optionOf(chart), { width, height, label: chart.label, id });
}

function optionOf(chart: Chart) {
  const axis = {
    axisLine: { lineStyle: { color: "var(--rule)" } },
    axisTick: { lineStyle: { color: "var(--rule)" } },
    axisLabel: { color: "var(--muted)", fontSize: 12, hideOverlap: true },
    splitLine: { lineStyle: { color: "var(--rule)" } },
  };
  const xs = chart.series.flatMap((series) => series.points.map(([x]) => x));
  return {
    grid: {
      left: 4,
      right: 16,
      top: 12,
      bottom: 20,
      outerBoundsMode: "same" as const,
      outerBoundsContain: "axisLabel" as const,
    },
    xAxis: {
      ...axis,
      type: "value" as const,
      name: chart.xName,
      nameLocation: "middle" as const,
      nameGap: 26,
      nameTextStyle: { color: "var(--muted)", fontSize: 12 },
      splitLine: { show: false },
      minInterval: 1,
      min: Math.min(...xs),
      max: Math.max(...xs),
    },
    yAxis: {
      ...axis,
      type: chart.logarithmic ? ("log" as const) : ("value" as const),
      axisLabel: { ...axis.axisLabel, formatter: tickText },
      scale: !chart.stacked,
      ...(chart.yMin === undefined ? {} : { min: chart.yMin }),
      ...(chart.yMax === undefined ? {} : { max: chart.yMax }),
    },
    series: chart.series.map((series) => ({
      type: "line" as const,
      data: thinned(series.points).map(([x, y]) => [x, y === undefined || !Number.isFinite(y) ? null : unnoised(y)]),
      showSymbol: series.points.length === 1,
      silent: true,
      ...(chart.stacked ? { stack: "all", areaStyle: { color: `var(--series-${series.color})`, opacity: 0.75 } } : {}),
      itemStyle: { color: `var(--series-${series.color})` },
      lineStyle: {
        color: `var(--series-${series.color})`,
        width: chart.stacked ? 0 : series.faint ? 1 : 2,
        opacity: series.faint ? 0.35 : 1,
      },
    })),
  };
}

/** Nine digits: the last bits of a mean of equal values would else be stretched over the whole axis. */
function unnoised(value: number): number {
  return Number(value.toPrecision(9));
}

function tickText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5)
    ? Number(value.toPrecision(3)).toExponential().replace("e+", "e")
    : String(Number(value.toPrecision(6)));
}

/** At most `mostPoints` points, evenly chosen, the last one included. */
function thinned<T>(points: readonly T[]): readonly T[] {
  if (points.length <= mostPoints) return points;
  const step = (points.length - 1) / (mostPoints - 1);
  return Array.from({ length: mostPoints }, (_, i) => points[Math.round(i * step)] as T);
}
