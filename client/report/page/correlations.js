// The correlations that all of this rests on.
Homolog.correlations = (section) => {
  const { study, dom, baseline, excess } = Homolog;
  const PAIRINGS = ["best", "same_index"];
  if (study.excess.length === 0) {
    section.append(dom.paragraph("The study has no distributions of correlations."));
    return;
  }
  PAIRINGS.forEach((pairing) => baseline(section, pairing));
  excess(section, PAIRINGS);
};
