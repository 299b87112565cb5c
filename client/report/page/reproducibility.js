// Everything that determines the numbers above.
Homolog.reproducibility = (section) => {
  const { study, dom, format, figure } = Homolog;
  const { element } = dom;
  const MANY = 15;
  const { dataset, parameters, cost } = study;

  const list = (...parts) => parts.join(", ");
  const block = (title, pairs) => element("div", {}, element("h3", {}, title), dom.facts(pairs));
  const stored = (computed, found) =>
    `${format.whole(computed)} computed, ${format.whole(found)} from the store`;
  const kind =
    parameters.ablation_value === null
      ? parameters.ablation_kind
      : `${parameters.ablation_kind} (${parameters.ablation_value})`;

  function ablationDataset() {
    const of = study.ablation_dataset;
    if (of === null) return [];
    return [
      block("Data set of the ablations", [
        ["Name", of.name],
        ["SHA-256", of.sha256],
        ["Sequences", format.whole(of.sequence_count)],
        ["Tokens in each", format.whole(of.sequence_length)],
      ]),
    ];
  }

  const blocks = () => [
    block("Study", [
      ["Name", study.name],
      ["Homolog", `version ${study.homolog_version}, format ${study.format}`],
      ["Created", study.create_time],
      ["Report written", study.generated],
      ["Took", format.seconds(study.duration_seconds)],
      ["Models", list(...study.models)],
      ["Steps", list(...study.steps)],
      ["Thresholds", list(...study.thresholds)],
      ["Main threshold", String(study.main_threshold)],
      ["Rule over partners", study.rule],
    ]),
    block("Data set", [
      ["Name", dataset.name],
      ["SHA-256", dataset.sha256],
      ["Sequences", format.whole(dataset.sequence_count)],
      ["Tokens in each", format.whole(dataset.sequence_length)],
      ["Tokens", format.whole(dataset.token_count)],
      ["Excluded token ids", list(...parameters.excluded_token_ids) || "none"],
    ]),
    ...ablationDataset(),
    block("Parameters", [
      ["Site", parameters.site],
      ["Baseline", parameters.baseline],
      ["Rotations", list(parameters.rotations, `seed ${parameters.seed}`)],
      ["Precision", parameters.precision],
      ["Ablation", kind],
      ["Random draws", list(parameters.draws, `seed ${parameters.ablation_seed}`)],
    ]),
    block("Work", [
      ["Correlations", stored(cost.correlations_computed, cost.correlations_stored)],
      ["Ablations", stored(cost.ablations_computed, cost.ablations_stored)],
      ["Tokens through models", format.whole(cost.forward_tokens)],
    ]),
  ];

  const number = (name, of) => ({ name, of, kind: "number" });
  const model = { name: "Model", of: (row) => row.model };
  const step = number("Step", (row) => row.step);

  const checkpoints = () =>
    dom.table(
      [
        model,
        step,
        number("Layers", (row) => format.plain(row.layers)),
        number("d_model", (row) => format.plain(row.d_model)),
        number("d_mlp", (row) => format.plain(row.d_mlp)),
        number("Vocabulary", (row) => format.whole(row.vocabulary_size)),
        { name: "SHA-256 of the weights", of: (row) => row.weights_sha256, kind: "digest" },
      ],
      study.checkpoints,
    );

  const correlations = () =>
    dom.table(
      [
        model,
        step,
        { name: "Pairing", of: (row) => row.pairing },
        number("Positions", (row) => format.whole(row.counted_positions)),
        number("Dead", (row) => format.whole(row.dead_neurons)),
        number("Max. error", (row) => format.error(row.max_error)),
        number("Mean error", (row) => format.error(row.mean_error)),
        number("Took", (row) => format.seconds(row.duration_seconds)),
        { name: "Result", of: (row) => row.name.replace(/^correlations\//, ""), kind: "digest" },
      ],
      study.correlations,
    );

  // Long lists are at hand, not in the way.
  function folded(table, rows) {
    if (rows.length <= MANY) return table;
    return element("details", {}, element("summary", {}, format.plural(rows.length, "row")), table);
  }

  section.append(
    dom.paragraph(
      "study.json, beside this page, holds every number of it; tables/ holds them as CSV.",
    ),
    element("div", { class: "blocks" }, blocks()),
  );
  const ofCheckpoints = {
    title: "Checkpoints",
    text: "The digest is over the weights themselves, whatever the format of their file.",
    csv: ["checkpoints"],
  };
  figure.table(section, ofCheckpoints, folded(checkpoints(), study.checkpoints));
  const ofCorrelations = {
    title: "Correlations",
    text:
      "Errors: absolute, of correlations against float64, over a random sample of pairs of " +
      "neurons. Dead neurons never vary and have no correlation.",
    csv: ["correlations"],
  };
  figure.table(section, ofCorrelations, folded(correlations(), study.correlations));
};
