// The page's colours by name, for light and for dark; pictures outside of a page have the light ones.

const light = {
  paper: "#ffffff",
  card: "#f7f7f5",
  ink: "#1d1e20",
  muted: "#5f6368",
  rule: "#d9dadc",
  good: "#1a6b3c",
  bad: "#a8322a",
  "series-1": "#1f5fa8",
  "series-2": "#c2571a",
  "series-3": "#2c7d4f",
  "series-4": "#8a3f8f",
  "series-5": "#8a6d00",
  "series-6": "#0f7c86",
  "series-7": "#a83255",
  "series-8": "#5b5f66",
} as const;

const dark: typeof light | Record<keyof typeof light, string> = {
  paper: "#16181b",
  card: "#1e2125",
  ink: "#e6e7e9",
  muted: "#a2a7ae",
  rule: "#3a3e45",
  good: "#7fd1a0",
  bad: "#f19a92",
  "series-1": "#7db1ee",
  "series-2": "#f2a06d",
  "series-3": "#7fcf9e",
  "series-4": "#d59bdb",
  "series-5": "#dcc15a",
  "series-6": "#66cdd6",
  "series-7": "#f08aa8",
  "series-8": "#b3b8c0",
};

/** How many series a figure can tell apart. */
export const seriesColors = 8;

function variables(colors: Readonly<Record<string, string>>): string {
  return Object.entries(colors)
    .map(([name, value]) => `--${name}: ${value};`)
    .join(" ");
}

export const lightVariables = variables(light);
export const darkVariables = variables(dark);

/** A picture that stands outside of the page: its variables become the light colours. */
export function withLightColors(svg: string): string {
  return svg.replace(/var\(--([\w-]+)\)/g, (whole, name: string) => {
    return Object.hasOwn(light, name) ? light[name as keyof typeof light] : whole;
  });
}
