// Which of the universal neurons stay universal.
Homolog.persistence = (section) => {
  const { study, data, dom, format, colours, axes, steps, heatmap, figure, grid } = Homolog;
  const MOST_PANELS = 6;
  const rows = study.persistence.filter(data.isMain);
  if (rows.length === 0 || study.steps.length < 2) {
    section.append(dom.paragraph("Persistence needs two training steps at least."));
    return;
  }
  const threshold = format.threshold(study.main_threshold);
  const last = format.step(data.lastStep);
  const keptText = (row) =>
    row.kept === undefined
      ? null
      : `${format.whole(row.kept)} of ${format.plural(row.universal, "neuron")}`;

  // Panel 0 is the mean, and alone where models are many; panel i + 1 is model i.
  function matrixPanels() {
    const means = data.meanOverModels(rows, ["from", "to"], "persistence");
    const mean = means.map((row) => ({ ...row, panel: 0 }));
    const single = rows.map((row) => ({ ...row, panel: study.models.indexOf(row.model) + 1 }));
    const count = study.models.length;
    if (count === 1) return { all: single, keys: [1] };
    if (count > MOST_PANELS) return { all: mean, keys: [0] };
    return { all: [...mean, ...single], keys: d3.range(count + 1) };
  }
  const { all, keys } = matrixPanels();

  const matrixTitle = (row) =>
    format.lines(
      row.panel === 0 ? `mean over ${format.plural(row.models, "model")}` : row.model,
      `step ${row.from} to ${row.to}`,
      ...(row.persistence === null
        ? ["no universal neurons at the first of them"]
        : [`${format.percent(row.persistence)} still universal`, keptText(row)]),
    );

  function matrix(width) {
    const panel = grid(keys, {
      width,
      minWidth: Math.min(width - 80, 210),
      maxWidth: Math.min(330, Math.max(140, 60 * study.steps.length)),
      maxColumns: 4,
      height: (panelWidth) => panelWidth,
      title: (key) => (key === 0 ? "mean over models" : study.models[key - 1]),
    });
    const size = panel.panelWidth / study.steps.length;
    const color = heatmap.scale([0, 1]);
    const cells = heatmap.marks(all, {
      by: panel.by((row) => row.panel),
      x: (row) => row.to,
      y: (row) => row.from,
      value: (row) => row.persistence,
      text: (row) => d3.format(".0f")(row.persistence * 100),
      title: matrixTitle,
      domain: [0, 1],
      cell: { width: size, height: size },
    });
    return [
      heatmap.ramp("persistence", color, d3.format("~%")),
      Plot.plot({
        ...panel.options,
        color,
        x: steps.cells(study.steps, panel.panelWidth, "to step"),
        y: steps.rows(study.steps, panel.panelWidth, "from step"),
        marks: [panel.titles, ...cells],
      }),
    ];
  }

  const ownLayer = (layer) => layer;
  const toLast = data.byLayer(
    rows.filter((row) => row.to === data.lastStep && row.from !== row.to),
    ownLayer,
  );
  const isKnown = (row) => row.persistence !== null;

  const layerTitle = (row) =>
    format.lines(
      row.model ?? `mean over ${format.plural(row.models, "model")}`,
      `layer ${row.layer}, step ${row.from} to ${row.to}`,
      `${format.percent(row.persistence)} still universal`,
      keptText(row),
    );

  function layerMarks(place) {
    const means = data.meanOverModels(toLast, ["from", "to", "layer"], "persistence");
    const known = [...toLast.filter(isKnown), ...means.filter(isKnown)];
    const stroke = colours.ofThreshold(study.main_threshold);
    return [
      Plot.ruleY([0], { stroke: colours.quiet }),
      Plot.dot(toLast.filter(isKnown), { ...place, r: 2, stroke, strokeOpacity: 0.7 }),
      Plot.line(means, { ...place, stroke, strokeWidth: 2.25 }),
      Plot.dot(means.filter(isKnown), { ...place, r: 3, fill: stroke }),
      Homolog.tip(known, { ...place, title: layerTitle }),
    ];
  }

  function byLayer(width) {
    const title = (layer) => `layer ${layer}`;
    const layout = { width, title, minWidth: 190, maxColumns: 4, height: 130 };
    const panel = grid(data.layersOf(toLast), layout);
    const x = steps.axis(study.steps.slice(0, -1), panel.panelWidth, "from step");
    const place = panel.by((row) => row.layer);
    return [
      Plot.plot({
        ...panel.options,
        x: x.scale,
        y: axes.named("persistence (%)", {
          domain: [0, 100],
          percent: true,
          grid: true,
          ticks: [0, 25, 50, 75, 100],
        }),
        marks: [
          panel.titles,
          ...layerMarks({ ...place, x: (row) => x.of(row.from), y: "persistence" }),
        ],
      }),
    ];
  }

  const panels =
    keys.length > 1 ? " First the mean over models, then every model." : " Mean over models.";
  figure.chart(section, {
    title: "Persistence",
    text:
      `Share of the neurons universal at one step (row) that are universal at another (column), ` +
      `in percent; ${threshold}.${study.models.length > 1 ? panels : ""} A dash: no neuron is ` +
      `universal at the first of the two.`,
    csv: ["persistence"],
    draw: matrix,
  });
  if (!toLast.some(isKnown)) return;
  figure.chart(section, {
    title: "Persistence to the last step, by layer",
    text:
      `Share of the neurons universal at a step that are universal at step ${last}; ` +
      `${threshold}. Lines: mean over the models that have universal neurons in the layer at ` +
      `that step; circles: single models.`,
    csv: ["persistence_by_layer"],
    draw: byLayer,
  });
};
