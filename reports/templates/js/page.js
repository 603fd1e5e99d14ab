// What comes from a run is only ever set as text, never as markup.
const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);

function shown(value, digits) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits).replace("-", "−");
}

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

(function copying() {
  const button = byId("copy");
  if (!button) return;
  const command = byId("command");
  function select() {
    const range = document.createRange();
    range.selectNodeContents(command);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
  async function copy() {
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(command.textContent); return true; } catch (error) { return select(); }
    }
    return select();
  }
  button.addEventListener("click", async () => {
    button.textContent = (await copy()) ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
})();
