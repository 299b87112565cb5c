// Legends and headings as SVG, so that they are in what is downloaded.
Homolog.legend = (() => {
  const LINE = 20;
  const { colours, format, textWidth } = Homolog;

  const draw = {
    line: (g, colour) =>
      g
        .append("line")
        .attr("x1", 0)
        .attr("x2", 18)
        .attr("stroke", colour)
        .attr("stroke-width", 2.25),
    dashed: (g, colour) =>
      g
        .append("line")
        .attr("x1", 0)
        .attr("x2", 18)
        .attr("stroke", colour)
        .attr("stroke-width", 1.25)
        .attr("stroke-dasharray", "4,3"),
    box: (g, colour) =>
      g
        .append("rect")
        .attr("x", 2)
        .attr("y", -6)
        .attr("width", 13)
        .attr("height", 12)
        .attr("fill", colour),
  };

  const svg = (width, height) =>
    d3
      .create("svg")
      .attr("width", width)
      .attr("height", height)
      .attr("viewBox", [0, 0, width, height])
      .attr("fill", "currentColor");

  // Entries are {label, colour, shape: a name in `draw`}; they wrap at `width`.
  function keys(entries, width) {
    let x = 0;
    let y = 0;
    const places = entries.map(({ label }) => {
      const needed = 24 + textWidth(label) + 22;
      if (x > 0 && x + needed > width) [x, y] = [0, y + LINE];
      const place = [x, y + LINE / 2];
      x += needed;
      return place;
    });
    const root = svg(width, y + LINE + 4);
    entries.forEach(({ label, colour, shape }, i) => {
      const g = root.append("g").attr("transform", `translate(${places[i]})`);
      draw[shape](g, colour);
      g.append("text").attr("x", 24).attr("dy", "0.35em").text(label);
    });
    return root.node();
  }

  // "a" and what plate a shows.
  function heading(letter, text, width) {
    const root = svg(width, 26);
    const line = root.append("text").attr("y", 19);
    line.append("tspan").attr("font-weight", 700).text(letter);
    line.append("tspan").attr("dx", 8).text(text);
    return root.node();
  }

  const sets = (names, width) =>
    keys(
      names.map((set) => ({
        label: format.setName(set),
        colour: colours.ofSet(set),
        shape: "line",
      })),
      width,
    );

  const thresholdEntries = (values) =>
    values.map((value) => ({
      label: format.threshold(value),
      colour: colours.ofThreshold(value),
      shape: "line",
    }));

  const thresholds = (values, width) => keys(thresholdEntries(values), width);

  return { keys, heading, sets, thresholdEntries, thresholds };
})();
