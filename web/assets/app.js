"use strict";
// Keeps pages up to date, and helps with the keyboard. Pages work without it.
(() => {
	const $ = (id) => document.getElementById(id);
	const units = [[86400, "days", 172800], [3600, "h", 0], [60, "min", 0]];

	// ago and span write times as the server does.
	const ago = (ms) => {
		let s = Math.round(ms / 1000);
		if (s < 5 && s > -5) return "just now";
		const ahead = s < 0;
		s = Math.abs(s);
		let text = s + " s";
		for (const [size, name, from] of units) {
			if (s >= (from || size)) {
				text = Math.floor(s / size) + " " + name;
				break;
			}
		}
		return ahead ? "in " + text : text + " ago";
	};
	const span = (ms) => {
		const s = Math.max(0, ms / 1000), two = (n) => String(Math.floor(n)).padStart(2, "0");
		if (s < 10) return s.toFixed(1) + " s";
		if (s < 60) return Math.floor(s) + " s";
		if (s < 3600) return Math.floor(s / 60) + " m " + two(s % 60) + " s";
		if (s < 86400) return Math.floor(s / 3600) + " h " + two((s % 3600) / 60) + " m";
		return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
	};

	// The server's clock: what is shown must not depend on this machine's.
	let skew = 0;
	const now = () => Date.now() + skew;

	const setText = (e, text) => { if (e.textContent !== text) e.textContent = text; };
	const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
	const tell = () => {
		for (const e of document.querySelectorAll("time[datetime]")) {
			const at = Date.parse(e.getAttribute("datetime"));
			if (Number.isNaN(at)) continue;
			if (e.dataset.ago) setText(e, ago(now() - at));
			else if (e.closest(".log") === null) setText(e, local.format(at));
			e.title = local.format(at);
		}
		for (const e of document.querySelectorAll("[data-since]")) {
			const at = Date.parse(e.dataset.since);
			if (!Number.isNaN(at)) setText(e, span(now() - at));
		}
	};

	// The waterfall of a build that runs moves on with time.
	const steps = [50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
	const axisLabel = (ms) => {
		if (ms === 0) return "0";
		if (ms < 1e3) return ms + "ms";
		if (ms < 6e4) return Math.floor(ms / 1e3) + "s";
		const m = Math.floor(ms / 6e4), s = Math.floor((ms % 6e4) / 1e3);
		if (ms < 36e5) return m + "m" + (s ? s + "s" : "");
		const h = Math.floor(ms / 36e5);
		return h + "h" + (m % 60 ? (m % 60) + "m" : "");
	};
	const svg = (name, attributes, text) => {
		const e = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
		if (text) e.textContent = text;
		return e;
	};
	const layWaterfall = () => {
		const wf = $("wf");
		if (!wf || !wf.dataset.going) return;
		const at = now() - Number(wf.dataset.from), total = Math.max(1000, at) * 1.03;
		const percent = (ms) => Math.min(100, ms / total * 100).toFixed(2) + "%";
		for (const r of wf.querySelectorAll("rect[data-a]")) {
			const a = Number(r.dataset.a), b = r.dataset.b === "-1" ? at : Number(r.dataset.b);
			r.setAttribute("x", percent(a));
			r.setAttribute("width", percent(Math.max(0, b - a)));
		}
		let step = steps.find((s) => total / s < 6) || steps[steps.length - 1];
		while (total / step > 6) step *= 2;
		const texts = [], lines = [];
		for (let t = 0; t < total; t += step) {
			texts.push(svg("text", { x: percent(t), y: 12 }, axisLabel(t)));
			lines.push(svg("line", { x1: percent(t), x2: percent(t), y1: 0, y2: "100%" }));
		}
		$("axis").firstElementChild.replaceChildren(...texts);
		$("grid").replaceChildren(...lines);
	};

	// morph makes old like fresh and keeps what has not changed, so that focus,
	// opened details and the place of the page stay.
	const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
	const morph = (old, fresh) => {
		if (old.isEqualNode(fresh)) return;
		if (old.nodeType !== Node.ELEMENT_NODE) {
			if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
			return;
		}
		for (const { name } of [...old.attributes]) {
			if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
		}
		for (const { name, value } of fresh.attributes) {
			if (old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS")) old.setAttribute(name, value);
		}
		morphChildren(old, fresh);
	};
	const morphChildren = (old, fresh) => {
		const byID = new Map();
		for (const c of old.children) if (c.id) byID.set(c.id, c);
		const wanted = new Set([...fresh.children].map((c) => c.id));
		const drop = (e) => { const next = e.nextSibling; e.remove(); return next; };
		let at = old.firstChild;
		for (const want of [...fresh.childNodes]) {
			let have = want.id ? byID.get(want.id) : undefined;
			if (have && have !== at) {
				// What is in between goes when nobody wants it: an element that is moved loses the focus.
				while (at && at !== have && !(at.id && wanted.has(at.id))) at = drop(at);
				if (have !== at) old.insertBefore(have, at);
			}
			if (!have && at && same(at, want) && !at.id) have = at;
			if (have) {
				at = have.nextSibling;
				morph(have, want);
			} else {
				old.insertBefore(want, at);
			}
		}
		while (at) at = drop(at);
	};

	const link = (state, text) => {
		const e = $("link");
		if (!e) return;
		e.className = "link " + state;
		setText(e, text);
	};
	const clock = () => {
		const wf = $("wf");
		if (wf) skew = Number(wf.dataset.now) - Date.now();
	};
	// A tab that nobody sees has no stream: browsers allow few connections to one server.
	let source = null, final = false;
	const watch = () => {
		if (!document.body.dataset.live || !window.EventSource || source || final || document.hidden) return;
		source = new EventSource(location.pathname + location.search);
		source.addEventListener("open", () => link("on", "live"));
		source.addEventListener("error", () => link("off", source && source.readyState === EventSource.CLOSED ? "not live" : "reconnecting …"));
		source.addEventListener("page", (e) => {
			const { html, title, icon } = JSON.parse(e.data), live = $("live");
			const parsed = new DOMParser().parseFromString("<div id=live>" + html + "</div>", "text/html");
			const focused = document.activeElement;
			morph(live, parsed.getElementById("live"));
			if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
			document.title = title + " · Brigade";
			if ($("icon").getAttribute("href") !== icon) $("icon").setAttribute("href", icon);
			clock();
			tell();
			layWaterfall();
			document.dispatchEvent(new CustomEvent("brigade:page"));
		});
		source.addEventListener("log", (e) => document.dispatchEvent(new CustomEvent("brigade:log", { detail: JSON.parse(e.data) })));
		source.addEventListener("end", (e) => {
			unwatch();
			final = true;
			link("", "");
			if (JSON.parse(e.data).login) location.reload();
		});
	};
	const unwatch = () => {
		if (source) source.close();
		source = null;
	};

	// Folded parts of a page are fetched when they are opened.
	const unfold = async (d) => {
		if (!d.open || d.dataset.fetched) return;
		d.dataset.fetched = "yes";
		try {
			const answer = await fetch(d.dataset.src, { headers: { "X-Fragment": "1", Accept: "text/html" } });
			if (!answer.ok) throw new Error(answer.statusText);
			const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
			while (d.lastElementChild && d.lastElementChild.nodeName !== "SUMMARY") d.lastElementChild.remove();
			d.append(...parsed.body.childNodes);
			tell();
		} catch {
			delete d.dataset.fetched;
		}
	};

	const typing = (e) => e.target instanceof Element && e.target.closest("input, textarea, select") !== null;
	const move = (by) => {
		const bars = [...document.querySelectorAll(".bar")], at = bars.indexOf(document.activeElement);
		if (bars.length === 0) return false;
		bars[Math.min(bars.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
		return true;
	};
	const keys = (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey) return;
		if (e.key === "Escape") {
			for (const r of document.querySelectorAll(".row.pinned")) r.classList.remove("pinned");
			if (typing(e)) e.target.blur();
			return;
		}
		if (typing(e)) return;
		const target = document.querySelector(`[data-key="${CSS.escape(e.key)}"]`);
		const onBar = document.activeElement && document.activeElement.classList.contains("bar");
		if (target) target.focus();
		else if (e.key === "j" || onBar && e.key === "ArrowDown") { if (!move(1)) return; }
		else if (e.key === "k" || onBar && e.key === "ArrowUp") { if (!move(-1)) return; }
		else if (onBar && e.key === "Enter") document.activeElement.closest(".row").querySelector(".jn").click();
		else return;
		e.preventDefault();
	};

	document.addEventListener("visibilitychange", () => (document.hidden ? unwatch() : watch()));
	addEventListener("pagehide", unwatch);
	addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
	document.addEventListener("keydown", keys);
	document.addEventListener("toggle", (e) => { if (e.target.dataset && e.target.dataset.src) unfold(e.target); }, true);
	document.addEventListener("click", (e) => {
		const bar = e.target.closest(".bar");
		for (const r of document.querySelectorAll(".row.pinned")) if (!bar || r !== bar.parentElement) r.classList.remove("pinned");
		if (bar) bar.parentElement.classList.toggle("pinned");
	});
	document.addEventListener("submit", (e) => {
		const question = e.target.dataset.confirm;
		if (question && !confirm(question)) e.preventDefault();
	});
	// A text to take elsewhere is copied, or at least selected.
	document.addEventListener("click", async (e) => {
		const button = e.target.closest("[data-copy]");
		if (!button) return;
		const field = $(button.dataset.copy);
		field.select();
		try {
			await navigator.clipboard.writeText(field.value);
			button.textContent = "Copied";
		} catch {
			field.focus();
		}
	});
	document.addEventListener("change", (e) => { if (e.target.dataset.submit) e.target.form.requestSubmit(); });

	setText($("zone"), Intl.DateTimeFormat().resolvedOptions().timeZone || "local");
	clock();
	tell();
	layWaterfall();
	watch();
	setInterval(() => { if (!document.hidden) { tell(); layWaterfall(); } }, 500);
})();
