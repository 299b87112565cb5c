// Families of neurons over models.
Homolog.families = (section) => {
  const { study, data, dom, format, colours, steps, axes, legend, figure, grid } = Homolog;
  const SHOWN_FAMILIES = 10;
  const SHOWN_MEMBERS = 12;
  const familiesText = (count) => `${format.whole(count)} ${count === 1 ? "family" : "families"}`;
  const colourOf = (row) => String(row.threshold);

  const sizeTitle = (row) =>
    format.lines(
      format.threshold(row.threshold),
      `${familiesText(row.count)} of ${format.plural(row.size, "neuron")}`,
    );

  function bySize(entries, width) {
    const rows = entries.flatMap(({ sizes, threshold }) =>
      sizes.map((size) => ({ ...size, threshold })),
    );
    const panel = grid(data.present(study.thresholds, rows, "threshold"), {
      width,
      title: format.threshold,
      minWidth: 230,
      maxWidth: 480,
      maxColumns: 4,
      height: 180,
    });
    const by = panel.by((row) => row.threshold);
    const [least, most] = d3.extent(rows, (row) => row.size);
    const ticks = d3.ticks(least, most, panel.panelWidth / 40).filter(Number.isInteger);
    const bars = { ...by, x1: (row) => row.size - 0.4, x2: (row) => row.size + 0.4, y1: () => 0 };
    return [
      Plot.plot({
        ...panel.options,
        x: axes.named("members of a family", {
          domain: [least - 0.6, most + 0.6],
          tickFormat: "d",
          ticks,
        }),
        y: axes.measured("families"),
        color: colours.thresholdScale,
        marks: [
          panel.titles,
          Plot.rect(rows, { ...bars, y2: "count", fill: colourOf }),
          Plot.ruleY([0], { stroke: colours.quiet }),
          Homolog.tip(rows, { ...by, x: "size", y: "count", title: sizeTitle }, Plot.pointerX),
        ],
      }),
    ];
  }

  const stepTitle = (row) =>
    format.lines(`step ${row.step}`, format.threshold(row.threshold), familiesText(row.count));

  function overTraining(width) {
    const rows = study.families;
    const panel = grid([0], { width, title: null, height: 200 });
    const x = steps.axis(study.steps, panel.panelWidth);
    const place = { x: (row) => x.of(row.step), y: "count" };
    return [
      legend.thresholds(data.present(study.thresholds, rows, "threshold"), width),
      Plot.plot({
        ...panel.options,
        x: x.scale,
        y: axes.measured("families"),
        color: colours.thresholdScale,
        marks: [
          Plot.ruleY([0], { stroke: colours.quiet }),
          Plot.line(rows, { ...place, stroke: colourOf, z: "threshold", strokeWidth: 2.25 }),
          Plot.dot(rows, { ...place, fill: colourOf, r: 3 }),
          Homolog.tip(rows, { ...place, title: stepTitle }),
        ],
      }),
    ];
  }

  function membersText(members) {
    const shown = members
      .slice(0, SHOWN_MEMBERS)
      .map(({ model, layer, neuron }) => `${model} ${layer}:${neuron}`)
      .join(", ");
    const left = members.length - SHOWN_MEMBERS;
    return left > 0 ? `${shown} and ${left} more` : shown;
  }

  const largestTable = (largest) =>
    dom.table(
      [
        { name: "Family", of: (family) => format.whole(family.index), kind: "number" },
        { name: "Members", of: (family) => format.whole(family.size), kind: "number" },
        { name: "Mean excess", of: (family) => format.measure(family.mean_excess), kind: "number" },
        { name: "Neurons", of: (family) => membersText(family.members), kind: "members" },
      ],
      largest,
    );

  function addLargest(entry) {
    const largest = entry.largest.slice(0, SHOWN_FAMILIES);
    if (largest.length === 0) return;
    const about = {
      title: "The largest families",
      text:
        `At step ${format.step(entry.step)}, ${format.threshold(entry.threshold)}; ` +
        `${format.whole(largest.length)} of ${format.whole(entry.count)}. Members are ` +
        `layer:neuron of a model.`,
      csv: ["family_members"],
    };
    figure.table(section, about, largestTable(largest));
  }

  if (study.families.length === 0) {
    section.append(dom.paragraph("The study has no families."));
    return;
  }
  const final = study.families.filter(data.isLast);
  if (final.some((entry) => entry.sizes.length > 0)) {
    figure.chart(section, {
      title: "Families by size",
      text:
        `Families of neurons that the models have in common at step ` +
        `${format.step(data.lastStep)}, by the number of their members; one panel per threshold.`,
      csv: ["families"],
      draw: (width) => bySize(final, width),
    });
  }
  if (data.present(study.steps, study.families, "step").length > 1) {
    figure.chart(section, {
      title: "Families over training",
      text: "Number of families at every training step, by threshold.",
      csv: ["families"],
      draw: overTraining,
    });
  }
  final.filter(data.isMain).forEach(addLargest);
};
