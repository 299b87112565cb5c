// The axis of training steps: in equal distances where they are few or have no numbers, else by
// number, logarithmic where they span much (and so that step 0 has a place).
Homolog.steps = (() => {
  const FEW = 8;
  const SPAN = 50;
  const INSET = 10;
  const LINE = 13;
  const { format, textWidth, axes } = Homolog;

  // The values whose labels fit beside one another, the last one first of all.
  function spaced(values, position, label) {
    const kept = [];
    let limit = Infinity;
    for (const value of values.slice().reverse()) {
      const half = textWidth(label(value)) / 2 + 3;
      if (position(value) + half > limit) continue;
      kept.unshift(value);
      limit = position(value) - half;
    }
    return kept;
  }

  const isNumber = (step) => /^\d+$/.test(step);

  function byNumber(values, width, name) {
    const numbers = values.map(Number);
    const domain = d3.extent(numbers);
    const smallest = d3.min(numbers.filter((number) => number > 0));
    const isLog = domain[1] / smallest > SPAN;
    const place = isLog ? d3.scaleSymlog().constant(smallest) : d3.scaleLinear();
    place.domain(domain).range([INSET, width - INSET]);
    const label = (number) => format.step(String(number));
    const scale = axes.named(name, {
      type: isLog ? "symlog" : "linear",
      ...(isLog ? { constant: smallest } : {}),
      domain,
      inset: INSET,
      ticks: spaced(numbers, place, label),
      tickFormat: label,
    });
    return { of: Number, scale };
  }

  // {of: value => position, scale: Plot's options} for values in equal distances.
  function inOrder(values, width, name, label = format.step) {
    const place = d3.scalePoint().domain(values).range([0, width]).padding(0.5);
    const scale = axes.named(name, {
      type: "point",
      padding: 0.5,
      domain: values,
      ticks: spaced(values, place, label),
      tickFormat: label,
    });
    return { of: (value) => value, scale };
  }

  // The same for training steps.
  const axis = (values, width, name = "training step") =>
    values.length > FEW && values.every(isNumber)
      ? byNumber(values, width, name)
      : inOrder(values, width, name);

  // Plot's options for the columns of a heat map or of bars.
  const cells = (values, width, name) => ({
    ...inOrder(values, width, name).scale,
    type: "band",
    padding: 0,
  });

  // The same for rows.
  function rows(values, height, name) {
    const step = height / values.length;
    const every = Math.ceil(LINE / step);
    const ticks = values.filter((_, i) => (values.length - 1 - i) % every === 0);
    const tickFormat = (value) => format.step(String(value));
    return axes.named(name, { type: "band", padding: 0, domain: values, ticks, tickFormat });
  }

  return { axis, inOrder, cells, rows };
})();
