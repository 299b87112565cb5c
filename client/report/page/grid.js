// Panels of one plot, as many to a row as fit, each with its title above.
Homolog.grid = (() => {
  const GAP = { x: 26, y: 40 };
  const MARGIN = { top: 26, right: 20, bottom: 42, left: 58 };

  function columnsFor(count, inner, minWidth, maxColumns) {
    const fitting = Math.max(
      1,
      Math.min(maxColumns, count, Math.floor((inner + GAP.x) / (minWidth + GAP.x))),
    );
    // Rows of about the same length: twelve as 4 + 4 + 4 rather than 5 + 5 + 2.
    return Math.ceil(count / Math.ceil(count / fitting));
  }

  // A band per column or row with `gap` pixels between them.
  const band = (count, size, gap) => ({
    domain: d3.range(count),
    axis: null,
    padding: count > 1 ? gap / (size + gap) : 0,
  });

  const titleMark = (keys, places, title, panelWidth) =>
    Plot.text(title === null ? [] : keys, {
      ...places((key) => key),
      text: title,
      frameAnchor: "top-left",
      lineAnchor: "bottom",
      dy: -6,
      fontWeight: 600,
      lineWidth: panelWidth / 12,
      textOverflow: "ellipsis-end",
    });

  const plotOptions = ({ columns, rows, panelWidth, panelHeight, edge }) => ({
    width: edge.left + columns * panelWidth + (columns - 1) * GAP.x + edge.right,
    height: edge.top + rows * panelHeight + (rows - 1) * GAP.y + edge.bottom,
    marginTop: edge.top,
    marginRight: edge.right,
    marginBottom: edge.bottom,
    marginLeft: edge.left,
    fx: band(columns, panelWidth, GAP.x),
    fy: band(rows, panelHeight, GAP.y),
  });

  // Panels for `keys`. `title` is a function of a key, or null for panels without one; `height` a
  // number or a function of a panel's width. In the result, `options` are the plot's, `titles` is a
  // mark, and `by(keyOf)` puts a mark's rows into their panels.
  function grid(
    keys,
    {
      width,
      title = String,
      height = 170,
      minWidth = 200,
      maxWidth = Infinity,
      maxColumns = 6,
      margin = {},
    },
  ) {
    const edge = { ...MARGIN, ...(title === null ? { top: 12 } : {}), ...margin };
    const inner = width - edge.left - edge.right;
    const columns = columnsFor(keys.length, inner, minWidth, maxColumns);
    const rows = Math.ceil(keys.length / columns);
    const panelWidth = Math.min(maxWidth, (inner - GAP.x * (columns - 1)) / columns);
    const panelHeight = typeof height === "function" ? height(panelWidth) : height;
    const places = new Map(keys.map((key, i) => [key, i]));
    const by = (keyOf) => ({
      fx: (row) => places.get(keyOf(row)) % columns,
      fy: (row) => Math.floor(places.get(keyOf(row)) / columns),
    });
    return {
      by,
      titles: titleMark(keys, by, title, panelWidth),
      panelWidth,
      options: plotOptions({ columns, rows, panelWidth, panelHeight, edge }),
    };
  }

  return grid;
})();
