// The page works without this: it saves clicks and remembers who decides.
"use strict";
for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && form.requestSubmit());
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (!field.value) field.disabled = true; // short addresses
  });
}
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-auto] :disabled")) field.disabled = false;
});
for (const field of document.querySelectorAll("input[data-remember]:not([readonly])")) {
  const key = `shelfcast.${field.dataset.remember}`;
  field.value ||= localStorage.getItem(key) ?? "";
  field.form.addEventListener("submit", () => localStorage.setItem(key, field.value));
}
// What a part of the page is replaced by is read from its start; what the server did not say is said here.
document.addEventListener("htmx:after:swap", (event) => event.detail.ctx.target?.focus({ preventScroll: true }));
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
