// What models lose without their universal neurons.
Homolog.ablation = (section) => {
  const { study, data, dom, format, figure, absentAblations } = Homolog;
  const { plates, setsIn, steppedX, layeredX } = Homolog.ablationPlates;
  if (study.ablations.length === 0) {
    section.append(dom.paragraph("The study has no ablations."));
    return;
  }
  const present = study.ablations.filter((row) => row.absent === null);
  const absent = study.ablations.filter((row) => row.absent !== null);
  const isWhole = (row) => row.layer === null;
  const main = format.threshold(study.main_threshold);
  const last = format.step(data.lastStep);
  const kinds = Array.from(new Set(study.ablations.map((row) => row.kind))).join(", ");
  const bars =
    "Lines and large dots: mean over models. Circles: single models, with bars of ± one standard " +
    "error over sequences (universal, all others) or ± one standard deviation over draws " +
    "(random). Sets and models are moved sideways so that all are seen.";

  function meanText(rows, metric) {
    const mean = d3.mean(rows, (row) => row[metric]);
    if (rows.length < 2) return format.measure(mean);
    return format.withSpread(
      mean,
      d3.deviation(rows, (row) => row[metric]),
    );
  }

  function lastStepTable(rows) {
    const column = (name, metric, kind = "number") => ({
      name,
      of: (group) => meanText(group, metric),
      kind,
    });
    const neurons = (group) => format.average(d3.mean(group, (row) => row.neurons));
    return dom.table(
      [
        { name: "Ablated", of: (group) => format.setName(group[0].set) },
        { name: "Models", of: (group) => format.whole(group.length), kind: "number" },
        { name: "Neurons", of: neurons, kind: "number" },
        column("Clean loss", "clean_loss"),
        column("Loss increase", "loss_increase", "number strong"),
        column("KL", "kl"),
        column("Entropy change", "entropy_change"),
        column("Top-1 agreement", "top1_agreement"),
      ],
      setsIn(rows).map((set) => rows.filter((row) => row.set === set)),
    );
  }

  function lastStep() {
    const rows = present.filter((row) => isWhole(row) && data.isLast(row) && data.isMain(row));
    if (rows.length === 0) return;
    const about = {
      title: "Ablation at the last step",
      text:
        `What a model loses at step ${last} without a set of its neurons (${main}; ablation: ` +
        `${kinds}). Loss, KL and entropy in nats; mean ± standard deviation over models.`,
      csv: ["ablations"],
    };
    figure.table(section, about, lastStepTable(rows));
  }

  function overTraining() {
    const rows = present.filter(isWhole);
    const note = absentAblations(absent.filter(isWhole));
    if (rows.length === 0) {
      if (note !== null) section.append(note);
      return;
    }
    const layout = {
      keys: data.present(study.thresholds, rows, "threshold"),
      keyOf: (row) => row.threshold,
      title: format.threshold,
      x: steppedX,
      height: 170,
      minWidth: 230,
    };
    figure.chart(section, {
      title: "Ablation of the whole model's universal neurons",
      text:
        `Loss increase and KL(clean ‖ ablated) over training when a set of neurons is ablated ` +
        `(${kinds}): the universal ones, as many random ones (from anywhere, or as many in every ` +
        `layer), and all others, on a scale of their own. One panel per threshold. ${bars}`,
      csv: ["ablations"],
      note,
      draw: (width) => plates(rows, width, layout),
    });
  }

  function layerFigure(title, text, rows, missing, layout) {
    const whole = { keyOf: (row) => row.step, x: layeredX(rows), ...layout };
    figure.chart(section, {
      title,
      text: `${text} ${bars}`,
      csv: ["ablations"],
      note: absentAblations(missing),
      draw: (width) => plates(rows, width, whole),
    });
  }

  function byLayer() {
    const ofLayer = (row) => !isWhole(row) && data.isMain(row);
    const rows = present.filter(ofLayer);
    const missing = absent.filter(ofLayer);
    const final = rows.filter(data.isLast);
    const all = data.present(study.steps, rows, "step");
    const overTraining = all.length >= (final.length > 0 ? 2 : 1);
    if (final.length > 0) {
      layerFigure(
        "Ablation by layer at the last step",
        `As before, with every set cut to one layer at a time; step ${last}, ${main}.`,
        final,
        // Named here where no other figure follows.
        overTraining ? missing.filter(data.isLast) : missing,
        { keys: [data.lastStep], title: null, height: 200, minWidth: 280 },
      );
    }
    if (!overTraining) return;
    layerFigure(
      "Ablation by layer over training",
      `As before, at every step with such ablations; ${main}.`,
      rows,
      missing.filter((row) => !data.isLast(row)),
      { keys: all, title: (step) => `step ${format.step(step)}`, height: 120, minWidth: 220 },
    );
  }

  lastStep();
  overTraining();
  byLayer();
};
