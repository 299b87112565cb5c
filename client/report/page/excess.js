// How the excess correlation is distributed.
Homolog.excess = (section, pairings) => {
  const { study, data, format, colours, axes, legend, figure, grid } = Homolog;
  const { thresholds } = study;
  // The count axis starts below 1, so that a bar of one neuron is seen.
  const FLOOR = 0.6;

  const binsOf = (entry, key) =>
    entry.counts
      .map((count, i) => ({
        key,
        entry,
        count,
        x1: entry.low + i * entry.width,
        x2: entry.low + (i + 1) * entry.width,
      }))
      .filter((bin) => bin.count > 0);

  function binTitle({ entry, count, x1, x2 }) {
    const at = d3.format(".3f");
    return format.lines(
      `${entry.model}, step ${entry.step}`,
      format.pairing(entry.pairing),
      `excess ${at(x1)} to ${at(x2)}`,
      format.plural(count, "neuron"),
    );
  }

  function extent(bins) {
    const [low, high] = d3.extent([0, ...thresholds, ...bins.flatMap(({ x1, x2 }) => [x1, x2])]);
    const room = (high - low) * 0.02;
    return [low - room, high + room];
  }

  function plot(entries, width, title, height) {
    const bins = entries.flatMap(binsOf);
    const most = d3.max(bins, (bin) => bin.count);
    const panel = grid(d3.range(entries.length), {
      width,
      title: (key) => title(entries[key]),
      minWidth: 210,
      maxColumns: 4,
      height,
    });
    const by = panel.by((bin) => bin.key);
    const bars = { ...by, x1: "x1", x2: "x2", y1: () => FLOOR, y2: "count", fill: colours.bar };
    const tips = { ...by, x: ({ x1, x2 }) => (x1 + x2) / 2, y: "count", title: binTitle };
    return Plot.plot({
      ...panel.options,
      x: axes.named("excess correlation", { domain: extent(bins), ticks: panel.panelWidth / 60 }),
      y: axes.named("neurons", {
        type: "log",
        domain: [FLOOR, most * 1.5],
        grid: true,
        ticks: axes.logTicks(most),
        tickFormat: "~s",
      }),
      marks: [
        panel.titles,
        Plot.rect(bins, { ...bars, insetLeft: 0.25, insetRight: 0.25 }),
        Plot.ruleY([FLOOR], { stroke: colours.quiet }),
        ...thresholds.map((t) =>
          Plot.ruleX([t], { stroke: colours.ofThreshold(t), strokeWidth: 1.75 }),
        ),
        Homolog.tip(bins, tips, Plot.pointerX),
      ],
    });
  }

  const draw = (entries, title, height) => (width) => [
    legend.thresholds(thresholds, width),
    plot(entries, width, title, height),
  ];

  function atLastStep(entries) {
    if (entries.length === 0) return;
    const found = data.present(pairings, entries, "pairing").map(format.pairing);
    const title = (entry) =>
      found.length > 1 ? `${entry.model}, ${format.pairing(entry.pairing)}` : entry.model;
    figure.chart(section, {
      title: "Distribution of the excess correlation",
      text:
        `Live neurons of each model at step ${format.step(data.lastStep)} by excess correlation ` +
        `(${found.join(" and ")}). The count axis is logarithmic. Coloured lines: thresholds.`,
      csv: ["excess_histogram"],
      draw: draw(entries, title, 150),
    });
  }

  function overTraining(entries) {
    if (entries.length < 2) return;
    const [{ model, pairing }] = entries;
    figure.chart(section, {
      title: "Distribution of the excess correlation over training",
      text: `The same for ${model} at every step (${format.pairing(pairing)}).`,
      csv: ["excess_histogram"],
      draw: draw(entries, (entry) => `step ${format.step(entry.step)}`, 110),
    });
  }

  const entries = pairings.flatMap((pairing) =>
    study.excess.filter(
      (entry) => entry.pairing === pairing && d3.some(entry.counts, (n) => n > 0),
    ),
  );
  const isOfFirst = (entry) =>
    entry.model === study.models[0] && entry.pairing === entries[0].pairing;
  atLastStep(entries.filter(data.isLast));
  overTraining(entries.filter(isOfFirst));
};
