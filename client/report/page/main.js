// Draws the page. A section that cannot be drawn does not keep the others from it.
(() => {
  const { study, dom, format } = Homolog;
  const drawings = {
    summary: [Homolog.summary],
    emergence: [Homolog.emergence],
    persistence: [Homolog.persistence],
    ablation: [Homolog.ablation],
    correlations: [Homolog.correlations],
    families: [Homolog.families, Homolog.lineage],
    reproducibility: [Homolog.reproducibility],
  };

  function drawSection(name, parts) {
    try {
      parts.forEach((draw) => draw(dom.section(name)));
    } catch (error) {
      Homolog.errors.show(`The section ${name}`, error);
    }
  }

  document.title = `Universal neurons of ${study.models.join(", ")}`;
  dom.section("subtitle").textContent =
    `${format.plural(study.models.length, "model")}, ` +
    `${format.plural(study.steps.length, "training step")}, ${study.dataset.name}; ` +
    `Homolog ${study.homolog_version}, ${study.generated}`;
  for (const [name, parts] of Object.entries(drawings)) drawSection(name, parts);
  Homolog.figure.redrawWhenResized();
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("details").forEach((details) => {
      details.open = true;
    }),
  );
  dom.section("waiting").remove();
})();
