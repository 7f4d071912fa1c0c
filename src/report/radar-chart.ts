// Several models' accuracies around a circle of subjects.
import { RadarChart as RadarSeries } from "echarts/charts";
import { RadarComponent } from "echarts/components";
import { use } from "echarts/core";
import { chartWidth } from "./bar-chart.ts";
import { drawOption } from "./draw.ts";
import { wrapped } from "./wrap.ts";

use([RadarSeries, RadarComponent]);

export interface RadarChart {
  readonly label: string;
  readonly subjects: readonly string[];
  /** The circle's centre and its rim. */
  readonly min: number;
  readonly max: number;
  readonly series: readonly { readonly name: string; readonly color: number; readonly values: readonly number[] }[];
}

const height = 380;

/** One chart as an SVG element; three subjects or more. */
export function drawRadar(chart: RadarChart, id: string): { readonly svg: string; readonly height: number } {
  const rule = { lineStyle: { color: "var(--rule)" } };
  const option = {
    radar: {
      center: ["50%", "50%"],
      radius: 122,
      splitNumber: 4,
      indicator: chart.subjects.map((name) => ({ name, min: chart.min, max: chart.max })),
      axisName: {
        color: "var(--ink)",
        fontSize: 12,
        lineHeight: 14,
        formatter: (name = "") => wrapped(name, 13).join("\n"),
      },
      axisNameGap: 10,
      axisLine: rule,
      splitLine: rule,
      splitArea: { show: false },
    },
    series: chart.series.map(({ name, color, values }) => ({
      type: "radar" as const,
      silent: true,
      symbolSize: 4,
      data: [{ name, value: [...values] }],
      itemStyle: { color: `var(--series-${color})` },
      lineStyle: { color: `var(--series-${color})`, width: 1.5 },
    })),
  };
  return { svg: drawOption(option, { width: chartWidth, height, label: chart.label, id }), height };
}
