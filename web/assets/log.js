"use strict";
// Shows a log of any length: only the lines that are in sight are in the page,
// the others are fetched when they come into it.
(() => {
	const box = document.getElementById("log");
	if (!box) return;
	const size = document.getElementById("log-size"), follow = document.getElementById("follow"), times = document.getElementById("times");
	const form = document.getElementById("find"), text = document.getElementById("find-text"), found = document.getElementById("found");
	const url = box.dataset.url, lineHeight = 20, chunk = 500, tallest = 8e6, keep = 60;

	let last = Number(box.dataset.last), over = box.dataset.over === "yes";
	let marked = null; // [from, to] of the address
	let hits = [], hit = -1, wanted = "";
	let widest = 0, frame = 0;
	const remember = (name, value) => { try { localStorage.setItem(name, value ? "yes" : ""); } catch { /* not kept, then */ } };
	const remembered = (name) => { try { return localStorage.getItem(name) === "yes"; } catch { return false; } };
	const chunks = new Map(); // number → lines by their place, or a promise
	// Sections are folded: their lines are left out, and rows count what is left.
	let sections = [], headers = new Map(), names = new Map(), hidden = []; // hidden: [first line, last line, lines hidden before]
	const folded = new Set();
	const refold = () => {
		hidden = [];
		let end = 0, sum = 0;
		for (const s of sections) {
			if (!folded.has(s.from) || s.to <= s.from) continue;
			const a = Math.max(s.from + 1, end + 1), b = Math.min(s.to, last);
			if (b < a) continue;
			hidden.push([a, b, sum]);
			sum += b - a + 1;
			end = b;
		}
	};
	const hiddenIn = () => hidden.length === 0 ? 0 : hidden[hidden.length - 1][2] + hidden[hidden.length - 1][1] - hidden[hidden.length - 1][0] + 1;
	const rows = () => Math.max(0, last - hiddenIn());
	// upTo returns the last of the hidden stretches for which is holds; it does for the first ones only.
	const upTo = (is) => {
		let a = 0, b = hidden.length;
		while (a < b) {
			const m = (a + b) >> 1;
			if (is(hidden[m])) a = m + 1; else b = m;
		}
		return a === 0 ? null : hidden[a - 1];
	};
	const lineOf = (r) => {
		const h = upTo((h) => h[0] - h[2] <= r);
		return h ? r + h[2] + h[1] - h[0] + 1 : r;
	};
	const rowOf = (n) => {
		const h = upTo((h) => h[0] <= n);
		return h ? Math.max(h[0] - 1 - h[2], n - h[2] - (h[1] - h[0] + 1)) : n;
	};
	const full = () => rows() * lineHeight;
	const height = () => Math.min(full(), tallest);
	// Above the tallest element that browsers take, the bar moves faster than the lines.
	const room = () => Math.max(0, height() - box.clientHeight);
	const top = () => room() === 0 ? 0 : box.scrollTop * Math.max(0, full() - box.clientHeight) / room();
	const scrollToLine = (n, where) => {
		const seen = box.clientHeight / lineHeight, first = Math.max(0, rowOf(n) - 1 - (where === undefined ? seen / 3 : where));
		const end = Math.max(1, full() - box.clientHeight);
		box.scrollTop = Math.min(1, first * lineHeight / end) * room();
	};
	const atEnd = () => box.scrollTop >= room() - lineHeight;

	const fetchChunk = async (i) => {
		const answer = await fetch(`${url}/lines?after=${i * chunk}&limit=${chunk}`, { headers: { Accept: "application/json" } });
		if (!answer.ok) throw new Error(String(answer.status));
		const lines = new Map();
		let end = i * chunk;
		for (const l of (await answer.json()).lines) {
			if (l.n <= (i + 1) * chunk) lines.set(l.n, l);
			end = Math.max(end, l.n);
		}
		return { lines, end };
	};
	// get returns a line that is there, and sees to it that it comes when not.
	const get = (n) => {
		const i = Math.floor((n - 1) / chunk), have = chunks.get(i);
		if (have && have.lines) {
			if (have.lines.has(n) || n <= have.end || have.busy) return have.lines.get(n);
			if (have.lines.size > 0 && have.end < Math.min(last, (i + 1) * chunk)) grow(i, have);
			return undefined;
		}
		if (!have) {
			chunks.set(i, {});
			fetchChunk(i).then((got) => { chunks.set(i, got); forget(i); draw(); }, () => setTimeout(() => { chunks.delete(i); draw(); }, 2000));
		}
		return undefined;
	};
	// grow fetches the rest of a chunk: the log has become longer, or its lines are long.
	const grow = async (i, have) => {
		have.busy = true;
		try {
			const answer = await fetch(`${url}/lines?after=${have.end}&limit=${chunk}`, { headers: { Accept: "application/json" } });
			for (const l of (await answer.json()).lines) {
				if (l.n > (i + 1) * chunk) break;
				have.lines.set(l.n, l);
				have.end = Math.max(have.end, l.n);
			}
		} catch {
			await new Promise((done) => setTimeout(done, 2000));
		}
		have.busy = false;
		draw();
	};
	const forget = (near) => {
		if (chunks.size <= keep) return;
		const far = [...chunks.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
		for (const i of far.slice(0, chunks.size - keep)) chunks.delete(i);
	};

	const element = (name, className, content) => {
		const e = document.createElement(name);
		if (className) e.className = className;
		if (content) e.textContent = content;
		return e;
	};
	const clock = (ms) => {
		const d = new Date(ms), two = (n) => String(n).padStart(2, "0");
		return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
	};
	// marks cuts a piece of text where it holds what is searched for.
	const pieces = (spans, n) => {
		const out = [], all = spans.map((s) => s[0]).join(""), low = all.toLowerCase();
		const ranges = [];
		if (wanted && low.length === all.length) {
			for (let at = low.indexOf(wanted); at >= 0 && ranges.length < 200; at = low.indexOf(wanted, at + wanted.length)) ranges.push([at, at + wanted.length]);
		}
		let at = 0;
		for (const [content, className] of spans) {
			const end = at + content.length, holder = className ? element("span", className) : null;
			let from = at;
			const put = (e) => { if (holder) holder.append(e); else out.push(e); };
			for (const [a, b] of ranges) {
				if (b <= from || a >= end) continue;
				if (a > from) put(all.slice(from, a));
				put(element("mark", n === hits[hit] ? "hit" : "", all.slice(Math.max(a, from), Math.min(b, end))));
				from = Math.min(b, end);
			}
			if (from < end) put(all.slice(from, end));
			if (holder) out.push(holder);
			at = end;
		}
		return out;
	};
	// fold is what folds the section that begins with a line.
	const fold = (n) => {
		const slot = element("span", "f"), s = headers.get(n);
		if (s && s.to > s.from) {
			const button = element("button", "", folded.has(n) ? "▸" : "▾");
			button.type = "button";
			button.dataset.fold = n;
			button.setAttribute("aria-expanded", String(!folded.has(n)));
			button.setAttribute("aria-label", `${s.kind} ${s.name}`);
			slot.append(button);
		}
		return slot;
	};
	const row = (n) => {
		const l = get(n), e = element("div", "l");
		const number = element("a", "n", String(n));
		number.href = "#L" + n;
		number.id = "L" + n;
		number.tabIndex = -1;
		const words = element("span", "x");
		e.append(number);
		if (sections.length > 0) e.append(fold(n));
		if (l) {
			const time = element("time", "", clock(l.t));
			time.title = new Date(l.t).toISOString();
			e.append(time);
			if (names.has(n)) e.append(element("span", "part", names.get(n)));
			words.append(...pieces(l.s, n));
			if (l.l) e.classList.add("lv-" + l.l);
		}
		e.append(words);
		const more = folded.has(n) && headers.has(n) ? headers.get(n).to - n : 0;
		if (more > 0) e.append(element("span", "more", more === 1 ? "1 line" : `${more} lines`));
		if (marked && n >= marked[0] && n <= marked[1]) e.classList.add("at");
		return e;
	};

	const draw = () => { if (!frame) frame = requestAnimationFrame(paint); };
	const paint = () => {
		frame = 0;
		if (last === 0) return;
		size.style.height = height() + "px";
		const from = top(), first = Math.max(1, Math.floor(from / lineHeight) + 1 - 8);
		const until = Math.min(rows(), Math.ceil((from + box.clientHeight) / lineHeight) + 8);
		const shown = [], offset = box.scrollTop - from;
		for (let r = first; r <= until; r++) {
			const e = row(lineOf(r));
			e.style.transform = `translateY(${(r - 1) * lineHeight + offset}px)`;
			shown.push(e);
		}
		const focused = size.contains(document.activeElement) ? document.activeElement.dataset.fold : "";
		size.replaceChildren(...shown);
		if (focused) (size.querySelector(`[data-fold="${focused}"]`) || box).focus({ preventScroll: true });
		const wide = Math.max(...shown.map((e) => e.scrollWidth));
		if (wide > widest) {
			widest = wide;
			size.style.minWidth = `max(100%, ${widest}px)`;
		}
	};

	// The sections are asked for now and then while the log grows.
	const foldAll = document.getElementById("fold");
	let looking = false, lookAgain = false;
	const lookForSections = async () => {
		if (looking) {
			lookAgain = true;
			return;
		}
		looking = true;
		lookAgain = false;
		const begun = performance.now();
		try {
			const answer = await fetch(`${url}/sections?until=${last}`, { headers: { Accept: "application/json" } });
			if (answer.ok) {
				const all = remembered("fold"), known = headers;
				sections = (await answer.json()).sections;
				headers = new Map(sections.map((s) => [s.from, s]));
				names = new Map(sections.filter((s) => s.told).map((s) => [s.from, s.name]));
				for (const s of sections) if (all && !s.open && (!known.has(s.from) || known.get(s.from).open)) folded.add(s.from);
				foldAll.hidden = !sections.some((s) => s.to > s.from);
				foldAll.textContent = folded.size > 0 ? "Unfold all" : "Fold all";
				keepPlace(refold);
				if (marked) reveal(marked[0]);
			}
		} catch { /* they are asked for again when the log grows */ }
		setTimeout(() => { looking = false; if (lookAgain) lookForSections(); }, Math.max(1500, 10 * (performance.now() - begun)));
	};
	// keepPlace changes what is folded, and leaves the first line in sight where it is.
	const keepPlace = (change) => {
		const stick = follow.checked, at = lineOf(Math.floor(top() / lineHeight) + 1);
		change();
		size.style.height = height() + "px";
		if (stick) box.scrollTop = room();
		else if (at > 1) scrollToLine(at, 0);
		draw();
	};
	const reveal = (n) => {
		for (const s of sections) if (n > s.from && n <= s.to) folded.delete(s.from);
		keepPlace(refold);
	};
	const toggleAll = () => {
		const fold = folded.size === 0;
		folded.clear();
		if (fold) for (const s of sections) folded.add(s.from);
		remember("fold", fold);
		foldAll.textContent = fold ? "Unfold all" : "Fold all";
		keepPlace(refold);
	};
	foldAll.addEventListener("click", toggleAll);
	size.addEventListener("click", (e) => {
		const button = e.target.closest("[data-fold]");
		if (!button) return;
		const n = Number(button.dataset.fold);
		if (!folded.delete(n)) folded.add(n);
		foldAll.textContent = folded.size > 0 ? "Unfold all" : "Fold all";
		refold();
		size.style.height = height() + "px";
		draw();
	});

	const grown = (to, ended) => {
		const stick = follow.checked, done = ended && !over;
		over = ended;
		if (to === last && done) lookForSections(); // where tasks begin is known at the end
		if (to !== last) {
			last = to;
			refold();
			lookForSections();
			size.style.height = height() + "px";
			if (stick) box.scrollTop = room();
		}
		draw();
	};

	// The address names a line or a range of them: #L10, #L10-L20.
	const readHash = () => {
		const m = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
		marked = m ? [Number(m[1]), Number(m[2] || m[1])].sort((a, b) => a - b) : null;
		if (marked) {
			follow.checked = false;
			reveal(marked[0]);
			scrollToLine(marked[0]);
		}
		draw();
	};
	size.addEventListener("click", (e) => {
		const number = e.target.closest(".n");
		if (!number) return;
		e.preventDefault();
		const n = Number(number.textContent);
		const to = e.shiftKey && marked ? `#L${Math.min(n, marked[0])}-L${Math.max(n, marked[0])}` : "#L" + n;
		history.replaceState(null, "", to);
		const place = box.scrollTop;
		readHash();
		box.scrollTop = place;
	});

	const show = (i) => {
		if (hits.length === 0) return;
		hit = (i + hits.length) % hits.length;
		follow.checked = false;
		found.textContent = `${hit + 1} of ${hits.length}${found.dataset.more ? "+" : ""}`;
		reveal(hits[hit]);
		scrollToLine(hits[hit]);
		draw();
	};
	let asked = 0;
	const search = async () => {
		const q = text.value, turn = ++asked;
		if (q.toLowerCase() === wanted) {
			show(hit + 1);
			return;
		}
		wanted = q.toLowerCase();
		hits = [];
		hit = -1;
		found.textContent = q ? "…" : "";
		let more = false;
		if (q) {
			try {
				const answer = await fetch(`${url}/search?q=${encodeURIComponent(q)}`, { headers: { Accept: "application/json" } });
				if (!answer.ok) throw new Error(String(answer.status));
				const got = await answer.json();
				if (turn !== asked) return;
				hits = got.hits;
				more = got.more;
			} catch {
				found.textContent = "not possible now";
				return;
			}
		}
		found.dataset.more = more ? "yes" : "";
		for (const id of ["prev", "next"]) document.getElementById(id).disabled = hits.length === 0;
		if (q && hits.length === 0) found.textContent = "nothing";
		const near = hits.findIndex((n) => n > lineOf(Math.floor(top() / lineHeight)));
		if (hits.length > 0) show(near < 0 ? 0 : near);
		draw();
	};
	form.addEventListener("submit", (e) => { e.preventDefault(); search(); });
	let pause = 0;
	text.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(() => { if (text.value.length > 1 || text.value === "") search(); }, 250); });
	document.getElementById("prev").addEventListener("click", () => show(hit - 1));

	times.addEventListener("change", () => { box.classList.toggle("times", times.checked); remember("times", times.checked); widest = 0; draw(); });
	follow.addEventListener("change", () => { if (follow.checked) box.scrollTop = room(); draw(); });
	box.addEventListener("scroll", () => { if (follow.checked && !atEnd()) follow.checked = false; else if (!over && atEnd()) follow.checked = true; draw(); });
	// The keys of the log work wherever one is on its page, but for where one types.
	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
		if (e.target instanceof Element && e.target.closest("input:not([type=checkbox]), textarea, select")) return;
		if (e.key === "n") show(hit + 1);
		else if (e.key === "N") show(hit - 1);
		else if (e.key === "z" && !foldAll.hidden) toggleAll();
		else if (e.key === "g") { follow.checked = false; box.scrollTop = 0; }
		else if (e.key === "G") { follow.checked = true; box.scrollTop = room(); }
		else return;
		box.focus({ preventScroll: true }); // for the arrows to scroll on from there
		e.preventDefault();
	});
	addEventListener("hashchange", readHash);
	addEventListener("resize", draw);
	document.addEventListener("brigade:log", (e) => grown(e.detail.last, e.detail.ended));

	document.body.classList.add("live-log");
	times.checked = remembered("times");
	box.classList.toggle("times", times.checked);
	follow.checked = !over;
	if (last > 0) size.style.height = height() + "px";
	readHash();
	if (!marked && (follow.checked || box.dataset.end)) box.scrollTop = room();
	if (last > 0) lookForSections();
	draw();
})();
