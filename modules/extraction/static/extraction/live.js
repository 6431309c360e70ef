// Keeps a page of the dashboard current: asks once a second, while it is seen, what has changed.
"use strict";

(() => {
  const root = document.querySelector("[data-live]");
  if (!root) return;
  const EVERY = 1000; // ms between two looks
  const SLOWEST = 15000; // ms, when nobody answers
  const PATIENCE = 20000; // ms for one answer
  const state = root.querySelector("[data-state]");
  const say = root.querySelector("[data-say]");
  const shown = new Map();
  let etag = root.dataset.etag || "";
  let pause = EVERY;
  let timer = 0;
  let isLooking = false;

  function tell(text, isFine) {
    const both = `${isFine}${text}`;
    if (state.dataset.told === both) return; // a screen reader hears what is new only
    state.dataset.told = both;
    state.textContent = text;
    state.classList.toggle("ex-away", !isFine);
  }

  function replaced(part, html) {
    const open = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
    const held = part.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = [...part.querySelectorAll(".ex-scroll")].map((one) => one.scrollLeft);
    part.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    part.querySelectorAll(".ex-scroll").forEach((one, n) => (one.scrollLeft = scrolled[n] || 0));
    if (held) document.getElementById(held)?.focus({ preventScroll: true });
  }

  function show(news) {
    for (const [name, html] of Object.entries(news.parts)) {
      if (shown.get(name) === html) continue;
      shown.set(name, html);
      const part = root.querySelector(`[data-part="${name}"]`);
      if (part) replaced(part, html);
    }
    if (say && say.textContent !== news.say) say.textContent = news.say;
  }

  async function look() {
    if (document.hidden || isLooking) return;
    isLooking = true;
    try {
      const headers = { Accept: "application/json" };
      if (etag) headers["If-None-Match"] = etag;
      const answer = await fetch(root.dataset.live, {
        headers,
        cache: "no-store",
        credentials: "same-origin",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (answer.type === "opaqueredirect" || answer.status === 403) {
        tell("You are not signed in any more, or may not look: load the page again.", false);
        pause = SLOWEST;
      } else if (answer.status === 304 || answer.ok) {
        if (answer.ok) {
          show(await answer.json());
          etag = answer.headers.get("ETag") || "";
        }
        tell("Live", true);
        pause = EVERY;
      } else {
        throw new Error(String(answer.status));
      }
    } catch {
      tell("No news: the shop does not answer. Trying again.", false);
      pause = Math.min(SLOWEST, pause * 2);
    } finally {
      isLooking = false;
      clearTimeout(timer);
      timer = setTimeout(look, pause);
    }
  }

  function ago(seconds) {
    if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s ago`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
    return `${Math.round(seconds / 86400)} days ago`;
  }

  function age() {
    for (const one of root.querySelectorAll("time[data-ago]")) {
      one.dataset.ago = ago((Date.now() - Date.parse(one.dateTime)) / 1000);
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      clearTimeout(timer);
      look();
    }
  });
  setInterval(age, 1000);
  age();
  look();
})();
