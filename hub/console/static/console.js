// Keys, the theme, and small comforts; every page works without this file.
(() => {
  const typing = (target) => target.matches("input, textarea, select, [contenteditable]");
  let going = 0;

  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
  const current = () => document.querySelector("[data-rows] tbody tr.current");

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current());
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    current()?.classList.remove("current");
    next.classList.add("current");
    next.scrollIntoView({ block: "nearest" });
    const link = next.querySelector("a");
    (link || next).focus({ preventScroll: true });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (going && Date.now() - going < 1500) {
      going = 0;
      const page = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (page) { event.preventDefault(); page.click(); }
      return;
    }
    const keyed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (event.key === "g") going = Date.now();
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "x") current()?.querySelector("input[type=checkbox]")?.click();
    else if (event.key === "?") document.querySelector('[data-bs-target="#keys"]')?.click();
    else if (keyed) {
      event.preventDefault();
      if (typing(keyed)) keyed.focus(); else keyed.click();
    }
  }

  async function copy(button, field) {
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    button.textContent = "Copied";
  }

  function switchTheme() {
    const dark = document.documentElement.getAttribute("data-bs-theme") !== "dark";
    document.documentElement.setAttribute("data-bs-theme", dark ? "dark" : "light");
    localStorage.setItem("hub-theme", dark ? "dark" : "light");
    document.dispatchEvent(new CustomEvent("hub:theme"));
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-switch]")) switchTheme();
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied, document.getElementById(copied.dataset.copy));
    const all = event.target.closest("[data-choose-all]");
    if (all) for (const box of all.closest("form").querySelectorAll("input[type=checkbox][name]")) box.checked = all.checked;
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "get") for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
    const button = event.submitter;
    if (form.method === "post" && button) {
      const question = button.dataset.confirm;
      if (question && !confirm(question)) { event.preventDefault(); return; }
      if (form.hasAttribute("hx-post")) return;
      setTimeout(() => { button.disabled = true; }, 0);
    }
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form :disabled:not([data-off])")) field.disabled = false;
  });
  for (const field of document.querySelectorAll("input[data-zone]")) {
    field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  }
})();
