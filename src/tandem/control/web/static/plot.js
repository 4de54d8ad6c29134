// Draws the plot of a scope's utilization: stacked areas, out of the samples that the page names.
"use strict";
const SERIES = [
  ["leased", "Leased or in grace", "--plot-leased"], ["pending", "Not free yet", "--plot-pending"],
  ["unavailable", "Unavailable", "--plot-unavailable"], ["main", "Main's share", "--plot-main"],
  ["backup", "Backup's share", "--plot-backup"],
];

async function show(element) {
  const answer = await fetch(element.dataset.source, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const data = await answer.json();
  let plot = draw(element, data);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plot.destroy();
    plot = draw(element, data);
  });
  addEventListener("resize", () => plot.setSize({ width: element.clientWidth, height: 320 }));
}

function draw(element, data) {
  const probe = element.appendChild(document.createElement("span"));
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const sums = data.at.map(() => 0);
  const stacked = SERIES.map(([key]) => data[key].map((value, i) => (sums[i] += value)));
  const axis = { stroke: colour("--plot-text"), grid: { stroke: colour("--plot-grid") }, ticks: { stroke: colour("--plot-grid") } };
  const options = {
    width: element.clientWidth, height: 320, cursor: { y: false },
    scales: { x: { range: [Math.max(data.since, data.at[0] ?? 0), data.until] }, y: { range: (u, low, high) => [0, Math.max(high, 1)] } },
    axes: [axis, { ...axis, size: 64 }],
    series: [{}, ...SERIES.map(([key, label, name], i) => ({
      label, stroke: colour(name), fill: colour(name), width: 1, points: { show: data.at.length < 3 },
      value: (u, shown, s, at) => (at === null ? "–" : String(data[key][at])),
    }))].map((series, i) => i ? { ...series, fill: undefined } : series),
    bands: SERIES.slice(1).map(([, , name], i) => ({ series: [i + 2, i + 1], fill: colour(name) })),
  };
  options.series[1].fill = colour(SERIES[0][2]);
  probe.remove();
  return new uPlot(options, [data.at, ...stacked], element);
}
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-source]").forEach(show));
