// The scaling results as one SVG of small multiples: seconds a step and its two parts, against what was changed.
import { init } from "echarts";

const PANEL = { width: 300, height: 250, left: 58, right: 14, top: 46, bottom: 44 };
const PARTS = [
  { key: "step", name: "step", color: "#1f2937", symbol: "circle" },
  { key: "rollout", name: "rollouts", color: "#2563eb", symbol: "triangle" },
  { key: "training", name: "gradient and update", color: "#d97706", symbol: "rect" },
];
const PROPORTIONAL = "in proportion to the first point";

/** The sweeps side by side; both axes of each are logarithmic, so that a power is a straight line. */
export function scalingFigure(sweeps, caption) {
  const columns = sweeps.length;
  const grid = sweeps.map((_, i) => ({
    left: i * PANEL.width + PANEL.left,
    top: PANEL.top + 24,
    width: PANEL.width - PANEL.left - PANEL.right,
    height: PANEL.height - PANEL.top - PANEL.bottom,
  }));
  const line = (i, name, points, style) => ({
    type: "line",
    name,
    xAxisIndex: i,
    yAxisIndex: i,
    data: points,
    ...style,
  });
  const axis = (value, name, i) => ({
    type: "log",
    gridIndex: i,
    name,
    nameLocation: "middle",
    minorTick: { show: false },
    axisLabel: { fontSize: 11, formatter: (x) => `${Number(x.toPrecision(4))}` },
    ...value,
  });
  const series = sweeps.flatMap(({ points }, i) => [
    ...PARTS.map(({ key, name, color, symbol }) =>
      line(
        i,
        name,
        points.map((point) => [point.x, point[key]]),
        { symbol, symbolSize: 6, color, lineStyle: { width: 2 } },
      ),
    ),
    line(
      i,
      PROPORTIONAL,
      points.map((point) => [point.x, points[0].step * (point.x / points[0].x) ** sweeps[i].power]),
      { symbol: "none", color: "#9ca3af", lineStyle: { type: "dashed", width: 1 } },
    ),
  ]);
  const chart = init(null, null, {
    renderer: "svg",
    ssr: true,
    width: columns * PANEL.width,
    height: PANEL.height + 40,
  });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      title: [
        ...sweeps.map(({ title }, i) => ({
          text: title,
          left: i * PANEL.width + PANEL.left,
          top: 30,
          textStyle: { fontSize: 12 },
        })),
        {
          text: caption,
          left: PANEL.left,
          bottom: 2,
          textStyle: { fontSize: 11, fontWeight: "normal", color: "#4b5563" },
        },
      ],
      legend: { top: 2, left: PANEL.left, itemGap: 18, data: [...PARTS.map(({ name }) => name), PROPORTIONAL] },
      grid,
      xAxis: sweeps.map(({ axis: name, points }, i) => {
        const xs = points.map(({ x }) => x);
        const range = { min: Math.min(...xs), max: Math.max(...xs), nameGap: 26 };
        return axis({ ...range, logBase: sweeps[i].logBase ?? 2 }, name, i);
      }),
      yAxis: sweeps.map((_, i) => axis({ logBase: 10, nameGap: 40 }, i === 0 ? "seconds" : "", i)),
      series,
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
