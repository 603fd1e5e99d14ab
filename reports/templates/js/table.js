// The table of all cases. Only the rows in view exist: 100,000 rows are indices into columns.
(function table() {
  const box = byId("rows");
  if (!box) return;
  const ROW = 33, SPARE = 8;
  const head = box.querySelector("thead"), body = box.querySelector("tbody"), sheet = box.querySelector("table");
  const input = byId("filter"), who = byId("generator"), status = byId("status"), suites = byId("suite");
  const clips = new Map(DATA.clips.map((clip, i) => [clip.suite + "\n" + clip.case, i]));
  const OPERATORS = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
    "=": (a, b) => a === b, "!=": (a, b) => a !== b,
  };
  let name, part, columns, order, words, sorted, pool, first;

  function columnsOf(found) {
    const text = (key) => {
      const { names, index } = found.texts[key];
      return { name: key, text: true, at: (i) => names[index[i]] };
    };
    const numbers = found.metrics.map((key, m) => {
      const values = found.values[m];
      const whole = values.every((value) => value === null || Number.isInteger(value));
      return { name: key, text: false, at: (i) => values[i], digits: whole ? 0 : 3 };
    });
    const many = found.sample.some((sample) => sample);
    return [
      { name: "case", text: true, at: (i) => found.case[i] }, text("generator"), text("status"),
      ...(many ? [{ name: "sample", text: false, at: (i) => found.sample[i], digits: 0 }] : []),
      ...numbers, text("reason"),
    ];
  }

  function widthOf(column) {
    if (!column.text) return Math.max(7, column.name.length + 4);
    let longest = column.name.length + 4;
    const step = Math.max(1, Math.floor(part.rows / 500));
    for (let i = 0; i < part.rows; i += step) longest = Math.max(longest, column.at(i).length);
    return Math.min(longest + 3, column.name === "reason" ? 60 : 42);
  }

  function header() {
    const row = make("tr");
    row.setAttribute("aria-rowindex", "1");
    let total = 0;
    columns.forEach((column) => {
      const cell = make("th", column.text ? "text" : "");
      cell.scope = "col";
      const button = make("button", "", column.name.replace(/_/g, " "));
      button.type = "button";
      button.addEventListener("click", () => sort(column));
      const width = Math.round(widthOf(column) * 8 + 14);
      cell.style.width = width + "px";
      total += width;
      cell.append(button);
      row.append(cell);
      column.cell = cell;
    });
    sheet.style.width = total + "px";
    head.replaceChildren(row);
  }

  function compare(column, falling) {
    const sign = falling ? -1 : 1;
    return (i, j) => {
      const a = column.at(i), b = column.at(j);
      if (a === b) return i - j;
      if (a === null || a === undefined) return 1;
      if (b === null || b === undefined) return -1;
      return a < b ? -sign : sign;
    };
  }

  function sort(column, falling) {
    const again = sorted && sorted.column === column;
    sorted = { column, falling: falling ?? (again ? !sorted.falling : !column.text) };
    order.sort(compare(column, sorted.falling));
    columns.forEach((other) => other.cell.removeAttribute("aria-sort"));
    column.cell.setAttribute("aria-sort", sorted.falling ? "descending" : "ascending");
    box.scrollTop = 0;
    draw(true);
  }

  function haystack(i) {
    words = words || new Array(part.rows);
    return (words[i] ??= ["case", "generator", "status", "reason", "role"]
      .map((key) => (key === "case" ? part.case[i] : part.texts[key].names[part.texts[key].index[i]]))
      .join(" ").toLowerCase());
  }

  function tests(query) {
    return query.trim().split(/\s+/).filter(Boolean).map((word) => {
      const parsed = /^(.+?)(<=|>=|!=|<|>|=)(-?[\d.]+)$/.exec(word);
      const column = parsed && columns.find((c) => !c.text && c.name.replace(/ /g, "_") === parsed[1]);
      if (column) {
        const holds = OPERATORS[parsed[2]], limit = Number(parsed[3]);
        return (i) => column.at(i) !== null && column.at(i) !== undefined && holds(column.at(i), limit);
      }
      const lower = word.toLowerCase();
      return (i) => haystack(i).includes(lower);
    });
  }

  function filter() {
    const wanted = tests(input.value);
    for (const [select, key] of [[who, "generator"], [status, "status"]]) {
      const { names, index } = part.texts[key];
      const code = names.indexOf(select.value);
      if (select.selectedIndex > 0) wanted.push((i) => index[i] === code);
    }
    order = [];
    for (let i = 0; i < part.rows; i += 1) if (wanted.every((test) => test(i))) order.push(i);
    if (sorted) order.sort(compare(sorted.column, sorted.falling));
    const count = (n) => n.toLocaleString("en");
    byId("count").textContent = count(order.length) + " of " + count(part.rows) + " videos";
    sheet.setAttribute("aria-rowcount", String(order.length + 1));
    box.scrollTop = 0;
    draw(true);
  }

  function fill(row, i, place) {
    row.hidden = i === undefined;
    if (row.hidden) return;
    row.setAttribute("aria-rowindex", String(place + 2));
    row.className = columns[1] && part.texts.role.names[part.texts.role.index[i]];
    columns.forEach((column, c) => {
      const value = column.at(i), cell = row.cells[c];
      const text = column.text ? value : shown(value, column.digits);
      cell.classList.toggle("lost", column.name === "status" && value !== "ok");
      const clip = c === 0 && row.className === "subject" && !part.sample[i] && clips.get(name + "\n" + value);
      if (clip !== false && clip !== undefined) {
        const link = make("a", "", text);
        link.href = "#clip-" + clip;
        cell.replaceChildren(link);
      } else cell.textContent = text;
      cell.title = column.text && text.length > 30 ? text : "";
    });
  }

  function draw(anew) {
    const from = Math.max(0, Math.floor(box.scrollTop / ROW) - SPARE);
    if (!anew && from === first) return;
    first = from;
    pool.top.style.height = from * ROW + "px";
    pool.rows.forEach((row, k) => fill(row, order[from + k], from + k));
    pool.bottom.style.height = Math.max(0, order.length - from - pool.rows.length) * ROW + "px";
  }

  function build() {
    const space = () => {
      const row = make("tr", "space"), cell = make("td");
      row.setAttribute("aria-hidden", "true");
      cell.colSpan = columns.length;
      row.append(cell);
      return { row, cell };
    };
    const top = space(), bottom = space();
    const rows = Array.from({ length: Math.ceil(box.clientHeight / ROW) + 2 * SPARE }, () => {
      const row = make("tr");
      columns.forEach((column) => row.append(make("td", column.text ? "text" : "")));
      return row;
    });
    pool = { rows, top: top.cell, bottom: bottom.cell };
    body.replaceChildren(top.row, ...rows, bottom.row);
  }

  function choices(select, label, names) {
    select.replaceChildren(...[label, ...names].map((text, i) => {
      const option = make("option", "", text);
      option.value = i === 0 ? "" : text;
      return option;
    }));
  }

  function open(suite) {
    name = suite;
    part = DATA.suites[suite];
    columns = columnsOf(part);
    words = undefined;
    sorted = undefined;
    choices(who, "all", part.texts.generator.names);
    choices(status, "all", part.texts.status.names);
    const subject = part.texts.role.index.findIndex((code) => part.texts.role.names[code] === "subject");
    if (subject >= 0) who.value = part.texts.generator.names[part.texts.generator.index[subject]];
    header();
    build();
    filter();
    sort(columns.find((column) => !column.text), true);
  }

  let waiting;
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 80); });
  who.addEventListener("change", filter);
  status.addEventListener("change", filter);
  if (suites) suites.addEventListener("change", () => { input.value = ""; open(suites.value); });
  box.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)), { passive: true });
  document.querySelectorAll(".show-failures").forEach((button) => button.addEventListener("click", () => {
    if (suites) suites.value = button.dataset.suite;
    open(button.dataset.suite);
    who.value = button.dataset.generator;
    input.value = "";
    filter();
    sort(columns.find((column) => column.name === "status"), false);
    byId("cases").scrollIntoView();
    box.focus({ preventScroll: true });
  }));
  open(Object.keys(DATA.suites)[0]);
})();
