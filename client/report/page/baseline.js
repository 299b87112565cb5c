// Maximum correlations against their baseline, neuron by neuron.
Homolog.baseline = (section, pairing) => {
  const { study, data, format, colours, axes, legend, heatmap, figure, grid } = Homolog;
  const { thresholds } = study;
  const ENDS = { x1: "x1", y1: "y1", x2: "x2", y2: "y2" };
  // Baselines lie close together: a unit of them is drawn at most so much longer than on the other
  // axis.
  const STRETCH = 1.8;

  // The part of y = x + t that lies in the box, as a list of one or none.
  function lineInBox(t, [x1, x2], [y1, y2]) {
    const from = Math.max(x1, y1 - t);
    const to = Math.min(x2, y2 - t);
    return from < to ? [{ x1: from, y1: from + t, x2: to, y2: to + t }] : [];
  }

  function cellsOf(entry) {
    const { low, high, bins, cells } = entry.scatter;
    const edge = (i) => low + (i * (high - low)) / bins;
    return cells.map(([ix, iy, count]) => ({
      model: entry.model,
      count,
      x1: edge(ix),
      x2: edge(ix + 1),
      y1: edge(iy),
      y2: edge(iy + 1),
    }));
  }

  // The drawn part of an axis: zero and what is there, with a little room.
  function extent(cells, from, to, atLeast = 0) {
    const [low, high] = d3.extent([0, ...cells.flatMap((cell) => [cell[from], cell[to]])]);
    const span = Math.max(high - low, atLeast);
    return [low - span * 0.03, low + span * 1.03];
  }

  function cellTitle(cell) {
    const at = d3.format(".3f");
    return format.lines(
      cell.model,
      format.plural(cell.count, "neuron"),
      `baseline ${at(cell.x1)} to ${at(cell.x2)}`,
      `maximum correlation ${at(cell.y1)} to ${at(cell.y2)}`,
    );
  }

  const lineMarks = (x, y) => [
    Plot.link(lineInBox(0, x, y), { ...ENDS, stroke: colours.quiet, strokeDasharray: "4,3" }),
    ...thresholds.map((t) =>
      Plot.link(lineInBox(t, x, y), { ...ENDS, stroke: colours.ofThreshold(t), strokeWidth: 1.75 }),
    ),
  ];

  const lineLegend = (width) =>
    legend.keys(
      [
        { label: "correlation = baseline", colour: colours.quiet, shape: "dashed" },
        ...legend.thresholdEntries(thresholds),
      ],
      width,
    );

  function plot(cells, color, width) {
    const y = extent(cells, "y1", "y2");
    const x = extent(cells, "x1", "x2", (y[1] - y[0]) / STRETCH);
    const panel = grid(data.present(study.models, cells, "model"), {
      width,
      minWidth: 270,
      maxWidth: 420,
      maxColumns: 3,
      height: (panelWidth) => panelWidth,
    });
    const by = panel.by((cell) => cell.model);
    const middle = (from, to) => (cell) => (cell[from] + cell[to]) / 2;
    const tips = { ...by, x: middle("x1", "x2"), y: middle("y1", "y2"), title: cellTitle };
    return Plot.plot({
      ...panel.options,
      color,
      x: axes.named("baseline (rotated neurons)", { domain: x, ticks: panel.panelWidth / 60 }),
      y: axes.named("maximum correlation", { domain: y, ticks: 6 }),
      marks: [
        panel.titles,
        Plot.frame({ stroke: colours.line }),
        Plot.rect(cells, { ...by, ...ENDS, fill: "count" }),
        ...lineMarks(x, y),
        Homolog.tip(cells, tips),
      ],
    });
  }

  function draw(cells, width) {
    const most = d3.max(cells, (cell) => cell.count);
    const color = { type: "log", domain: [1, Math.max(2, most)], interpolate: colours.scattered };
    return [
      heatmap.ramp("neurons", color, d3.format("~s"), axes.logTicks(most)),
      lineLegend(width),
      plot(cells, color, width),
    ];
  }

  const cells = study.excess
    .filter((entry) => entry.pairing === pairing && data.isLast(entry))
    .flatMap(cellsOf);
  if (cells.length === 0) return;
  const lines =
    study.rule === "mean"
      ? "Above a coloured line, the excess correlation is above that threshold."
      : `Coloured lines: thresholds, were the rule over partners the mean (it is: ${study.rule}).`;
  figure.chart(section, {
    title: `Correlation and baseline, ${format.pairing(pairing)}`,
    text:
      `Neurons of each model at step ${format.step(data.lastStep)}, counted in cells (colour is ` +
      `logarithmic), by their maximum correlation with neurons of the other models and the same ` +
      `maximum over randomly rotated neurons. ${lines}`,
    csv: ["scatter"],
    draw: (width) => draw(cells, width),
  });
};
