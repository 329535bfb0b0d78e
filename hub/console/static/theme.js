// Light or dark before anything is painted: what was chosen here, else what the system says.
(() => {
  const chosen = localStorage.getItem("hub-theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.setAttribute("data-bs-theme", dark ? "dark" : "light");
})();
