// The studio's frame: which page is shown, the theme, and what a screen reader is told. A page is a module with
// `title`, `about` and `show(main, id)`.

import * as api from "./api.js";
import { h } from "./dom.js";

const PAGES = {
  generate: { name: "Generate", load: () => import("./pages/generate.js") },
  compare: { name: "Compare", load: () => import("./pages/compare.js") },
  train: { name: "Train", load: () => import("./pages/train.js") },
  measure: { name: "Measure", load: () => import("./pages/measure.js") },
  history: { name: "History", load: () => import("./pages/history.js") },
};
const THEMES = { system: "light", light: "dark", dark: "system" }; // what a press changes each to

const main = document.querySelector("#main");
const nav = document.querySelector("#nav");
let leave = null; // what the page that is shown wants done before it goes
let turns = 0; // how often another page was asked for

async function route(focus) {
  const [, name, id] = location.hash.match(/^#\/(\w+)(?:\/([^/]+))?/) ?? [null, "generate", undefined];
  const page = PAGES[name] ?? PAGES.generate;
  for (const link of nav.querySelectorAll("a")) {
    if (link.textContent === page.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const turn = (turns += 1);
  leave?.();
  leave = null;
  document.title = `${page.name} · Framefall studio`;
  try {
    const module = await page.load();
    if (turn !== turns) return; // somebody has gone on meanwhile
    const title = h("h1", { tabIndex: -1 }, module.title);
    const body = h("div", {}, h("p", { class: "muted" }, "Loading …"));
    main.replaceChildren(h("header", { class: "head" }, title, h("p", {}, module.about)), body);
    if (focus) title.focus();
    const after = await module.show(body, id);
    if (turn === turns) leave = after;
    else after?.();
  } catch (error) {
    if (turn !== turns) return;
    main.replaceChildren(
      h("h1", {}, error.status === 401 ? "The studio needs its key" : "This did not work"),
      h(
        "p",
        { class: "note bad", role: "alert" },
        error.status === 401
          ? "Open the link that `framefall studio` printed in the terminal: the key is in it."
          : error.message,
      ),
    );
    if (!(error instanceof api.Refused)) throw error;
  }
}

function theme(name) {
  const button = document.querySelector("#theme");
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  button.textContent = { system: "◐ as system", light: "☀ light", dark: "☾ dark" }[name];
  button.ariaLabel = `Theme: ${name}. Change to ${THEMES[name]}`;
  button.onclick = () => {
    localStorage.setItem("theme", THEMES[name]);
    theme(THEMES[name]);
  };
}

nav.append(
  ...Object.entries(PAGES).map(([name, page]) => h("a", { href: `#/${name}` }, page.name)),
  h("a", { href: "lesson/" }, "Lesson"),
);
theme(THEMES[localStorage.getItem("theme")] ? localStorage.getItem("theme") : "system");
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which page is shown
  main.focus();
});
addEventListener("hashchange", () => route(true));
route(false);
