// Live refresh: whatever has data-live asks for the page again and takes its own part of it, until
// the server leaves the attribute out. Everything else works without a script.
"use strict";

function refresh() {
  const live = [...document.querySelectorAll("[data-live]")];
  if (!live.length || document.hidden) return;
  fetch(location.href, { headers: { Accept: "text/html" } })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((text) => {
      const page = new DOMParser().parseFromString(text, "text/html");
      for (const old of live) {
        const fresh = page.getElementById(old.id);
        if (!fresh || old.contains(document.activeElement) || fresh.innerHTML === old.innerHTML) {
          if (fresh && !fresh.hasAttribute("data-live")) old.removeAttribute("data-live");
          continue;
        }
        const open = [...old.querySelectorAll("details[open]")].map((each) => each.id);
        old.replaceWith(fresh);
        for (const id of open) if (id) document.getElementById(id)?.setAttribute("open", "");
      }
    })
    .catch(() => {});
}

setInterval(refresh, 2000);
