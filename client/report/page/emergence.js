// How many neurons are universal, over training.
Homolog.emergence = (section) => {
  const { study, data, dom, format, colours, axes, steps, legend, heatmap, figure, grid } = Homolog;
  const rows = study.emergence;
  if (rows.length === 0) {
    section.append(dom.paragraph("The study has no universal neurons counted."));
    return;
  }
  const several = study.models.length > 1;
  const over = several ? `mean over ${study.models.length} models` : "one model";
  const rules = {
    mean: "the mean excess over the partners",
    all: "the excess over every partner",
    any: "the excess over any partner",
  };
  const inPercent = (value) => format.percent(value).replace("%", "");

  function thresholdTable(threshold) {
    const own = rows.filter((row) => row.threshold === threshold);
    const shares = d3.rollup(
      own,
      ([row]) => row.share,
      (row) => row.step,
      (row) => row.model,
    );
    const means = d3.index(data.meanOverModels(own, ["step"], "share"), (row) => row.step);
    const number = (name, of, kind = "number") => ({ name, of, kind });
    const summary = [
      number("Mean", (step) => inPercent(means.get(step).share), "number strong"),
      number("SD", (step) => inPercent(means.get(step).deviation)),
    ];
    return dom.table(
      [
        number("Step", format.step),
        ...study.models.map((model) =>
          number(model, (step) => inPercent(shares.get(step).get(model))),
        ),
        ...(several ? summary : []),
      ],
      data.present(study.steps, own, "step"),
      format.threshold(threshold),
    );
  }

  const shareTitle = (row) =>
    format.lines(
      row.model ?? over,
      `step ${row.step}, ${format.threshold(row.threshold)}`,
      `${format.percent(row.share)} universal`,
      row.universal === undefined
        ? null
        : `${format.whole(row.universal)} of ${format.plural(row.neurons, "neuron")}`,
    );

  // With room above the highest, and a span where nothing is universal at all.
  const percents = () => [0, 106 * d3.max(rows, (row) => row.share) || 1];

  function shareMarks(x) {
    const means = data.meanOverModels(rows, ["step", "threshold"], "share");
    const colour = (row) => String(row.threshold);
    const place = { x: (row) => x.of(row.step), y: "share" };
    const lines = { ...place, stroke: colour, z: (row) => `${row.threshold} ${row.model}` };
    return [
      Plot.ruleY([0], { stroke: colours.quiet }),
      Plot.line(rows, { ...lines, strokeWidth: 1, strokeOpacity: 0.45 }),
      Plot.dot(rows, { ...place, stroke: colour, r: 1.5, strokeOpacity: 0.6 }),
      Plot.line(means, { ...lines, strokeWidth: 2.5 }),
      Plot.dot(means, { ...place, fill: colour, r: 3.25 }),
      Homolog.tip([...rows, ...means], { ...place, title: shareTitle }),
    ];
  }

  function shareLines(width) {
    const panel = grid([0], { width, height: 300, title: null });
    const x = steps.axis(study.steps, panel.panelWidth);
    return [
      legend.thresholds(study.thresholds, width),
      Plot.plot({
        ...panel.options,
        x: x.scale,
        y: axes.named("universal neurons (%)", {
          percent: true,
          grid: true,
          ticks: 6,
          domain: percents(),
        }),
        color: colours.thresholdScale,
        marks: shareMarks(x),
      }),
    ];
  }

  const layerRows = data.byLayer(rows, (universal, row) => {
    const neurons = row.neurons / row.layers.length;
    return { universal, neurons, share: neurons === 0 ? null : universal / neurons };
  });
  const layers = data.layersOf(layerRows);
  const cellHeight = layers.length > 16 ? 14 : layers.length > 6 ? 19 : 28;

  const cellTitle = (row) =>
    format.lines(
      `layer ${row.layer}, step ${row.step}`,
      `${format.percent(row.share)} universal (${over})`,
      format.threshold(row.threshold),
    );

  function layerMap(width) {
    const means = data.meanOverModels(layerRows, ["step", "threshold", "layer"], "share");
    const domain = [0, d3.max(means, (row) => row.share) || 0.01];
    const color = heatmap.scale(domain);
    const height = cellHeight * layers.length;
    const layout = { width, height, title: format.threshold, minWidth: 240, maxWidth: 460 };
    const panel = grid(study.thresholds, { ...layout, maxColumns: 4 });
    const cells = heatmap.marks(means, {
      by: panel.by((row) => row.threshold),
      x: (row) => row.step,
      y: (row) => row.layer,
      value: (row) => row.share,
      text: (row) => d3.format(".1f")(row.share * 100),
      title: cellTitle,
      domain,
      cell: { width: panel.panelWidth / study.steps.length, height: cellHeight },
    });
    return [
      heatmap.ramp("universal neurons of the layer", color, d3.format("~%")),
      Plot.plot({
        ...panel.options,
        color,
        x: steps.cells(study.steps, panel.panelWidth, "training step"),
        y: steps.rows(layers.slice().reverse(), height, "layer"),
        marks: [panel.titles, ...cells],
      }),
    ];
  }

  const about = {
    title: "Share of universal neurons",
    text:
      `Neurons of each model whose excess correlation with the other models at the same training ` +
      `step is above the threshold (${rules[study.rule] ?? study.rule}), in percent of all ` +
      `neurons.${several ? " SD: standard deviation between models." : ""}`,
    csv: ["emergence"],
  };
  figure.table(section, about, ...study.thresholds.map(thresholdTable));
  figure.chart(section, {
    title: "Emergence of universal neurons",
    text: several
      ? `Share of universal neurons over training, by threshold. Thick lines: ${over}; thin ` +
        `lines: single models.`
      : "Share of universal neurons over training, by threshold.",
    csv: ["emergence"],
    draw: shareLines,
  });
  figure.chart(section, {
    title: "Emergence by layer",
    text:
      `Share of universal neurons among the neurons of a layer (${over}), over training, in ` +
      `percent; one panel per threshold, one colour scale for all.`,
    csv: ["emergence_by_layer"],
    draw: layerMap,
  });
};
