// Which ablations there are none of, and why. None is drawn as 0.
Homolog.absentAblations = (() => {
  const { data, dom, format } = Homolog;
  const { element } = dom;
  const FEW = 12;

  function layersText(rows) {
    const layers = data.layersOf(rows.filter((row) => row.layer !== null));
    return layers.length === 0
      ? ""
      : `, ${layers.length > 1 ? "layers" : "layer"} ${layers.join(", ")}`;
  }

  const thresholdText = ([threshold, rows]) => {
    const sets = Homolog.ablationPlates.setsIn(rows).map(format.setName);
    return `${format.threshold(threshold)} (${sets.join(", ")}${layersText(rows)})`;
  };

  const modelText = (rows) =>
    d3
      .groups(rows, (row) => row.threshold)
      .map(thresholdText)
      .join(", ");

  // Models of which the same is to be said are named together.
  function describe(rows) {
    const models = d3.groups(rows, (row) => row.model);
    return d3
      .groups(models, ([, own]) => modelText(own))
      .map(([text, alike]) => `${alike.map(([model]) => model).join(", ")}: ${text}`)
      .join("; ");
  }

  const items = (rows) =>
    d3
      .groups(
        rows,
        (row) => row.absent,
        (row) => row.step,
      )
      .flatMap(([reason, ofReason]) =>
        ofReason.map(([step, ofStep]) => `${reason}: step ${step}; ${describe(ofStep)}`),
      )
      .map((text) => element("li", {}, text));

  // A note for under a figure, or null where nothing is absent.
  function note(rows) {
    if (rows.length === 0) return null;
    const summary = `Not drawn, because there is none: ${format.plural(rows.length, "ablation")}`;
    return dom.note(
      element(
        "details",
        rows.length <= FEW ? { open: "" } : {},
        element("summary", {}, summary),
        element("ul", {}, items(rows)),
      ),
    );
  }

  return note;
})();
