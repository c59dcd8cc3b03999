const { events } = require("brigadier");
events.on("exec", () => {
  const s = "x".repeat(1 << 20).padStart((1 << 20) + 1, "y");
  console.log(s.length, s.split("x").length, JSON.stringify({ s }).length);
  for (const n of [Infinity, -1]) { try { "x".repeat(n); } catch (e) { console.log(e.name); } }
  try { JSON.parse("[".repeat(1e6)); } catch (e) { console.log(e.message); }
  try { new Array(-1); } catch (e) { console.log(e.name); }
});
