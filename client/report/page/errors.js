"use strict";

// All of the page's own code is in here.
const Homolog = {};

// What goes wrong is shown: a figure that is silently absent would be taken for a result.
Homolog.errors = (() => {
  function show(where, error) {
    const box = document.createElement("p");
    box.className = "error";
    box.setAttribute("role", "alert");
    box.textContent = `${where} could not be drawn: ${error?.message ?? error}`;
    document.getElementById("errors").append(box);
    console.error(error);
  }
  window.addEventListener("error", (event) => show("This page", event.error ?? event.message));
  return { show };
})();
