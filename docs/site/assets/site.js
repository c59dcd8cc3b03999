// The search, the copy buttons and the contents on narrow screens. The pages
// work without any of it.
(() => {
  "use strict";
  const root = document.currentScript.dataset.root;
  const input = document.getElementById("q");
  const found = document.getElementById("found");
  const menu = document.getElementById("menu");
  const nav = document.getElementById("nav");
  let index, chosen = -1;

  menu.addEventListener("click", () => {
    menu.setAttribute("aria-expanded", String(nav.classList.toggle("open")));
  });
  nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });

  for (const pre of document.querySelectorAll("article pre")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      const code = pre.querySelector("code") ?? pre;
      await navigator.clipboard.writeText(code.innerText);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    pre.append(button);
  }

  const load = () => (index ??= fetch(root + "search.json").then((r) => r.json()).then((all) =>
    all.map((s) => ({ ...s, title: s.t.toLowerCase(), heading: (s.h ?? "").toLowerCase(), text: s.x.toLowerCase() }))));

  // How well a section fits: every word must be somewhere in it.
  function score(s, words) {
    let total = 0;
    for (const word of words) {
      const at = s.text.indexOf(word);
      let best = at < 0 ? 0 : 1;
      if (s.heading.includes(word)) best = 6;
      if (s.title.includes(word)) best += s.heading ? 2 : 8;
      if (best === 0) return 0;
      total += best;
    }
    return total;
  }

  // The text around the first word, with the words marked.
  function excerpt(s, words) {
    const first = Math.max(0, Math.min(...words.map((w) => { const i = s.text.indexOf(w); return i < 0 ? Infinity : i; })));
    const from = Number.isFinite(first) ? Math.max(0, first - 50) : 0;
    const piece = (from ? "… " : "") + s.x.slice(from, from + 160);
    const span = document.createElement("span");
    const lower = piece.toLowerCase();
    for (let i = 0; i < piece.length;) {
      const word = words.find((w) => lower.startsWith(w, i));
      if (word) {
        const mark = document.createElement("mark");
        mark.textContent = piece.slice(i, i + word.length);
        span.append(mark);
        i += word.length;
      } else {
        span.append(piece[i++]);
      }
    }
    span.normalize();
    return span;
  }

  function choose(n) {
    const all = found.querySelectorAll("a");
    all[chosen]?.setAttribute("aria-selected", "false");
    chosen = all.length ? (n + all.length) % all.length : -1;
    all[chosen]?.setAttribute("aria-selected", "true");
    all[chosen]?.scrollIntoView({ block: "nearest" });
  }

  async function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) { found.hidden = true; return; }
    const asked = input.value;
    const hits = (await load()).map((s) => [score(s, words), s]).filter(([n]) => n > 0).sort((a, b) => b[0] - a[0]).slice(0, 12);
    if (asked !== input.value) return;
    found.replaceChildren(...hits.map(([, s]) => {
      const a = document.createElement("a");
      a.href = root + s.u;
      a.role = "option";
      const title = document.createElement("b");
      title.textContent = s.h ? `${s.t} › ${s.h}` : s.t;
      a.append(title, excerpt(s, words));
      return a;
    }));
    if (!hits.length) {
      const none = document.createElement("p");
      none.textContent = "Nothing found. Fewer or shorter words find more.";
      found.append(none);
    }
    found.hidden = false;
    choose(0);
  }

  input.addEventListener("focus", load, { once: true });
  input.addEventListener("input", search);
  input.form.addEventListener("submit", (e) => {
    e.preventDefault();
    found.querySelectorAll("a")[chosen]?.click();
  });
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      choose(chosen + (e.key === "ArrowDown" ? 1 : -1));
    } else if (e.key === "Escape") {
      found.hidden = true;
      input.blur();
    }
  });
  document.addEventListener("click", (e) => { if (!input.form.contains(e.target)) found.hidden = true; });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      input.focus();
      input.select();
    }
  });
})();
