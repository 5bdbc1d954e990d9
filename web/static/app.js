// The panel's behaviour: dialogs, clearing, opening rows, keys. Everything works without it, with more page loads.

import { followCall, followOrders } from "./live.js";

const KEYS_OFF = "keys-off";

function upgradeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[data-modal][open]")) {
    if (dialog.matches(":modal")) continue;
    dialog.close();
    dialog.showModal();
    dialog.addEventListener("close", () => document.getElementById("order-submit")?.focus());
  }
}

function showProblems() {
  document.querySelector("#order [aria-invalid=true]")?.focus();
}

function toggleRow(expander) {
  const open = expander.getAttribute("aria-expanded") !== "true";
  expander.setAttribute("aria-expanded", String(open));
  document.getElementById(expander.getAttribute("aria-controls")).hidden = !open;
  expander.closest(".entry").classList.toggle("open", open);
}

function onClick(event) {
  const target = event.target;
  const opener = target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
  const clear = target.closest("[data-clear]");
  if (clear) {
    const field = document.getElementById(clear.dataset.clear);
    field.value = "";
    field.focus();
  }
  const row = target.closest(".entry > tr:first-child");
  const expander = row?.querySelector("button.expander");
  const control = target.closest("a, button, input, select, label");
  if (expander && (!control || control === expander) && getSelection().isCollapsed) toggleRow(expander);
}

function moveAmongRows(step) {
  const expanders = [...document.querySelectorAll("button.expander")];
  const at = expanders.indexOf(document.activeElement);
  expanders[Math.min(Math.max(at + step, 0), expanders.length - 1)]?.focus();
}

function onKey(event) {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (localStorage.getItem(KEYS_OFF)) return;
  const actions = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => document.getElementById("help")?.showModal(),
    j: () => moveAmongRows(1),
    k: () => moveAmongRows(-1),
  };
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

function tellReach(reached) {
  const note = document.getElementById("unreachable");
  if (note) note.hidden = reached;
}

function onSubmit(event) {
  // Without a network the browser's own error page would take the place of what was typed, or of the call.
  if (navigator.onLine || event.target.method === "dialog") return;
  event.preventDefault();
  event.stopPropagation();
  event.target.closest("dialog")?.close();
  tellReach(false);
}

function setUpKeys() {
  const box = document.getElementById("keys-on");
  if (!box) return;
  box.checked = !localStorage.getItem(KEYS_OFF);
  box.addEventListener("change", () =>
    box.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1"),
  );
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
addEventListener("submit", onSubmit, { capture: true });
addEventListener("offline", () => tellReach(false));
addEventListener("online", () => tellReach(true));
document.addEventListener("htmx:error", ({ detail }) => detail.ctx && !detail.ctx.response && tellReach(false));
document.addEventListener("htmx:after:request", () => tellReach(true));
document.addEventListener("htmx:after:swap", () => {
  upgradeDialogs();
  showProblems();
});
setUpKeys();
upgradeDialogs();
showProblems();
followCall(document.querySelector("[data-live]"));
followOrders(document.querySelector("[data-calls]"));
