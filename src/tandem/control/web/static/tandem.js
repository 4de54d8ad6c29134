// What every page needs beyond htmx: time zone, forged-request token, unsaved changes, confirmations, rows.
"use strict";
document.documentElement.classList.add("js");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `tandem-zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;

document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector("meta[name=csrf]");
  if (token && event.detail.ctx) event.detail.ctx.request.headers["X-CSRF-Token"] = token.content;
});

// A form with data-guard asks before its changes are lost.
const state = (form) => new URLSearchParams(new FormData(form)).toString();
const guarded = new Map();
const watch = () => document.querySelectorAll("form[data-guard]").forEach((form) => {
  if (!guarded.has(form)) guarded.set(form, form.dataset.guard === "changed" ? "" : state(form));
});
const changed = (form) => document.contains(form) && guarded.get(form) !== state(form);
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-guard]");
  if (form) form.classList.toggle("changed", changed(form));
});
let leaving = false;
addEventListener("beforeunload", (event) => {
  if (!leaving && [...guarded.keys()].some(changed)) event.preventDefault();
});
addEventListener("pageshow", () => {
  leaving = false;
  document.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
  if (form.method === "post" && form.matches("[data-guard]")) leaving = true;
  if (form.matches("[data-busy]")) form.querySelectorAll("button").forEach((button) => {
    button.setAttribute("aria-busy", "true");
  });
});
document.addEventListener("reset", (event) => setTimeout(() => event.target.classList.remove("changed")));

// A file that is chosen is shown in the text field that data-into names.
document.addEventListener("change", async (event) => {
  const field = document.getElementById(event.target.dataset.into);
  if (!field || !event.target.files.length) return;
  field.value = await event.target.files[0].text();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// A button with data-add copies the last row of the group it stands in; data-remove empties its row.
document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add]"), remove = event.target.closest("[data-remove]");
  if (add) {
    const rows = document.getElementById(add.dataset.add), last = rows.lastElementChild.cloneNode(true);
    last.querySelectorAll("input").forEach((input) => { input.value = ""; input.removeAttribute("aria-invalid"); });
    last.querySelectorAll(".error").forEach((error) => error.remove());
    rows.append(last);
    last.querySelector("input").focus();
  }
  if (remove) {
    const row = remove.closest(".row"), form = row.closest("form");
    row.querySelectorAll("input").forEach((input) => { input.value = ""; });
    row.hidden = row.parentElement.children.length > 1;
    if (form) form.dispatchEvent(new Event("input", { bubbles: true }));
    if (form && form.matches("[data-guard]")) form.classList.toggle("changed", changed(form));
  }
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});
document.addEventListener("DOMContentLoaded", () => {
  watch();
  const wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) wrong.focus();
  const here = document.querySelector(".secondary [aria-current]");
  if (here && here.parentElement.scrollWidth > here.parentElement.clientWidth) {
    here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 2;
  }
  const enter = document.querySelector("form[data-submit]");
  if (enter) enter.requestSubmit();
});
