// What becomes of neurons from one step to the next.
Homolog.lineage = (section) => {
  const { study, data, format, colours, steps, axes, legend, figure, grid } = Homolog;
  const FATES = [
    { name: "stayed", label: "stayed universal", sign: 1 },
    { name: "became", label: "became universal", sign: 1 },
    { name: "ceased", label: "ceased to be", sign: -1 },
  ];
  const names = FATES.map(({ name }) => name);
  const colourOf = (name) => `var(--${name})`;

  const title = (row) =>
    format.lines(
      row.model,
      `step ${row.from} to ${row.to}`,
      ...FATES.map(({ name, label }) => `${format.whole(row[name])} ${label}`),
      `${format.whole(row.never)} neither`,
    );

  const barsOf = (rows) =>
    FATES.flatMap(({ name, sign }) =>
      rows.map((row) => ({ ...row, fate: name, count: sign * row[name] })),
    );

  // A bar stands at the later step.
  function plot(rows, width) {
    const models = data.present(study.models, rows, "model");
    const panel = grid(models, { width, minWidth: 230, maxColumns: 4, height: 190 });
    const later = data.present(study.steps, rows, "to");
    const place = { ...panel.by((row) => row.model), x: "to" };
    const bars = { ...place, y: "count", fill: "fate", order: names };
    const tips = { ...place, y: (row) => row.stayed + row.became, title };
    return Plot.plot({
      ...panel.options,
      x: {
        ...steps.cells(later, panel.panelWidth, "to step (from the step before)"),
        padding: 0.25,
      },
      y: axes.measured("neurons", { tickFormat: (count) => format.whole(Math.abs(count)) }),
      color: { type: "ordinal", domain: names, range: names.map(colourOf) },
      marks: [
        panel.titles,
        Plot.barY(barsOf(rows), Plot.stackY(bars)),
        Plot.ruleY([0], { stroke: colours.quiet }),
        Homolog.tip(rows, tips, Plot.pointerX),
      ],
    });
  }

  const draw = (rows) => (width) => [
    legend.keys(
      FATES.map(({ name, label }) => ({ label, colour: colourOf(name), shape: "box" })),
      width,
    ),
    plot(rows, width),
  ];

  const next = new Map(d3.pairs(study.steps));
  const rows = study.lineage.filter((row) => data.isMain(row) && next.get(row.from) === row.to);
  if (rows.length === 0) return;
  figure.chart(section, {
    title: "Lineage from step to step",
    text:
      `What became of each model's neurons between a training step and the one before; ` +
      `${format.threshold(study.main_threshold)}. Every neuron of the step before is counted ` +
      `once, by its best partner at the step; several may have the same partner, so that bars ` +
      `above zero can exceed the universal neurons of the step. Stayed and ceased (below zero) ` +
      `together are the universal neurons of the step before. Neurons that are universal at ` +
      `neither step are not drawn.`,
    csv: ["lineage"],
    draw: draw(rows),
  });
};
