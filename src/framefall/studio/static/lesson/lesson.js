// The lesson's page: which tab is open, its contents and pager, and reading aloud. The text stands in index.html; each diagram is an element of its own.

import { h } from "../static/dom.js";
import { EXPORTED } from "./live.js";
import { readyIn } from "./diagram.js";
import "./basics.js";
import "./time.js";
import "./attention.js";
import "./cascade.js";
import "./physics.js";

const tabs = [...document.querySelectorAll("section.tab")];
const links = tabs.map((tab) => document.getElementById(`tab-${tab.id}`));
const cards = tabs.flatMap((tab) => [...tab.querySelectorAll(".card")]);
const title = (card) => card.querySelector("h2").textContent;

if (!EXPORTED) {
  document.querySelector(".brand").after(h("a", { href: "../", class: "small" }, "Back to the studio"));
  const theme = localStorage.getItem("theme"); // what was chosen there
  if (["light", "dark"].includes(theme)) document.documentElement.dataset.theme = theme;
}

// Opens the tab of the address, and goes to the card in it.
async function open(first = false) {
  const target = document.getElementById(location.hash.slice(1)) ?? tabs[0];
  const tab = target.closest("section.tab");
  if (!tab) return; // the references are below every tab
  tabs.forEach((one, index) => {
    one.hidden = one !== tab;
    if (one === tab) links[index].setAttribute("aria-current", "page");
    else links[index].removeAttribute("aria-current");
  });
  document.title = `${tab.querySelector("h1").textContent} · How video diffusion works`;
  hush();
  const outer = target.closest("details");
  if (outer) outer.open = true;
  await readyIn(tab);
  if (first && !location.hash) return;
  if (target === tab) scrollTo(0, 0);
  else target.scrollIntoView();
  const heading = target.querySelector("h1, h2, h3, summary") ?? target;
  if (!heading.matches("summary")) heading.tabIndex = -1;
  if (!first) heading.focus({ preventScroll: true });
}

for (const tab of tabs) {
  const own = [...tab.querySelectorAll(".card")];
  tab.querySelector(".contents").append(h("h2", { class: "small" }, "In this part"), h("ol", {}, own.map((card) => h("li", {}, h("a", { href: `#${card.id}` }, title(card))))));
}

cards.forEach((card, index) => {
  const [before, after] = [cards[index - 1], cards[index + 1]];
  const link = (to, rel, text) => (to ? h("a", { href: `#${to.id}`, rel, class: rel }, h("span", { class: "small muted" }, text), h("span", {}, title(to))) : h("span", {}));
  card.append(h("nav", { class: "pager", ariaLabel: `Before and after “${title(card)}”` }, link(before, "prev", "Previous"), link(after ?? document.getElementById("references"), "next", "Next")));
});

// Reading aloud: the prose of a card, without its diagram.
let speaker = null;

function hush() {
  globalThis.speechSynthesis?.cancel();
  speaker?.setAttribute("aria-pressed", "false");
  speaker = null;
}

function read(card, button) {
  const again = speaker === button;
  hush();
  if (again) return;
  const parts = [card.querySelector("h2"), ...card.querySelectorAll(".prose > p, .prose > ol > li, .prose > math, .timeline h3, .timeline li > p")];
  const text = parts.map((part) => part.getAttribute("aria-label") ?? part.textContent.replaceAll(/\s+/g, " ")).join(" ");
  const said = new SpeechSynthesisUtterance(text);
  said.lang = "en";
  said.onend = () => speaker === button && hush();
  speaker = button;
  button.setAttribute("aria-pressed", "true");
  speechSynthesis.speak(said);
}

if ("speechSynthesis" in globalThis) {
  for (const card of cards) {
    const button = h("button", { type: "button", class: "plain read", ariaLabel: `Read aloud: ${title(card)}`, onclick: () => read(card, button) }, "Read aloud");
    button.setAttribute("aria-pressed", "false");
    (card.querySelector("summary + .prose") ?? card.querySelector("h2")).before(button);
  }
  addEventListener("pagehide", hush);
}

addEventListener("hashchange", () => open());
open(true);
