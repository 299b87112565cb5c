// What has which colour, everywhere on the page.
Homolog.colours = (() => {
  // Lighter or darker with the threshold, so that the order is seen without the hues, which
  // no set of neurons has.
  function ramp(index, count) {
    const t = count === 1 ? 0.5 : index / (count - 1);
    const onLight = d3.interpolateRdPu(0.55 + 0.43 * t);
    const onDark = d3.interpolateRdPu(0.22 + 0.44 * t);
    return `light-dark(${onLight}, ${onDark})`;
  }

  const { thresholds } = Homolog.study;
  thresholds.forEach((_, i) =>
    document.documentElement.style.setProperty(`--threshold-${i}`, ramp(i, thresholds.length)),
  );

  const ofThreshold = (threshold) => `var(--threshold-${thresholds.indexOf(threshold)})`;
  // Of a mark whose fill or stroke is the threshold as a text.
  const thresholdScale = {
    type: "ordinal",
    domain: thresholds.map(String),
    range: thresholds.map(ofThreshold),
  };
  const knownSets = new Set(["universal", "others", "random", "random_layer_matched"]);
  const ofSet = (set) => (knownSets.has(set) ? `var(--set-${set})` : "var(--ink)");
  const sequential = d3.interpolateViridis;
  // Its part that is seen on either page, for cells that stand alone.
  const scattered = (t) => d3.interpolateViridis(0.25 + 0.75 * t);
  // On a cell of the sequential scale at t in [0, 1].
  const isLight = (t) => t > 0.6;

  return {
    ofThreshold,
    thresholdScale,
    ofSet,
    sequential,
    scattered,
    isLight,
    quiet: "var(--quiet)",
    line: "var(--line)",
    page: "var(--page)",
    bar: "var(--bar)",
  };
})();
