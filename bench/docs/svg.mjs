/**
 * Draws a plot as SVG that can be read on a light and on a dark page: the background is transparent, and lines and
 * texts take other colours where the reader prefers dark ones. The same plot is the same text each time.
 */
import { pathToFileURL } from "node:url";
import { requirePeer } from "../require-peer.mjs";

const FONT = "system-ui, sans-serif";

/** Colours of marks have a contrast of at least 3 to white and to the dark background. */
export const COLOURS = {
  ink: "#24292f",
  faint: "#d8dee4",
  thread: "#1f83d6",
  process: "#d9590d",
  others: "#848d97",
  series: ["#d9590d", "#1f83d6", "#2b9a4b", "#a461d8"],
  loads: ["#848d97", "#2b9a4b", "#1f83d6", "#d9590d"],
};
const DARK = { [COLOURS.ink]: "#e6edf3", [COLOURS.faint]: "#373e47" };

const CONFIG = {
  font: FONT,
  background: null,
  aria: false,
  view: { stroke: null },
  title: { color: COLOURS.ink },
  header: { labelColor: COLOURS.ink, labelFontSize: 11, labelAnchor: "start" },
  legend: { labelColor: COLOURS.ink, labelFontSize: 11, labelLimit: 400 },
  axis: {
    labelColor: COLOURS.ink,
    titleColor: COLOURS.ink,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: "normal",
    labelLimit: 400,
    gridColor: COLOURS.faint,
    domainColor: COLOURS.faint,
    tickColor: COLOURS.faint,
  },
};

const SMALLER = {
  multipass: true,
  floatPrecision: 2,
  js2svg: { eol: "lf", finalNewline: true },
  plugins: [
    // Vega describes each part for readers of the text, where a title and a description of the whole say more.
    { name: "removeAttrs", params: { attrs: "(g|path|text|line):(class|role|aria-.*|pointer-events)" } },
    // The dark style finds colours by their text.
    { name: "preset-default", params: { overrides: { convertColors: false } } },
  ],
};

export async function draw({ title, description, spec }) {
  const [vega, { compile }, { optimize }] = await Promise.all(["vega", "vega-lite", "svgo"].map(importPeer));
  // Names of clip paths are numbered on through the process.
  vega.resetSVGDefIds();
  const { spec: compiled } = compile({ padding: 8, config: CONFIG, ...spec });
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    return accessible(optimize(await view.toSVG(), SMALLER).data, title, description);
  } finally {
    view.finalize();
  }
}

/** Adds what a reader of the text needs, and the dark colours. */
function accessible(svg, title, description) {
  const dark = Object.entries(DARK).map(darkRule).join("");
  const head = [
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(description)}</desc>`,
    `<style>@media (prefers-color-scheme: dark) {${dark}}</style>`,
  ];
  return svg.replace(/^<svg([^>]*)>/, `<svg role="img"$1>${head.join("")}`);
}

function darkRule([light, dark]) {
  return `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`;
}

function escaped(text) {
  return text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
}

/** The exports of a package of bench/peers. Vega and Vega-Lite are ES modules, which older releases of Node can't require. */
function importPeer(name) {
  return import(pathToFileURL(requirePeer.resolve(name)));
}
