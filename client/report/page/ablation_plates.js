// Plots of what ablations cost.
Homolog.ablationPlates = (() => {
  const { study, data, dom, format, colours, steps, axes, legend, grid } = Homolog;
  const SETS = ["universal", "random", "random_layer_matched", "others"];
  // "others" is nearly the whole model: on one scale with it, nothing else would be seen.
  const GROUPS = [
    { title: "universal and random neurons", among: SETS.slice(0, 3) },
    { title: "all others", among: ["others"] },
  ];
  const METRICS = [
    { name: "loss_increase", title: "Loss increase", label: "loss increase (nats)" },
    { name: "kl", title: "KL divergence", label: "KL divergence (nats)" },
  ];
  const LETTERS = "abcd";
  const WIDE = 700;

  const setsIn = (rows) => data.present(SETS, rows, "set");
  const hasLayer = (row) => row.layer !== null && row.layer !== undefined;

  // Half the length of a bar: over draws for random sets, over sequences for others.
  const spread = (row, metric) =>
    row[`${metric}_${row.set.startsWith("random") ? "std" : "se"}`] ?? null;

  function valueText(row, metric) {
    const half = spread(row, metric.name);
    const value = format.measure(row[metric.name]);
    return `${metric.title} ${value}${half === null ? "" : ` ± ${format.spread(half)}`} nats`;
  }

  const pointTitle = (metric) => (row) =>
    format.lines(
      row.model ?? `mean over ${format.plural(row.models, "model")}`,
      format.setName(row.set) + (hasLayer(row) ? `, layer ${row.layer}` : ""),
      `step ${row.step}, ${format.threshold(row.threshold)}`,
      valueText(row, metric),
      row.neurons === undefined ? null : format.plural(row.neurons, "neuron"),
    );

  // One model's points with their bars.
  function pointMarks(rows, metric, stroke, place) {
    const bars = rows.filter((row) => spread(row, metric) !== null);
    const y1 = (row) => row[metric] - spread(row, metric);
    const y2 = (row) => row[metric] + spread(row, metric);
    return [
      Plot.ruleX(bars, { ...place, y1, y2, stroke, strokeOpacity: 0.6 }),
      Plot.dot(rows, { ...place, y: metric, r: 1.9, stroke, fill: colours.page, strokeWidth: 1 }),
    ];
  }

  // The means of one set with an empty one wherever a panel has none: the line breaks there.
  function withGaps(means, metric, { keyOf, x }) {
    return [...d3.group(means, keyOf).values()].flatMap((panel) =>
      x.values.map(
        (value) =>
          panel.find((row) => row[x.name] === value) ??
          { ...panel[0], [x.name]: value, [metric]: NaN },
      ),
    );
  }

  // Marks of one set, `shift` pixels aside; models are `step` pixels apart.
  function setMarks(rows, means, metric, layout, { place, stroke, shift, step }) {
    const models = data.present(study.models, rows, "model");
    const points = models.flatMap((model, i) => {
      const dx = shift + (i - (models.length - 1) / 2) * step;
      const own = rows.filter((row) => row.model === model);
      return pointMarks(own, metric, stroke, { ...place, dx });
    });
    const mean = { ...place, y: metric, dx: shift };
    const dots = models.length > 1 ? [Plot.dot(means, { ...mean, r: 3, fill: stroke })] : [];
    const line = withGaps(means, metric, layout);
    return [Plot.line(line, { ...mean, stroke, strokeWidth: 2 }), ...points, ...dots];
  }

  // Sets and models stand beside one another, within the room that one x has.
  function sidewaysOf(sets, slot) {
    const gap = Math.min(9, slot / (sets.length + 1.5));
    return sets.map((set, i) => ({
      stroke: colours.ofSet(set),
      shift: (i - (sets.length - 1) / 2) * gap,
      step: Math.min(2.5, gap / (study.models.length + 1)),
    }));
  }

  // Panels by `keyOf` over `x` (steppedX or layeredX) for one measure.
  function plate(rows, metric, width, layout) {
    const { keys, keyOf, title, x, height, minWidth } = layout;
    const sets = setsIn(rows);
    const means = data.meanOverModels(rows, ["set", "step", "threshold", x.name], metric.name);
    const panel = grid(keys, { width, title, height, minWidth, margin: { left: 68 } });
    const axis = x.axis(panel.panelWidth);
    const place = { ...panel.by(keyOf), x: (row) => axis.of(row[x.name]) };
    const sideways = sidewaysOf(sets, panel.panelWidth / x.values.length);
    const of = (all, set) => all.filter((row) => row.set === set);
    const marks = sets.flatMap((set, i) =>
      setMarks(of(rows, set), of(means, set), metric.name, layout, { place, ...sideways[i] }),
    );
    const tips = { ...place, y: metric.name, title: pointTitle(metric) };
    return Plot.plot({
      ...panel.options,
      x: axis.scale,
      y: axes.measured(metric.label, { tickFormat: "~g" }),
      marks: [
        panel.titles,
        Plot.ruleY([0], { stroke: colours.quiet }),
        ...marks,
        Homolog.tip([...rows, ...means], tips),
      ],
    });
  }

  // One plate per measure and group of sets, each under its letter; two beside each other where a
  // plate is one panel.
  function plates(rows, width, layout) {
    const beside = layout.keys.length === 1 && width >= WIDE;
    const plateWidth = beside ? width / 2 : width;
    const all = GROUPS.flatMap(({ title, among }) => {
      const group = rows.filter((row) => among.includes(row.set));
      return group.length === 0 ? [] : METRICS.map((metric) => ({ title, group, metric }));
    });
    const drawn = all.map(({ title, group, metric }, i) => [
      legend.heading(LETTERS[i], `${metric.title}: ${title}`, plateWidth),
      plate(group, metric, plateWidth, layout),
    ]);
    return [
      legend.sets(setsIn(rows), width),
      dom.element(
        "div",
        { class: beside ? "pairs" : "row" },
        drawn.map((nodes) => dom.element("div", { class: "plate" }, nodes)),
      ),
    ];
  }

  const steppedX = {
    name: "step",
    values: study.steps,
    axis: (width) => steps.axis(study.steps, width),
  };
  function layeredX(rows) {
    const values = data.layersOf(rows);
    const axis = (width) => steps.inOrder(values, width, "layer", String);
    return { name: "layer", values, axis };
  }

  return { plates, setsIn, steppedX, layeredX };
})();
