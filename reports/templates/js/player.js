// Players: every panel is a canvas drawn from one sheet of frames, so that all show the same frame, exactly.
(function players() {
  const GAIN = 2, HOLD = 0.5, COLUMNS = 17, GAP = 2;
  const all = [...document.querySelectorAll(".player")].map((root) => player(root, DATA.clips[root.dataset.index]));
  if (!all.length) return;
  const speed = byId("speed"), playAll = byId("play-all");
  let running = false;

  function player(root, clip) {
    const w = clip.sheet_width, h = clip.sheet_height;
    const panels = ["truth", "made", "rival", "difference"].map((kind) => {
      const canvas = root.querySelector("canvas." + kind);
      return canvas && { kind, canvas, pen: canvas.getContext("2d", { willReadFrequently: kind !== "rival" }) };
    }).filter(Boolean);
    const range = root.querySelector("input"), time = root.querySelector(".time");
    const button = root.querySelector(".play"), strip = root.querySelector(".strip");
    const self = { root, clip, t: 0, playing: false, start: 0, from: 0, seek, play, ready: null };
    const images = {};
    const moveCursors = drawCurves(root, clip, seek);

    const place = (t) => [(t % clip.columns) * w, Math.floor(t / clip.columns) * h, w, h];
    const pixels = (kind, t) => {
      const panel = panels.find((p) => p.kind === kind);
      panel.pen.drawImage(images[kind], ...place(t), 0, 0, w, h);
      return panel.pen.getImageData(0, 0, w, h);
    };

    function difference(t) {
      const a = pixels("truth", t), b = pixels("made", t).data;
      let sum = 0;
      for (let i = 0; i < b.length; i += 4) {
        for (let c = 0; c < 3; c += 1) {
          const off = Math.abs(a.data[i + c] - b[i + c]);
          sum += off;
          a.data[i + c] = Math.min(255, GAIN * off);
        }
      }
      return { image: a, sum };
    }

    function draw() {
      panels.forEach(({ kind, canvas, pen }) => {
        canvas.dataset.frame = self.t;
        if (kind !== "difference" && images[kind]) pen.drawImage(images[kind], ...place(self.t), 0, 0, w, h);
      });
      const apart = panels.find((p) => p.kind === "difference");
      if (images.truth && images.made) apart.pen.putImageData(difference(self.t).image, 0, 0);
      root.dataset.frame = self.t;
      range.value = self.t;
      const seconds = (self.t / clip.fps).toFixed(2);
      range.setAttribute("aria-valuetext", "frame " + (self.t + 1) + " of " + clip.frames + ", " + seconds + " s");
      time.textContent = (self.t + 1) + "/" + clip.frames + " · " + seconds + " s";
      moveCursors(self.t);
    }

    function drawStrip() {
      const rows = ["truth", "made", "rival"].filter((kind) => kind !== "rival" || images.rival);
      const count = Math.min(COLUMNS, clip.frames);
      strip.width = count * (w + GAP) - GAP;
      strip.height = rows.length * (h + GAP) - GAP;
      const pen = strip.getContext("2d");
      for (let k = 0; k < count; k += 1) {
        const t = Math.min(clip.frames - 1, Math.floor(((k + 0.5) / count) * clip.frames));
        rows.forEach((kind, r) => {
          if (images[kind]) pen.drawImage(images[kind], ...place(t), k * (w + GAP), r * (h + GAP), w, h);
        });
      }
    }

    function mostDifferent() {
      if (!images.made) return Math.min(clip.frames - 1, clip.given);
      let best = 0, most = -1;
      for (let t = 0; t < clip.frames; t += 1) {
        const { sum } = difference(t);
        if (sum > most) [best, most] = [t, sum];
      }
      return best;
    }

    async function open() {
      for (const kind of ["truth", "made", "rival"]) {
        if (clip[kind]) {
          const image = new Image();
          image.src = clip[kind];
          await image.decode();
          images[kind] = image;
        }
      }
      drawStrip();
      if (self.t === 0 && !self.playing) self.t = mostDifferent();
      draw();
      root.dataset.ready = "true";
    }

    self.load = () => (self.ready ??= open());

    function seek(t) {
      play(false);
      self.t = Math.max(0, Math.min(clip.frames - 1, t));
      draw();
    }

    function play(on, start = performance.now(), from = self.t >= clip.frames - 1 ? 0 : self.t) {
      self.playing = on;
      self.start = start;
      self.from = from;
      root.classList.toggle("playing", on);
      button.setAttribute("aria-label", on ? "Pause" : "Play");
      if (on) { self.load(); run(); } else told();
    }

    self.tick = (now, rate) => {
      const period = clip.frames + Math.ceil(HOLD * clip.fps);
      const step = Math.floor(((now - self.start) / 1000) * clip.fps * rate + self.from);
      const t = Math.min(clip.frames - 1, Math.max(0, step) % period);
      if (t !== self.t) { self.t = t; draw(); }
    };

    root.querySelector(".back").addEventListener("click", () => seek(self.t - 1));
    root.querySelector(".on").addEventListener("click", () => seek(self.t + 1));
    button.addEventListener("click", () => play(!self.playing));
    range.addEventListener("input", () => seek(Number(range.value)));
    strip.addEventListener("pointerdown", (event) => {
      const frame = strip.getBoundingClientRect();
      seek(Math.floor(((event.clientX - frame.left) / frame.width) * clip.frames));
    });
    root.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const onButton = event.target.tagName === "BUTTON", onLink = event.target.tagName === "A";
      const keys = {
        ArrowLeft: () => seek(self.t - 1), ArrowRight: () => seek(self.t + 1), Home: () => seek(0),
        End: () => seek(clip.frames - 1), j: () => next(1), k: () => next(-1),
        ...(onButton || onLink ? {} : { " ": () => play(!self.playing) }),
      };
      const act = keys[event.key];
      if (act) { event.preventDefault(); act(); }
    });

    function next(step) {
      const other = all[all.indexOf(self) + step];
      if (other) { other.root.focus(); other.root.scrollIntoView({ block: "nearest" }); }
    }
    return self;
  }

  function told() {
    if (!playAll) return;
    const on = all.length > 0 && all.every((one) => one.playing);
    playAll.setAttribute("aria-pressed", String(on));
    playAll.textContent = on ? "Pause all" : "Play all";
  }

  function run() {
    told();
    if (running) return;
    running = true;
    const frame = (now) => {
      const playing = all.filter((one) => one.playing);
      playing.forEach((one) => one.tick(now, Number(speed.value)));
      if (playing.length) requestAnimationFrame(frame);
      else running = false;
    };
    requestAnimationFrame(frame);
  }

  playAll.addEventListener("click", async () => {
    const on = !all.every((one) => one.playing);
    if (on) await Promise.all(all.map((one) => one.load()));
    const start = performance.now();
    all.forEach((one) => one.play(on, start, 0));
  });
  // A change of speed keeps every clip at its frame.
  speed.addEventListener("change", () => all.filter((one) => one.playing).forEach((one) => one.play(true)));
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (entry.isIntersecting) {
      near.unobserve(entry.target);
      all.find((one) => one.root === entry.target).load();
    }
  }), { rootMargin: "800px" });
  all.forEach((one) => near.observe(one.root));
})();
