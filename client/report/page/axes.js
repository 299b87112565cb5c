// What all axes have in common.
Homolog.axes = (() => {
  const named = (label, options = {}) => ({
    label,
    labelAnchor: "center",
    labelArrow: "none",
    ...options,
  });
  // From zero, with lines across the panel.
  const measured = (label, options = {}) =>
    named(label, { grid: true, zero: true, nice: true, ticks: 5, ...options });

  // Powers of ten up to `most`, with 2 and 5 between them where there are few.
  function logTicks(most) {
    const powers = d3.range(Math.floor(Math.log10(Math.max(1, most))) + 1).map((n) => 10 ** n);
    if (powers.length > 2) return powers;
    return powers.flatMap((n) => [n, 2 * n, 5 * n]).filter((tick) => tick <= most);
  }

  return { named, measured, logTicks };
})();
