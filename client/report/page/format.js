// Numbers and names as text.
Homolog.format = (() => {
  const setNames = {
    universal: "universal",
    others: "all others",
    random: "random",
    random_layer_matched: "random, layer-matched",
  };
  const pairingNames = { best: "best pairing", same_index: "same index" };
  const absent = "–";
  const orAbsent = (text) => (value) =>
    value === null || value === undefined || Number.isNaN(value) ? absent : text(value);

  const whole = orAbsent(d3.format(",d"));
  const percent = orAbsent(d3.format(".2%"));
  const short = orAbsent(d3.format(".3~g"));
  const error = orAbsent(d3.format(".1e"));
  // Three digits, and no exponents where people would not write them.
  const measure = orAbsent((value) => {
    const size = Math.abs(value);
    if (value === 0) return "0";
    if (size < 1e-4) return d3.format(".2e")(value);
    return d3.format(size < 1 ? ".3r" : ".4r")(value);
  });
  // A deviation or an error: two digits say enough.
  const spread = orAbsent((value) =>
    value === 0 ? "0" : d3.format(Math.abs(value) < 1e-4 ? ".1e" : ".2r")(value),
  );
  // A mean with as many decimals as the two digits of its deviation.
  function withSpread(mean, deviation) {
    if (!deviation) return `${measure(mean)} ± ${deviation === 0 ? 0 : absent}`;
    const decimals = Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(deviation))));
    const fixed = d3.format(`.${decimals}f`);
    return `${fixed(mean)} ± ${fixed(deviation)}`;
  }
  const average = orAbsent(d3.format(",.1~f"));
  const plain = orAbsent(String);
  const threshold = (value) => `excess\u00a0>\u00a0${value}`;
  const setName = (set) => setNames[set] ?? set;
  const pairing = (name) => pairingNames[name] ?? name;

  // 143000 is 143k.
  function step(name) {
    if (!/^\d+$/.test(name)) return name;
    const value = Number(name);
    if (value >= 1e6 && value % 1e5 === 0) return `${value / 1e6}M`;
    if (value >= 1e3 && value % 100 === 0) return `${value / 1e3}k`;
    return name;
  }

  function seconds(value) {
    if (value < 120) return `${d3.format(".3~r")(value)} s`;
    if (value < 7200) return `${d3.format(".3~r")(value / 60)} min`;
    return `${d3.format(".3~r")(value / 3600)} h`;
  }

  const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
  const lines = (...texts) => texts.filter((text) => text !== null).join("\n");

  return {
    whole,
    percent,
    short,
    error,
    measure,
    spread,
    withSpread,
    average,
    plain,
    threshold,
    setName,
    pairing,
    step,
    seconds,
    plural,
    lines,
  };
})();
