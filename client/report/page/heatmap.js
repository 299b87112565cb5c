// Cells coloured by a number, with the number in them where it fits.
Homolog.heatmap = (() => {
  const { colours } = Homolog;
  const TEXT = { width: 26, height: 15 };

  function numbers(rows, place, { value, text, domain }) {
    const isLight = (row) => colours.isLight(value(row) / domain[1]);
    return [
      ["black", isLight],
      ["white", (row) => !isLight(row)],
    ].map(([fill, filter]) => Plot.text(rows, { ...place, text, filter, fill, fontSize: 11 }));
  }

  // `x`, `y`, `value`, `text` and `title` are functions of a row; `cell` is the size in pixels.
  // Where `value` is null the cell is empty but for a dash.
  function marks(rows, { by, x, y, value, text, title, domain, cell }) {
    const place = { ...by, x, y };
    const known = rows.filter((row) => value(row) !== null);
    const empty = rows.filter((row) => value(row) === null);
    const fits = cell.width >= TEXT.width && cell.height >= TEXT.height;
    return [
      Plot.cell(known, { ...place, fill: value, inset: 0.5 }),
      Plot.cell(empty, { ...place, fill: "none", stroke: colours.line, inset: 1 }),
      Plot.text(empty, { ...place, text: () => "–", fill: colours.quiet, fontSize: 11 }),
      ...(fits ? numbers(known, place, { value, text, domain }) : []),
      Homolog.tip(rows, { ...place, title }),
    ];
  }

  const scale = (domain) => ({ type: "linear", domain, interpolate: colours.sequential });

  const ramp = (label, color, format, ticks = 4) =>
    Plot.legend({
      color,
      label,
      width: 260,
      marginLeft: 14,
      marginRight: 30,
      ticks,
      tickFormat: format,
      className: "ramp",
    });

  return { marks, scale, ramp };
})();
