// The page works without this: it saves clicks and remembers who decides.
"use strict";
for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && form.requestSubmit());
}
// A phone shows a part of a picture: of past and future the last days first.
for (const plot of document.querySelectorAll("[data-end]")) plot.scrollLeft = plot.scrollWidth;
for (const field of document.querySelectorAll("input[data-remember]:not([readonly])")) {
  const key = `shelfcast.${field.dataset.remember}`;
  field.value ||= localStorage.getItem(key) ?? "";
  field.form.addEventListener("submit", () => localStorage.setItem(key, field.value));
}
// What a part of the page is replaced by is read from its start; what the server did not say is said here.
document.addEventListener("htmx:after:swap", (event) => event.detail.ctx.target?.focus?.({ preventScroll: true }));
document.addEventListener("htmx:error", (event) => {
  const words = document.createElement("p");
  words.className = "alertbox";
  words.setAttribute("role", "alert");
  words.textContent = "The server did not answer. Is it still running? Try again, or load the page again.";
  event.detail.ctx.target?.prepend(words);
});
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("#q");
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
  if (event.key === "/" && search && !typing) {
    event.preventDefault();
    search.focus();
  }
});
