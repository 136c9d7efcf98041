// Stacked bars of a table: the table is the data, and the form for whoever does not see the chart.

import { onThemeChange } from "./theme.js";

/* global uPlot */

const NANOS = 1e9;
const HEIGHT_PX = 280;
const DAY_S = 86_400;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function start() {
  for (const frame of document.querySelectorAll("[data-chart]")) draw(frame);
}

function draw(frame) {
  const table = document.querySelector(frame.dataset.chart);
  const { starts, bucket, series } = readTable(table, frame.dataset.money === "true");
  // A bar stands in the middle of its bucket; the axis shows where buckets begin.
  const middles = starts.map((start) => start + bucket / 2);
  const whole = [starts[0], starts.at(-1) + bucket];
  const readout = frame.parentElement.querySelector("[data-readout]");
  const stacked = stack(series);
  let plot = null;

  const redraw = () => {
    plot?.destroy();
    plot = new uPlot(options(frame, series, whole, show), [middles, ...stacked], frame);
  };
  const show = (index) => {
    readout.textContent = index === null ? "" : describe(series, table.tBodies[0].rows[index]);
  };

  redraw();
  onThemeChange(redraw);
  new ResizeObserver(() => {
    if (frame.clientWidth !== plot.width) {
      plot.setSize({ width: frame.clientWidth, height: HEIGHT_PX });
    }
  }).observe(frame);
  frame.dataset.ready = "";
}

// Plotted positions may be rounded; the figures people read are the texts of the table.
function readTable(table, isMoney) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells].slice(1);
  return {
    starts: rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000),
    bucket: Number(table.dataset.bucketSeconds),
    series: heads.map((head, column) => ({
      label: head.textContent,
      color: head.dataset.color,
      values: rows.map((row) => {
        const value = Number(row.cells[column + 1].dataset.value);
        return isMoney ? value / NANOS : value;
      }),
    })),
  };
}

// The first series stands on the axis. uPlot draws in order and later bars cover earlier ones, so
// the tallest stack comes first.
function stack(series) {
  const sums = series[0].values.map(() => 0);
  const heights = series.map(({ values }) => values.map((value, index) => (sums[index] += value)));
  return heights.reverse();
}

function options(frame, series, whole, onHover) {
  const isMoney = frame.dataset.money === "true";
  const ink = color(frame, "--ink-3");
  const axis = {
    stroke: ink,
    font: `12px ${getComputedStyle(frame).fontFamily}`,
    ticks: { show: false },
  };
  return {
    width: frame.clientWidth,
    height: HEIGHT_PX,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
    scales: {
      x: { range: (plot, from, to) => (isWhole(plot, from, to) ? whole : [from, to]) },
      y: { range: (plot, least, most) => [0, most > 0 ? most * 1.05 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 30,
        values: (plot, times) => times.map(timeLabel(plot)),
      },
      {
        ...axis,
        grid: { stroke: color(frame, "--line"), width: 1 },
        size: axisWidth,
        values: (plot, values, index, space, step) =>
          values.map((value) => frame.dataset.symbol + short(value, step, isMoney)),
      },
    ],
    series: [
      {},
      ...[...series].reverse().map((line) => ({
        label: line.label,
        fill: color(frame, `--series-${line.color}`),
        width: 0,
        paths: uPlot.paths.bars({ size: [0.8, 48] }),
        points: { show: false },
      })),
    ],
  };
}

function axisWidth(plot, labels) {
  const longest = Math.max(...(labels ?? [""]).map((label) => label.length));
  return 18 + longest * 7;
}

function isWhole(plot, from, to) {
  return from <= plot.data[0][0] && to >= plot.data[0].at(-1);
}

// All labels of an axis have as many decimals as the step between them needs; money at least two.
function short(value, step, isMoney) {
  if (value >= 10_000) return new Intl.NumberFormat("en", { notation: "compact" }).format(value);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const needed = step.toFixed(places) === String(step) ? places : places + 1;
  return value.toFixed(isMoney ? Math.max(2, needed) : needed);
}

const timeLabel = (plot) => (seconds) => {
  const moment = new Date(seconds * 1000);
  if (plot.scales.x.max - plot.scales.x.min > 2 * DAY_S || seconds % DAY_S === 0) {
    return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]}`;
  }
  return moment.toISOString().slice(11, 16);
};

function describe(series, row) {
  const parts = series.map(({ label }, column) => `${label} ${row.cells[column + 1].textContent}`);
  return [row.cells[0].textContent, ...parts].join("  ·  ");
}

// The colour a token has now. A custom property holds the pair of light and dark; only a real
// property of an element resolves it.
function color(frame, token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  frame.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

start();
