// SVG pictures as PNG, where the optional renderer is installed and the machine has a font.
import { RlvrError } from "../errors.ts";

/** How many pixels a unit of the picture gets. */
const zoom = 2;

export interface PngRenderer {
  png(svg: string): Uint8Array;
}

/**
 * A renderer of PNG. `fontFiles` are used beside the system's fonts.
 *
 * @throws RlvrError RLVR_UNSUPPORTED_OP when @resvg/resvg-js is not installed or no font can draw a letter.
 */
export async function pngRenderer(fontFiles: readonly string[] = []): Promise<PngRenderer> {
  const { Resvg } = await loadResvg();
  const font = { loadSystemFonts: true, fontFiles: [...fontFiles], ...defaultFamily };
  const probe = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><text x="2" y="30" font-size="24" font-family="sans-serif">H</text></svg>`;
  const pixels = new Resvg(probe, { font }).render().pixels;
  if (!pixels.some((value, index) => index % 4 === 3 && value > 0)) {
    throw new RlvrError(
      "RLVR_UNSUPPORTED_OP",
      "[report] no font on this machine can draw a letter, so PNG pictures would have no text. " +
        "Install one (apt-get install fonts-dejavu-core) or name a .ttf file with --font.",
    );
  }
  return { png: (svg) => new Resvg(svg, { font, fitTo: { mode: "zoom", value: zoom } }).render().asPng() };
}

const defaultFamily = { sansSerifFamily: "DejaVu Sans", defaultFontFamily: "DejaVu Sans" };

async function loadResvg(): Promise<typeof import("@resvg/resvg-js")> {
  try {
    return await import("@resvg/resvg-js");
  } catch (cause) {
    throw new RlvrError(
      "RLVR_UNSUPPORTED_OP",
      "[report] PNG pictures need the optional package @resvg/resvg-js, which is not installed here. " +
        "Install it (npm install @resvg/resvg-js), or use the SVG pictures.",
      { cause },
    );
  }
}
