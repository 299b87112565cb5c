// Elements. What a study says becomes text nodes only: names in it come from outside.
Homolog.dom = (() => {
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }

  const section = (id) => document.getElementById(id);
  const paragraph = (text) => element("p", {}, text);
  const note = (...children) => element("div", { class: "note" }, ...children);

  // Columns are {name, of: row => text, kind: "number"|"name"|..}; the first heads its row.
  function table(columns, rows, caption) {
    const head = columns.map(({ name, kind }) =>
      element("th", { scope: "col", class: kind ?? "" }, name),
    );
    const body = rows.map((row) =>
      element(
        "tr",
        {},
        columns.map((column, i) =>
          element(
            i === 0 ? "th" : "td",
            {
              ...(i === 0 ? { scope: "row" } : {}),
              class: column.kind ?? "",
            },
            column.of(row),
          ),
        ),
      ),
    );
    return element(
      "div",
      { class: "scroll" },
      element(
        "table",
        {},
        caption ? element("caption", {}, caption) : null,
        element("thead", {}, element("tr", {}, head)),
        element("tbody", {}, body),
      ),
    );
  }

  // Pairs of a name and a text.
  function facts(pairs) {
    const rows = pairs.map(([name, text]) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, text)),
    );
    return element(
      "div",
      { class: "scroll" },
      element("table", { class: "facts" }, element("tbody", {}, rows)),
    );
  }

  return { element, section, paragraph, note, table, facts };
})();
