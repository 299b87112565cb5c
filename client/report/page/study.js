// The study that is shown, and what is asked of it everywhere.
Homolog.study = JSON.parse(document.getElementById("study").textContent);

Homolog.data = (() => {
  const { study } = Homolog;
  const lastStep = study.steps.at(-1);
  const isMain = (row) => row.threshold === study.main_threshold;
  const isLast = (row) => row.step === lastStep;

  // One row per combination of `keys` with the mean of `value` over the models that have one (null
  // where none has), the deviation between them and their number.
  function meanOverModels(rows, keys, value) {
    const groups = d3.group(rows, (row) => JSON.stringify(keys.map((key) => row[key])));
    return Array.from(groups.values(), (group) => ({
      ...Object.fromEntries(keys.map((key) => [key, group[0][key]])),
      [value]: d3.mean(group, (row) => row[value]) ?? null,
      deviation: d3.deviation(group, (row) => row[value]) ?? null,
      models: d3.count(group, (row) => row[value]),
    }));
  }

  // The entries' lists over layers as rows of their own.
  const byLayer = (rows, own) =>
    rows.flatMap((row) =>
      row.layers.map((value, layer) => ({ ...row, layer, ...own(value, row) })),
    );

  const layersOf = (rows) => d3.sort(new Set(rows.map((row) => row.layer)));
  const present = (all, rows, key) => {
    const found = new Set(rows.map((row) => row[key]));
    return all.filter((one) => found.has(one));
  };

  return { lastStep, isMain, isLast, meanOverModels, byLayer, layersOf, present };
})();
