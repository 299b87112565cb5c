// Numbered figures and tables with their captions.
Homolog.figure = (() => {
  const { element } = Homolog.dom;
  const NARROWEST = 320;
  const charts = [];
  let tables = 0;

  const csvLinks = (names) =>
    names.map((name) => element("a", { href: `tables/${name}.csv` }, `${name}.csv`));

  function caption(label, { title, text, csv = [] }, ...tools) {
    return element(
      "figcaption",
      {},
      element("b", {}, `${label}. ${title}. `),
      text,
      element("div", { class: "tools" }, ...tools, ...csvLinks(csv)),
    );
  }

  function draw(chart) {
    const width = Math.max(NARROWEST, chart.plates.clientWidth);
    if (chart.width === width) return;
    chart.width = width;
    chart.plates.replaceChildren(...chart.draw(width).map(asRow));
  }

  // Nothing stands beside a plate unless it was put there.
  const asRow = (node) => (node.tagName === "svg" ? element("div", { class: "row" }, node) : node);

  function downloadButton(plates, number) {
    const button = element("button", { type: "button" }, "Download SVG");
    button.addEventListener("click", () =>
      Homolog.exporting.download(plates, `figure-${number}.svg`),
    );
    return button;
  }

  // `draw` gives the plates, from top to bottom, for a width in pixels.
  function chart(section, { draw: drawPlates, note = null, ...about }) {
    const number = charts.length + 1;
    const plates = element("div", { class: "plates", role: "img", "aria-label": about.title });
    section.append(
      element(
        "figure",
        { id: `figure-${number}`, class: "chart" },
        plates,
        caption(`Figure ${number}`, about, downloadButton(plates, number)),
        note,
      ),
    );
    charts.push({ plates, draw: drawPlates, width: 0 });
    draw(charts.at(-1));
  }

  function table(section, about, ...content) {
    tables += 1;
    section.append(
      element(
        "figure",
        { id: `table-${tables}`, class: "table" },
        caption(`Table ${tables}`, about),
        element("div", { class: "tables" }, ...content),
      ),
    );
  }

  function redrawWhenResized() {
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => charts.forEach(draw), 150);
    });
  }

  return { chart, table, redrawWhenResized };
})();
