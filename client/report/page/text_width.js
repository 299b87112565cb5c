// How wide a text stands in a figure, in pixels.
Homolog.textWidth = (() => {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return (text) => context.measureText(text).width;
})();
