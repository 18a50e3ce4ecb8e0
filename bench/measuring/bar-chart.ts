/** A row of small bar charts as SVG, for docs/. */

interface Panel {
  readonly title: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

const PANEL_WIDTH = 230;
const BAR_WIDTH = 36;
const BAR_GAP = 14;
const CHART_HEIGHT = 120;
const TOP = 70;

export function drawBars(title: string, panels: readonly Panel[]): string {
  const width = panels.length * PANEL_WIDTH + 20;
  const height = TOP + CHART_HEIGHT + 40;
  const drawn = panels.map((panel, i) => drawPanel(panel, 20 + i * PANEL_WIDTH));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="24" font-size="14" font-weight="bold">${title}</text>
${drawn.join('\n')}
</svg>
`;
}

/** Bars begin at zero, so that their heights compare. */
function drawPanel({ title, bars }: Panel, left: number): string {
  const largest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const drawn = bars.map(({ name, value }, i) => {
    const height = (value / largest) * CHART_HEIGHT;
    const x = left + i * (BAR_WIDTH + BAR_GAP);
    const y = TOP + CHART_HEIGHT - height;
    const middle = `x="${x + BAR_WIDTH / 2}" text-anchor="middle"`;
    return `<rect x="${x}" y="${y.toFixed(1)}" width="${BAR_WIDTH}" height="${height.toFixed(1)}" fill="#35c"/>
<text ${middle} y="${(y - 4).toFixed(1)}">${value < 100 ? value.toFixed(1) : value.toFixed(0)}</text>
<text ${middle} y="${TOP + CHART_HEIGHT + 16}">${name}</text>`;
  });
  return `<text x="${left}" y="44" fill="#444">${title}</text>\n${drawn.join('\n')}`;
}
