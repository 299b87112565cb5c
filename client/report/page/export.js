// A figure as one SVG file that stands alone: its plates where they are on the page, in the
// colours of paper.
Homolog.exporting = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const COLOURS = ["fill", "stroke", "color"];
  const INHERITED = ["color", "font-family", "font-size", "font-variant-numeric"];
  const dependsOnPage = (value) => value !== null && /var\(|currentColor|light-dark/.test(value);

  function inlineColours(source, copy) {
    const sources = [source, ...source.querySelectorAll("*")];
    const copies = [copy, ...copy.querySelectorAll("*")];
    sources.forEach((node, i) => {
      for (const name of COLOURS) {
        if (!dependsOnPage(node.getAttribute(name))) continue;
        copies[i].setAttribute(name, getComputedStyle(node)[name]);
      }
    });
  }

  function standAlone(svg, origin) {
    const copy = svg.cloneNode(true);
    inlineColours(svg, copy);
    const style = getComputedStyle(svg);
    for (const name of INHERITED) copy.setAttribute(name, style.getPropertyValue(name));
    for (const node of copy.querySelectorAll("[aria-label=tip], style")) node.remove();
    const box = svg.getBoundingClientRect();
    copy.setAttribute("x", box.left - origin.left);
    copy.setAttribute("y", box.top - origin.top);
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    copy.setAttribute("overflow", "visible");
    return copy;
  }

  function compose(plates) {
    const origin = plates.getBoundingClientRect();
    const whole = document.createElementNS(SVG, "svg");
    whole.setAttribute("xmlns", SVG);
    whole.setAttribute("viewBox", `-8 -8 ${origin.width + 16} ${origin.height + 16}`);
    whole.setAttribute("width", origin.width + 16);
    whole.setAttribute("height", origin.height + 16);
    const ground = document.createElementNS(SVG, "rect");
    for (const [name, value] of [
      ["x", -8],
      ["y", -8],
      ["width", "100%"],
      ["height", "100%"],
      ["fill", "white"],
    ])
      ground.setAttribute(name, value);
    whole.append(ground);
    for (const svg of plates.querySelectorAll("svg")) {
      if (!svg.parentElement.closest("svg")) whole.append(standAlone(svg, origin));
    }
    return new XMLSerializer().serializeToString(whole);
  }

  // The text of the file.
  function toSvg(plates) {
    const { style } = document.documentElement;
    style.colorScheme = "light";
    try {
      return compose(plates);
    } finally {
      style.colorScheme = "";
    }
  }

  function download(plates, name) {
    const url = URL.createObjectURL(new Blob([toSvg(plates)], { type: "image/svg+xml" }));
    const link = Homolog.dom.element("a", { href: url, download: name });
    link.click();
    URL.revokeObjectURL(url);
  }

  return { download, toSvg };
})();
