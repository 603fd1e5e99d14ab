"use strict";
(function theme() {
  const button = document.getElementById("theme");
  const names = ["auto", "light", "dark"];
  const said = { auto: "as the system", light: "light", dark: "dark" };
  let now = "auto";
  // Storage may be refused to pages from the disk; the toggle works without it.
  try { now = localStorage.getItem("simbench-theme") || "auto"; } catch (error) { now = "auto"; }
  function set(name) {
    now = names.includes(name) ? name : "auto";
    if (now === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.querySelector("span").textContent = now;
    button.setAttribute("aria-label", "Theme: " + said[now]);
    try { localStorage.setItem("simbench-theme", now); } catch (error) { return; }
  }
  button.addEventListener("click", () => set(names[(names.indexOf(now) + 1) % names.length]));
  if (now !== "auto") set(now);
})();
