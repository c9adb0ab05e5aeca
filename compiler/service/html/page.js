// Shows what changed: the page's live part is fetched anew until its job has ended.
"use strict";

const PERIOD_MS = 2000;
const live = document.querySelector("[data-refresh]");
const path = location.pathname === "/" ? "/list" : `${location.pathname}/live`;

async function refresh() {
  if (!document.hidden && !getSelection().toString()) {
    try {
      const answer = await fetch(path + location.search, { redirect: "error" });
      if (answer.ok) live.innerHTML = await answer.text();
      else if (answer.status === 401) return location.reload();
    } catch {
      // The server is away; the next turn asks again.
    }
  }
  if (!live.querySelector("[data-final]")) setTimeout(refresh, PERIOD_MS);
}

if (!live.querySelector("[data-final]")) setTimeout(refresh, PERIOD_MS);
