// The numbers that people ask for first.
Homolog.summary = (section) => {
  const { study, data, format } = Homolog;
  const { element } = Homolog.dom;
  const { baseline, rotations } = study.parameters;

  const key = (name, value, explained) =>
    element(
      "div",
      {},
      element("dt", {}, name),
      element("dd", {}, value, element("small", {}, explained)),
    );

  function shareKey() {
    const rows = study.emergence.filter((row) => data.isMain(row) && data.isLast(row));
    if (rows.length === 0) return null;
    const [low, high] = d3.extent(rows, (row) => row.share);
    return key(
      "Universal neurons",
      format.percent(d3.mean(rows, (row) => row.share)),
      `mean over models at the last step, ${format.threshold(study.main_threshold)}; ` +
        `${format.percent(low)} to ${format.percent(high)}`,
    );
  }

  function lossOf(set) {
    const rows = study.ablations.filter(
      (row) =>
        data.isMain(row) &&
        data.isLast(row) &&
        row.layer === null &&
        row.set === set &&
        row.absent === null,
    );
    return d3.mean(rows, (row) => row.loss_increase);
  }

  function ablationKey() {
    const universal = lossOf("universal");
    const random = lossOf("random");
    const name = "Loss increase ratio";
    if (universal === undefined || random === undefined) {
      return key(name, "–", "not measured at the last step");
    }
    const explained =
      "universal over as many random neurons, ablated at the last step: " +
      `${format.measure(universal)} and ${format.measure(random)} nats`;
    // A ratio to a cost of nothing, or to a gain, says nothing.
    return key(
      name,
      random > 0 && universal > 0 ? `${format.short(universal / random)} ×` : "–",
      explained,
    );
  }

  function persistenceKey() {
    const [from, to] = study.steps.slice(-2);
    const rows = study.persistence.filter(
      (row) => data.isMain(row) && row.from === from && row.to === to && row.persistence !== null,
    );
    if (study.steps.length < 2 || rows.length === 0) return null;
    return key(
      "Persistence",
      format.percent(d3.mean(rows, (row) => row.persistence)),
      `of the universal neurons at step ${format.step(from)} still are at step ${format.step(to)}`,
    );
  }

  const span =
    study.steps.length > 1
      ? `${format.step(study.steps[0])} to ${format.step(study.steps.at(-1))}`
      : study.steps.join();
  section.append(
    element(
      "dl",
      { class: "keys" },
      key("Models", format.whole(study.models.length), study.models.join(", ")),
      key("Training steps", format.whole(study.steps.length), span),
      key("Tokens", format.whole(study.dataset.token_count), study.dataset.name),
      shareKey(),
      persistenceKey(),
      ablationKey(),
    ),
  );
  section.append(
    Homolog.dom.paragraph(
      "A neuron is universal where its excess correlation with the other models is above a " +
        "threshold: its maximum correlation with their neurons, less the same maximum after these " +
        `were rotated at random (${baseline}, mean of ${rotations}). Persistence is the ` +
        "share of the universal neurons of one step that are universal at another. An ablation " +
        "replaces the activations of a set of neurons; what it costs is the increase of the " +
        "next-token loss and the divergence from the clean model's predictions.",
    ),
  );
};
