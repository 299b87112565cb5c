// What is said of the row nearest to the pointer: options have x, y and title.
Homolog.tip = (rows, options, pointer = Plot.pointer) =>
  Plot.tip(rows, pointer({ lineHeight: 1.25, ...options }));
