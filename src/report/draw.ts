// ECharts without a browser: an option becomes one svg element that the page's policy accepts.
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { escapeHtml } from "./html.ts";

use([SVGRenderer]);

export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** What a reader who cannot see the picture is told. */
  readonly label: string;
  /** Keeps its inner ids apart from those of other pictures on the page. */
  readonly id: string;
}

/**
 * One picture as an SVG element. It holds no style and no script: colours are the page's CSS variables, so that it
 * follows the reader's light or dark scheme.
 */
export function drawOption(option: EChartsCoreOption, { width, height, label, id }: Canvas): string {
  const canvas = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    canvas.setOption({ animation: false, textStyle: { fontFamily: "sans-serif", fontSize: 12 }, ...option });
    return ownMarkup(canvas.renderToSVGString(), { width, height, label, id });
  } finally {
    // Without this ECharts keeps the process alive.
    canvas.dispose();
  }
}

/** ECharts' markup without its inline styles, its style element and its own attributes, which the page would refuse. */
function ownMarkup(svg: string, { width, height, label, id }: Canvas): string {
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ (?:class|style|pointer-events|ecmeta_\w+)="[^"]*"/g, "")
    .replace(/\bzr\d+-/g, `${id}-`)
    .replace(/^<svg [^>]*>/, () => {
      return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">`;
    })
    .replace(/\n+/g, "\n");
}
