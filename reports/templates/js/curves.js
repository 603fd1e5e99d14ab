// Numbers by frame, under the frames: each curve on the horizontal axis of the film strip.
function drawCurves(root, clip, seek) {
  const NS = "http://www.w3.org/2000/svg";
  const x = (t) => ((t + 0.5) / clip.frames) * 100;
  const rows = [...root.querySelectorAll(".curve")].map((row) => {
    const name = row.dataset.name;
    const lines = [
      { kind: "truth", said: "truth", values: clip.trace[name + " in truth"] },
      { kind: "rival", said: "other", values: clip.rival_trace[name] },
      { kind: "made", said: "answer", values: clip.trace[name] },
    ].filter((line) => line.values);
    const top = Math.max(1, ...lines.flatMap((line) => line.values.filter((v) => v !== null)));
    const svg = row.querySelector("svg");
    const path = (kind, d) => {
      const element = document.createElementNS(NS, "path");
      element.setAttribute("class", kind);
      element.setAttribute("d", d);
      svg.append(element);
      return element;
    };
    path("base", "M0 30H100");
    lines.forEach((line) => {
      let d = "", pen = false;
      line.values.forEach((value, t) => {
        if (value === null) { pen = false; return; }
        const y = 30 - (value / top) * 28;
        d += (pen ? "L" : "M") + x(t).toFixed(2) + " " + y.toFixed(2);
        // A lone value between gaps is a line of no length, which round caps show as a dot.
        if (!pen) d += "h0.01";
        pen = true;
      });
      path(line.kind, d);
    });
    const cursor = path("cursor", "");
    svg.addEventListener("pointerdown", (event) => {
      const frame = svg.getBoundingClientRect();
      seek(Math.floor(((event.clientX - frame.left) / frame.width) * clip.frames));
    });
    return { lines, cursor, now: row.querySelector(".now") };
  });
  return (t) => rows.forEach((row) => {
    row.cursor.setAttribute("d", "M" + x(t).toFixed(2) + " -1V31");
    row.now.replaceChildren(...row.lines.slice().reverse().flatMap((line, i) => [
      document.createTextNode((i ? " · " : "") + line.said + " "),
      make("b", line.kind, line.values[t] === null ? "–" : line.values[t].toFixed(2)),
    ]));
  });
}
